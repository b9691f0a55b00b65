//! What a person does with the screen: which page is looked at, how far it is scrolled, what is being typed or confirmed.

use super::order::{Reading, Way, Wish};
use super::{Act, Frame, Key, Play, Prompt};
use crate::run::State;
use crate::views::{Line, Tone};

/// What the view is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// This process drives the run.
    Driving,
    /// Another process drives it, or nobody.
    Watching,
    /// It is told again from its record.
    Replaying,
}

/// What fills the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// A little of everything.
    Night,
    /// Every step.
    Steps,
    /// The whole log.
    Log,
    /// The rollback card.
    Card,
    /// What is asked of whom, in full.
    Asked,
    /// What is known and what was proven.
    Known,
    /// What is decided, before a yes.
    Decision,
    /// The keys.
    Help,
}

/// What is looked at and typed.
#[derive(Clone, Debug)]
pub struct Screen {
    role: Role,
    page: Page,
    /// Lines that are scrolled away, from the end in the log and from the beginning elsewhere; none while nobody scrolled, and
    /// the page shows what matters now.
    scroll: Option<usize>,
    /// Where the page stood when it was last shown.
    at: usize,
    prompt: Option<Prompt>,
    confirm: Option<Confirm>,
    message: Option<Line>,
    decision: Vec<Line>,
}

/// A yes that is being typed.
#[derive(Clone, PartialEq, Debug)]
pub struct Confirm {
    /// What it is a yes to.
    pub wish: Wish,
    /// The word that is asked for.
    pub word: String,
    /// What was typed so far.
    pub typed: Prompt,
}

impl Screen {
    /// The first look at a night.
    pub const fn new(role: Role) -> Self {
        Self { role, page: Page::Night, scroll: None, at: 0, prompt: None, confirm: None, message: None, decision: Vec::new() }
    }

    /// What the view is for.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What fills the screen.
    pub const fn page(&self) -> Page {
        self.page
    }

    /// How far the page is scrolled; none while nobody scrolled.
    pub const fn scroll(&self) -> Option<usize> {
        self.scroll
    }

    /// The line that is being typed.
    pub const fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// The yes that is being typed.
    pub const fn confirm(&self) -> Option<&Confirm> {
        self.confirm.as_ref()
    }

    /// The last thing that was said.
    pub const fn message(&self) -> Option<&Line> {
        self.message.as_ref()
    }

    /// What is decided, while that is shown.
    pub fn decision(&self) -> &[Line] {
        &self.decision
    }

    /// Says something until the next order is typed.
    pub fn say(&mut self, line: Line) {
        self.message = Some(line);
    }

    /// Shows what is decided, and asks for the word.
    pub fn ask(&mut self, wish: Wish, word: String, decision: Vec<Line>) {
        self.decision = decision;
        self.turn(Page::Decision);
        self.message = None;
        self.confirm = Some(Confirm { wish, word, typed: Prompt::default() });
    }

    /// Takes a key.
    pub fn press(&mut self, key: Key, state: &State) -> Act {
        match key {
            Key::Repaint => Act::Repaint,
            Key::Stop if self.role == Role::Driving => {
                let text = "Ctrl-Z does nothing here: an executor that stands drives nothing. Ctrl-C suspends in good order.";
                self.say(Line::toned(Tone::Wait, text));
                Act::Draw
            }
            Key::Stop => Act::Stop,
            _ if self.confirm.is_some() => self.press_in_confirm(key),
            _ if self.prompt.is_some() => self.press_in_prompt(key, state),
            _ => self.press_on_page(key),
        }
    }

    fn press_in_confirm(&mut self, key: Key) -> Act {
        match (key, self.confirm.take()) {
            (Key::Enter, Some(confirm)) => {
                self.turn(Page::Night);
                let typed = confirm.typed.text();
                if typed.trim() == confirm.word {
                    return Act::Order(confirm.wish);
                }
                let text = format!("`{}` was typed, not `{}`: nothing was decided", typed.trim(), confirm.word);
                self.say(Line::toned(Tone::Wait, text));
            }
            (Key::Escape, Some(_)) => {
                self.turn(Page::Night);
                self.say(Line::toned(Tone::Wait, "nothing was decided"));
            }
            (Key::Up | Key::Down | Key::PageUp | Key::PageDown, confirm) => {
                self.confirm = confirm;
                self.move_by(key);
            }
            (key, Some(mut confirm)) => {
                confirm.typed.edit(key);
                self.confirm = Some(confirm);
            }
            (_, None) => {}
        }
        Act::Draw
    }

    fn press_in_prompt(&mut self, key: Key, state: &State) -> Act {
        let Some(prompt) = &mut self.prompt else { return Act::Draw };
        match key {
            Key::Escape => self.prompt = None,
            Key::Backspace if prompt.text().is_empty() => self.prompt = None,
            Key::Tab => prompt.complete(state),
            Key::Enter => {
                return match prompt.reading(state) {
                    Reading::Empty => {
                        self.prompt = None;
                        Act::Draw
                    }
                    Reading::Unfinished(_) | Reading::Wrong(_) => Act::Draw,
                    Reading::Order(wish) => {
                        self.prompt = None;
                        match wish.way(state) {
                            Way::Here => Act::Order(wish),
                            Way::Shown(_) => Act::Show(wish),
                            Way::Outside => Act::Outside(wish.words()),
                        }
                    }
                };
            }
            Key::Up | Key::Down | Key::PageUp | Key::PageDown => self.move_by(key),
            Key::Char(_) | Key::Clear | Key::Left | Key::Right | Key::Home | Key::End | Key::Backspace => prompt.edit(key),
            Key::Stop | Key::Repaint => {}
        }
        Act::Draw
    }

    fn press_on_page(&mut self, key: Key) -> Act {
        match (self.role, key) {
            (Role::Replaying, Key::Char(' ')) => return Act::Play(Play::Toggle),
            (Role::Replaying, Key::Right) => return Act::Play(Play::Forward),
            (Role::Replaying, Key::Left) => return Act::Play(Play::Back),
            (Role::Replaying, Key::Char('+' | '=')) => return Act::Play(Play::Faster),
            (Role::Replaying, Key::Char('-')) => return Act::Play(Play::Slower),
            (Role::Replaying, Key::Char(':')) => self.say(Line::toned(Tone::Wait, "Nothing can be ordered in a replay.")),
            (Role::Driving | Role::Watching, Key::Char(':')) => {
                self.message = None;
                self.prompt = Some(Prompt::default());
            }
            (Role::Watching | Role::Replaying, Key::Char('q')) => return Act::Leave,
            (Role::Driving, Key::Char('q')) => {
                let text = "This view drives the run: Ctrl-C suspends it in good order, and `resume` goes on.";
                self.say(Line::toned(Tone::Wait, text));
            }
            (_, Key::Char('s')) => self.toggle(Page::Steps),
            (_, Key::Char('l')) => self.toggle(Page::Log),
            (_, Key::Char('c')) => self.toggle(Page::Card),
            (_, Key::Char('a')) => self.toggle(Page::Asked),
            (_, Key::Char('k')) => self.toggle(Page::Known),
            (_, Key::Char('?' | 'h')) => self.toggle(Page::Help),
            (_, Key::Escape) => {
                self.turn(Page::Night);
                self.message = None;
            }
            (_, Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Home | Key::End) => self.move_by(key),
            (_, Key::Char(_) | Key::Enter | Key::Tab | Key::Backspace | Key::Clear | Key::Left | Key::Right) => {}
            (_, Key::Stop | Key::Repaint) => {}
        }
        Act::Draw
    }

    fn toggle(&mut self, page: Page) {
        self.turn(if self.page == page { Page::Night } else { page });
    }

    const fn turn(&mut self, page: Page) {
        self.page = page;
        self.scroll = None;
        self.at = 0;
    }

    /// Moves what is looked at. The frame knows how much there is, and shows no further than that.
    fn move_by(&mut self, key: Key) {
        // The log is read from its end, so its scroll counts from there.
        let from_end = matches!(self.page, Page::Night | Page::Log);
        let page = 10;
        let (up, down) = match key {
            Key::Up => (1, 0),
            Key::Down => (0, 1),
            Key::PageUp => (page, 0),
            Key::PageDown => (0, page),
            Key::Home => (usize::MAX, 0),
            Key::End => (0, usize::MAX),
            _ => (0, 0),
        };
        let (more, less) = if from_end { (up, down) } else { (down, up) };
        self.scroll = Some(self.scroll.unwrap_or(self.at).saturating_add(more).saturating_sub(less));
    }

    /// Takes in where a frame stood. What cannot be scrolled away comes back, and whose end is shown follows it again.
    pub fn settle(&mut self, frame: &Frame) {
        self.at = frame.at;
        self.scroll = self.scroll.map(|_| frame.at).filter(|at| *at > 0 || !matches!(self.page, Page::Night | Page::Log));
    }
}
