//! Keys as a terminal sends them, as keys of a screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::views::screen::Key;

/// The key, where it means anything here.
pub fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Char('z') if ctrl => Some(Key::Stop),
        KeyCode::Char('l') if ctrl => Some(Key::Repaint),
        KeyCode::Char('u') if ctrl => Some(Key::Clear),
        KeyCode::Char('a') if ctrl => Some(Key::Home),
        KeyCode::Char('e') if ctrl => Some(Key::End),
        KeyCode::Char('h') if ctrl => Some(Key::Backspace),
        KeyCode::Char('j' | 'm') if ctrl => Some(Key::Enter),
        KeyCode::Char(_) if ctrl || event.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) => Some(Key::Char(c)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Left => Some(Key::Left),
        KeyCode::Right => Some(Key::Right),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Home => Some(Key::Home),
        KeyCode::End => Some(Key::End),
        _ => None,
    }
}
