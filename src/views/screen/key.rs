//! What is pressed, and what a screen wants to happen.

use super::Wish;

/// A key, whatever terminal it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character.
    Char(char),
    /// The end of a line.
    Enter,
    /// Away from here.
    Escape,
    /// Completion.
    Tab,
    /// Takes the character before the cursor.
    Backspace,
    /// Takes the whole line.
    Clear,
    /// One up.
    Up,
    /// One down.
    Down,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// Ctrl-Z.
    Stop,
    /// Ctrl-L: paint everything again.
    Repaint,
}

/// What a screen wants to happen after a key.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// Nothing but another frame.
    Draw,
    /// Everything is painted again.
    Repaint,
    /// The view is left.
    Leave,
    /// The process of the view stops until the shell continues it.
    Stop,
    /// What a decision is about is looked up and shown.
    Show(Wish),
    /// An order is given.
    Order(Wish),
    /// The view steps aside for this command line; RUN comes behind the first word.
    Outside(Vec<String>),
    /// The replay is steered.
    Play(Play),
}

/// How a replay is steered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Play {
    /// Stand, or go on.
    Toggle,
    /// One record on.
    Forward,
    /// One record back.
    Back,
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
}
