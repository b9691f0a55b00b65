//! A template's text → pieces, with a place for every fault. Nothing recurses with the input.

use super::expression::{Expression, Name};
use crate::model::{Value, id};

/// The longest text that may be a template, in bytes.
pub const LONGEST_TEXT: usize = 256 * 1024;

/// How deeply `{{#if}}` may be nested.
pub const DEEPEST_BLOCKS: usize = 16;

/// One piece of a template.
#[derive(Clone, PartialEq, Debug)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// `{{ expression }}`
    Value(Expression),
    /// `{{#if expression}}`
    If(Expression),
    /// `{{else}}`
    Else,
    /// `{{/if}}`
    EndIf,
}

/// What is wrong with a template's text, and where, in bytes of that text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Fault {
    /// Which kind of fault.
    pub kind: FaultKind,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// One sentence without a full stop.
    pub problem: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// The kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// It is no template.
    Syntax,
    /// It is Handlebars, but a part that a runbook may not use.
    Forbidden,
    /// It is too long or too deep.
    TooLarge,
}

/// Cuts a text into pieces.
///
/// # Errors
/// The first fault: everything after it could only be guessed at.
pub fn scan(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut cursor = Cursor { text, at: 0 };
    if text.len() > LONGEST_TEXT {
        return Err(cursor.too_large(0, "a text with templates has at most 256 KiB"));
    }
    let mut pieces = Vec::new();
    // The places of the open blocks, and whether their `{{else}}` has come.
    let mut open: Vec<(usize, bool)> = Vec::new();
    while let Some(found) = text[cursor.at..].find("{{") {
        let start = cursor.at + found;
        if text[..start].ends_with('\\') {
            cursor.at = start + 2;
            let help = "a value that contains `{{` stays text: write it as the value of a param and use the param here";
            return Err(cursor.forbidden(start - 1, "`{{` cannot be escaped with a backslash".to_owned(), help.to_owned()));
        }
        if found > 0 {
            pieces.push(Piece::Text(text[cursor.at..start].to_owned()));
        }
        cursor.at = start + 2;
        let piece = cursor.tag(start)?;
        match &piece {
            Piece::If(_) if open.len() >= DEEPEST_BLOCKS => {
                return Err(cursor.too_large(start, "`{{#if}}` is nested too deeply"));
            }
            Piece::If(_) => open.push((start, false)),
            Piece::Else => match open.last_mut() {
                Some((_, seen @ false)) => *seen = true,
                Some((_, true)) => return Err(cursor.syntax(start, "this block has a second `{{else}}`")),
                None => return Err(cursor.syntax(start, "this `{{else}}` belongs to no `{{#if}}`")),
            },
            Piece::EndIf => {
                if open.pop().is_none() {
                    return Err(cursor.syntax(start, "this `{{/if}}` closes nothing"));
                }
            }
            Piece::Text(_) | Piece::Value(_) => {}
        }
        pieces.push(piece);
    }
    if let Some((start, _)) = open.pop() {
        cursor.at = (start + 5).min(text.len());
        return Err(cursor.syntax(start, "this `{{#if}}` has no `{{/if}}`"));
    }
    if cursor.at < text.len() {
        pieces.push(Piece::Text(text[cursor.at..].to_owned()));
    }
    Ok(pieces)
}

/// A place in a template's text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    /// The rest of a tag whose `{{` stands at `start`.
    fn tag(&mut self, start: usize) -> Result<Piece, Fault> {
        self.refuse_forbidden(start)?;
        self.skip_space();
        if self.peek() == Some('#') {
            self.step();
            let word = self.word();
            if word != "if" {
                let problem = format!("`{{{{#{word}}}}}` is not available: there are no helpers and no loops in a template");
                return Err(self.forbidden(start, problem, "the only block is `{{#if name}}…{{else}}…{{/if}}`".to_owned()));
            }
            let condition = Expression::read(self)?;
            self.close(start)?;
            return Ok(Piece::If(condition));
        }
        if self.peek() == Some('/') {
            self.step();
            let word = self.word();
            if word != "if" {
                return Err(self.syntax(start, "only `{{/if}}` closes a block"));
            }
            self.close(start)?;
            return Ok(Piece::EndIf);
        }
        if self.text[self.at..].starts_with("else") && self.text[self.at + 4..].trim_start().starts_with("}}") {
            self.at += 4;
            self.close(start)?;
            return Ok(Piece::Else);
        }
        let expression = Expression::read(self)?;
        self.close(start)?;
        Ok(Piece::Value(expression))
    }

    /// The parts of Handlebars that can call, loop, include or bypass.
    fn refuse_forbidden(&mut self, start: usize) -> Result<(), Fault> {
        let rest = self.text[self.at..].trim_start();
        let (what, help) = match rest.chars().next() {
            Some('{') => ("a raw value or raw block in three or four braces", "write `{{ name }}`: nothing is escaped here"),
            Some('&') => ("`{{&`", "write `{{ name }}`: nothing is escaped here"),
            Some('>') => ("a partial", "write the text out, or keep it in a param"),
            Some('*') => ("a decorator", "there are only names and `{{#if}}`"),
            Some('!') => ("a comment", "write a YAML comment after `#`"),
            Some('^') => ("`{{^`", "write `{{else}}`"),
            Some('~') => ("whitespace control with `~`", "write the text without the spaces"),
            Some('#') if rest.starts_with("#>") || rest.starts_with("#*") => {
                ("a partial or decorator block", "there is only `{{#if}}`")
            }
            _ => return Ok(()),
        };
        self.at = (self.text.len() - rest.len() + rest.chars().next().map_or(0, char::len_utf8)).min(self.text.len());
        Err(self.forbidden(start, format!("{what} is not available in a template"), help.to_owned()))
    }

    fn close(&mut self, start: usize) -> Result<(), Fault> {
        self.skip_space();
        if !self.text[self.at..].starts_with("}}") {
            return Err(self.syntax(start, "this `{{` is not closed by `}}`"));
        }
        self.at += 2;
        Ok(())
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn step(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.step();
        }
    }

    /// Whether nothing of an expression can come here.
    pub(super) fn ends_expression(&self) -> bool {
        matches!(self.peek(), None | Some('}' | ')'))
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(is_name_character) {
            self.step();
        }
        self.text[start..self.at].to_owned()
    }

    /// A dotted name; a step's item is written `steps.copy[orders]`.
    pub(super) fn name(&mut self) -> Result<Name, Fault> {
        let start = self.at;
        let mut parts = Vec::new();
        loop {
            let mut part = self.word();
            if part.is_empty() {
                self.step();
                return Err(self.syntax(start, "a name is expected here, such as `params.batch` or `steps.counts.outputs.rows`"));
            }
            if self.peek() == Some('[') {
                let open = self.at;
                let length = self.text[open..].find(']').filter(|length| id::is_item(&self.text[open + 1..open + length]));
                let Some(length) = length else {
                    self.step();
                    return Err(self.syntax(start, "the item of a step is written `steps.copy[orders]`"));
                };
                if parts.len() != 1 || parts[0] != "steps" {
                    self.at = open + length + 1;
                    return Err(self.syntax(start, "brackets name the item of a step; an entry of a list is written `list.0`"));
                }
                part.push_str(&self.text[open..=open + length]);
                self.at = open + length + 1;
            }
            parts.push(part);
            if self.peek() != Some('.') {
                return Ok(Name { parts, start, end: self.at });
            }
            self.step();
        }
    }

    /// A text in quotes; there are no escapes in it.
    pub(super) fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let quote = self.peek().unwrap_or('"');
        self.step();
        let Some(length) = self.text[self.at..].find(quote) else {
            return Err(self.syntax(start, "this text has no closing quote"));
        };
        let text = self.text[self.at..self.at + length].to_owned();
        self.at += length + 1;
        Ok(text)
    }

    pub(super) fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || matches!(c, '-' | '.')) {
            self.step();
        }
        serde_json::from_str(&self.text[start..self.at]).map_err(|_| self.syntax(start, "this is no number"))
    }

    pub(super) fn syntax(&self, start: usize, problem: &str) -> Fault {
        self.fault(FaultKind::Syntax, start, problem.to_owned(), None)
    }

    pub(super) fn forbidden(&self, start: usize, problem: String, help: String) -> Fault {
        self.fault(FaultKind::Forbidden, start, problem, Some(help))
    }

    pub(super) fn too_large(&self, start: usize, problem: &str) -> Fault {
        self.fault(FaultKind::TooLarge, start, problem.to_owned(), Some("keep long texts and deep choices in params".to_owned()))
    }

    fn fault(&self, kind: FaultKind, start: usize, problem: String, help: Option<String>) -> Fault {
        Fault { kind, start, end: self.at.max(start + 1).min(self.text.len()), problem, help }
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}
