//! The screen of a night as lines: what stands where at which size, what is typed, what will happen; no terminal.

use std::collections::BTreeSet;

use pointsman::model::{Actor, StepId};
use pointsman::plan::StepIndex;
use pointsman::run::{Command, Event, State};
use pointsman::views::line::Detail;
use pointsman::views::live::Mood;
use pointsman::views::screen::order::read;
use pointsman::views::screen::{Act, Chronicle, Frame, Key, Night, Reading, Role, Screen, Size, Way, critical, frame};
use pointsman::views::status::Life;
use pointsman::views::{Invocation, Line, ink};

use crate::approvals::Stage;
use crate::views::{NIGHT, Tale, bob};

/// A screen over a tale, with somebody at the keys.
pub struct Desk {
    pub tale: Tale,
    chronicle: Chronicle,
    path: BTreeSet<StepIndex>,
    screen: Screen,
    by: Option<Actor>,
    life: Life,
}

impl Desk {
    pub fn over(tale: Tale, role: Role) -> Self {
        let mut chronicle = Chronicle::of(&tale.state, Detail::Changes);
        chronicle.take(&tale.state, &tale.records);
        let path = critical(tale.state.plan());
        Self { chronicle, path, screen: Screen::new(role), by: Some(bob()), life: Life::Driven, tale }
    }

    pub fn frame(&mut self, columns: usize, rows: usize) -> Frame {
        let night = Night {
            state: &self.tale.state,
            chronicle: &self.chronicle,
            now: self.tale.now,
            life: self.life,
            mood: Mood::Driving,
            expected: None,
            path: &self.path,
            by: self.by.as_ref(),
            how: &Invocation::default(),
            pace: None,
        };
        let frame = frame(&night, &self.screen, Size { columns, rows });
        assert_eq!(frame.lines.len(), rows, "a frame is as high as its screen");
        assert!(frame.lines.iter().all(|line| line.width() <= columns), "a frame is no wider than its screen");
        self.screen.settle(&frame);
        frame
    }

    pub fn shown(&mut self, columns: usize, rows: usize) -> String {
        let frame = self.frame(columns, rows);
        let digest = self.tale.state.plan().digest();
        ink::text(&frame.lines).replace(&digest.to_string(), "sha256:…").replace(&digest.short(), "…")
    }

    pub fn press(&mut self, keys: &str) -> Act {
        let mut act = Act::Draw;
        for c in keys.chars() {
            let key = match c {
                '\n' => Key::Enter,
                '\t' => Key::Tab,
                '\u{1b}' => Key::Escape,
                c => Key::Char(c),
            };
            act = self.screen.press(key, &self.tale.state);
        }
        act
    }
}

#[test]
fn a_night_that_waits_at_its_gate() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Driving);
    insta::assert_snapshot!("a_night_80x24", desk.shown(80, 24));
    insta::assert_snapshot!("a_night_120x40", desk.shown(120, 40));
    insta::assert_snapshot!("a_night_40x16", desk.shown(40, 16));
    insta::assert_snapshot!("a_night_24x7", desk.shown(24, 7));
}

#[test]
fn every_size_has_a_frame_and_the_question_stands_where_there_is_room() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Watching);
    for columns in 1..200 {
        for rows in [1, 2, 3, 6, 7, 8, 12, 24, 60] {
            let shown = desk.shown(columns, rows);
            assert!(columns < 60 || rows < 24 || shown.contains("approve go-live"), "{columns}x{rows}:\n{shown}");
        }
    }
    for key in "slcak?".chars() {
        desk.press(&key.to_string());
        for columns in [1, 10, 24, 80] {
            for rows in [1, 5, 7, 9, 30] {
                desk.frame(columns, rows);
            }
        }
    }
}

#[test]
fn pages_show_all_of_it() {
    let mut desk = Desk::over(Tale::stuck(), Role::Watching);
    let mut pages = String::new();
    for key in "slcak?".chars() {
        desk.press(&key.to_string());
        pages.push_str(&desk.shown(80, 24));
        pages.push_str("----\n");
        desk.press("\u{1b}");
    }
    insta::assert_snapshot!("pages_80x24", pages);
}

#[test]
fn what_is_typed_says_what_it_will_do() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Driving);
    desk.by = Some(Actor::local(1002, "carol"));
    let mut said = String::new();
    for line in [
        "",
        "a",
        "approve ",
        "approve go-live",
        "approve nowhere",
        "approve go-live --sign",
        "reject go-live",
        "reject go-live the counts differ",
        "pause",
        "rollback",
        "rollback the new side is slow",
        "abort it's over",
        "resolve freeze",
        "resolve freeze applied 'seen in the log'",
        "retry freeze",
        "frobnicate",
    ] {
        desk.press(&format!(":{line}"));
        let frame = desk.frame(80, 24);
        let from = frame.lines.iter().rposition(|line| line.text().starts_with("01:")).unwrap_or(0);
        said.push_str(&format!("{}----\n", ink::text(&frame.lines[from + 1..])));
        desk.press("\u{1b}");
    }
    insta::assert_snapshot!("what_is_typed", said);
}

#[test]
fn an_approval_is_shown_first_and_asked_once_more() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Watching);
    let Act::Show(wish) = desk.press(":ap\tgo\t\n") else { panic!("it is shown first") };
    assert_eq!(wish.command, Command::Approve { step: StepId::new("go-live"), note: String::new() });
    desk.screen.ask(wish.clone(), "yes".to_owned(), vec![Line::plain("Switch to the new side?")]);
    let shown = desk.shown(80, 24);
    assert!(shown.contains("Switch to the new side?") && shown.contains("Type `yes`"), "{shown}");
    // Whoever presses Enter twice decides nothing.
    assert_eq!(desk.press("\n"), Act::Draw);
    assert!(desk.shown(80, 24).contains("nothing was decided"));
    desk.screen.ask(wish.clone(), "yes".to_owned(), Vec::new());
    assert_eq!(desk.press("yes\n"), Act::Order(wish));
}

#[test]
fn orders_are_read_as_on_the_command_line() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Watching);
    let step = || StepId::new("go-live");
    let reason = || "counts differ".to_owned();
    for text in ["reject go-live counts differ", "reject go-live --reason 'counts differ'", "reject 'go-live' \"counts differ\""]
    {
        let Act::Order(wish) = desk.press(&format!(":{text}\n")) else { panic!("{text}") };
        assert_eq!(wish.command, Command::Reject { step: step(), reason: reason() });
        assert_eq!(wish.line(), "reject go-live --reason 'counts differ'");
    }
    let Act::Order(wish) = desk.press(":pause --by alice\n") else { panic!("an order") };
    assert_eq!((wish.command, wish.person.as_deref()), (Command::Pause { reason: String::new() }, Some("alice")));
    let Act::Outside(words) = desk.press(":break-glass go-live nobody answers\n") else { panic!("not from a screen") };
    assert_eq!(words, ["break-glass", "go-live", "--reason", "nobody answers"]);
    // The placeholders of a shown command are no reason.
    assert_eq!(desk.press(":reject go-live --reason WHY\n"), Act::Draw);
}

#[test]
fn a_screen_asks_for_no_less_than_the_command_line() {
    let way = |text: &str, state: &State| match read(text, state) {
        Reading::Order(wish) => wish.way(state),
        other => panic!("`{text}` is an order: {other:?}"),
    };
    // A gate that counts signatures only: a yes is signed by the command line, a no needs none.
    let signed = Stage::new();
    assert_eq!(way("approve gate", signed.conductor.state()), Way::Outside);
    assert_eq!(way("break-glass gate nobody answers", signed.conductor.state()), Way::Outside);
    assert_eq!(way("reject gate no", signed.conductor.state()), Way::Here);
    // A protected gate asks for the name of its environment; Enter, or a yes, is not enough.
    let tale = Tale::of(&NIGHT.replace("action: gate.approval", "action: gate.approval\n    protected: true"));
    assert_eq!(way("approve go-live", &tale.state), Way::Shown("night".to_owned()));
    assert_eq!(way("approve go-live", &Tale::of(NIGHT).state), Way::Shown("yes".to_owned()));
}

#[test]
fn nothing_can_be_ordered_in_a_replay() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Replaying);
    assert_eq!(desk.press(":approve go-live\n"), Act::Draw);
    assert!(desk.screen.prompt().is_none());
    assert!(desk.shown(80, 24).contains("Nothing can be ordered in a replay"));
}

#[test]
fn a_view_that_drives_is_not_left_by_a_key() {
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Driving);
    assert_eq!(desk.press("q"), Act::Draw);
    assert_eq!(desk.screen.press(Key::Stop, &desk.tale.state), Act::Draw);
    let mut desk = Desk::over(Tale::up_to_the_gate(), Role::Watching);
    assert_eq!(desk.press("q"), Act::Leave);
    assert_eq!(desk.screen.press(Key::Stop, &desk.tale.state), Act::Stop);
}

#[test]
fn a_large_foreach_is_one_row_until_an_item_is_worth_one() {
    let items: Vec<String> = (0..300).map(|at| format!("t{at}")).collect();
    let text = NIGHT.replace("[users, orders]", &format!("[{}]", items.join(", ")));
    let mut tale = Tale::of(&text);
    tale.does(1_200, "freeze");
    for at in 0..120 {
        tale.does(10, &format!("copy[t{at}]"));
    }
    for at in 120..128 {
        tale.begins(&format!("copy[t{at}]"));
    }
    let step = StepId::new("copy[t121]");
    tale.tell(1, Event::ProgressNoted { step, attempt: 1, text: "half way".to_owned() });
    let mut desk = Desk::over(tale, Role::Driving);
    let shown = desk.shown(80, 24);
    assert!(shown.contains("172 pending, 8 running, 120 succe"), "{shown}");
    assert!(shown.contains("copy[t121]") && shown.contains("half way"), "{shown}");
    assert!(!shown.contains("copy[t5] "), "quiet items stand in their group's row: {shown}");
}

#[test]
fn a_large_plan_is_looked_through_from_its_front_line() {
    let mut steps = String::new();
    for number in 0..2_000 {
        let needs = if number < 10 { String::new() } else { format!("needs: [s{}], ", number - 10) };
        steps.push_str(&format!(
            "  s{number}: {{ {needs}action: command, with: {{ argv: [x] }}, in_doubt: ask, undo: {{ nothing: test }} }}\n"
        ));
    }
    let mut tale = Tale::of(&format!("pointsman: 1\nrunbook: long\nsteps:\n{steps}"));
    for number in 0..20 {
        tale.does(1, &format!("s{number}"));
    }
    let mut desk = Desk::over(tale, Role::Driving);
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        desk.frame(80, 24);
    }
    println!("{:?} a frame of 2000 steps", begin.elapsed() / 20);
    // The page of steps begins at the front line, and goes on from there line by line.
    desk.press("s");
    let first = desk.shown(80, 24);
    assert!(first.contains("s20 ") && first.contains("s19 "), "{first}");
    desk.screen.press(Key::Down, &desk.tale.state);
    let second = desk.shown(80, 24);
    assert_eq!(first.lines().nth(3), second.lines().nth(2), "one line further: {first}{second}");
    desk.screen.press(Key::End, &desk.tale.state);
    assert!(desk.shown(80, 24).contains("s1999"));
    desk.screen.press(Key::Up, &desk.tale.state);
    assert!(!desk.shown(80, 24).contains("s1999"), "the end is no further than it is");
}

#[test]
fn a_proof_is_shown_with_its_age() {
    let mut tale = Tale::up_to_the_gate();
    tale.now = tale.now.plus(std::time::Duration::from_secs(30));
    let mut desk = Desk::over(tale, Role::Watching);
    let shown = desk.shown(80, 30);
    assert!(shown.contains("proven last") && shown.contains("copy[orders]") && shown.contains("1m30s ago"), "{shown}");
}
