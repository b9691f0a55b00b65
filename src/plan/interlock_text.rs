//! The words of a runbook's own rules: read, and refused with the place and what to write instead.

use super::build::{Builder, quoted};
use super::interlock::{Claim, Interlock, InterlockLaw, Kind};
use super::place::part_of;
use super::{Section, StepIndex};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Code, Diagnostic, SourceSpan, nearest};
use crate::model::{Span, StepId};
use crate::runbook::{InterlockText, Spanned};

/// The facts, how each is written, and of how many things it is.
const FACTS: &[(&str, &str, usize)] = &[
    ("writes", "writes(old)=open", 1),
    ("route", "route(lb/shop)=new", 1),
    ("held", "held(lb/shop)", 1),
    ("agree", "agree(old, new)", 2),
    ("caught_up", "caught_up(new)", 1),
    ("drained", "drained(mq)", 1),
    ("sequences", "sequences(old, new)", 2),
    ("follows", "follows(new, old)", 2),
];

const FORMS: &str = "write conditions such as `writes(old)=open`, joined by `and`, `or`, `not` and parentheses";

impl Builder<'_> {
    /// The runbook's own rules. They come last, when every step has its place.
    pub fn interlocks(&mut self) -> Vec<Interlock> {
        let written = self.runbook.interlocks.clone();
        let mut rules = Vec::with_capacity(written.len());
        for interlock in &written {
            let (kind, text) = match &interlock.law {
                InterlockText::Never(text) => (Kind::Never, text),
                InterlockText::Before(text) => (Kind::Before, text),
                InterlockText::AlwaysEnds(text) => (Kind::AlwaysEnds, text),
            };
            match self.interlock(kind, text) {
                Ok(law) => {
                    let word = match kind {
                        Kind::Never => "never",
                        Kind::Before => "before",
                        Kind::AlwaysEnds => "always-ends",
                    };
                    let text = format!("{word}: {}", text.value.trim());
                    self.places.push_interlock(interlock.name.span);
                    rules.push(Interlock { name: interlock.name.value.clone(), text, law });
                }
                Err(diagnostic) => self.report.push(*diagnostic),
            }
        }
        rules
    }

    fn interlock(&self, kind: Kind, text: &Spanned<String>) -> Result<InterlockLaw, Box<Diagnostic>> {
        let mut reader = Reading { builder: self, text, words: words(&text.value), at: 0 };
        let law = match kind {
            Kind::Never => InterlockLaw::Never(reader.claim()?),
            Kind::AlwaysEnds => InterlockLaw::AlwaysEnds(reader.claim()?),
            Kind::Before => {
                let steps = reader.steps()?;
                let requires = reader.claim()?;
                let fresh = reader.fresh()?;
                InterlockLaw::Before { steps, requires, fresh }
            }
        };
        match reader.peek() {
            None => Ok(law),
            Some(_) => Err(reader.wrong("this is one word too many", FORMS)),
        }
    }
}

/// One word of a rule and where it stands.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    start: usize,
    end: usize,
}

/// Names and signs, each with its place.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = start + c.len_utf8();
        let is_sign = |c: char| matches!(c, '(' | ')' | ',' | '=' | '!');
        if is_sign(c) {
            if c == '!' && rest.peek().is_some_and(|(_, next)| *next == '=') {
                rest.next();
                end += 1;
            }
        } else {
            while let Some((at, next)) = rest.peek().copied().filter(|(_, next)| !next.is_whitespace() && !is_sign(*next)) {
                end = at + next.len_utf8();
                rest.next();
            }
        }
        words.push(Word { text: text[start..end].to_owned(), start, end });
    }
    words
}

type Read<T> = Result<T, Box<Diagnostic>>;

/// Reads one rule, word by word.
struct Reading<'a, 'b> {
    builder: &'a Builder<'b>,
    text: &'a Spanned<String>,
    words: Vec<Word>,
    at: usize,
}

impl Reading<'_, '_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|word| word.text.as_str())
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn place(&self, at: usize) -> SourceSpan {
        let text = &self.text.value;
        let (start, end) = self.words.get(at).map_or((text.len(), text.len()), |word| (word.start, word.end));
        if start == end { self.text.span } else { part_of(self.builder.source, self.text.span, text, start, end) }
    }

    fn error(&self, code: Code, at: usize, message: String, help: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, self.place(at), message).help(help))
    }

    fn wrong(&self, message: &str, help: &str) -> Box<Diagnostic> {
        let message = match self.peek() {
            Some(word) => format!("`{word}`: {message}"),
            None => format!("the rule ends too early: {message}"),
        };
        self.error(codes::INTERLOCK_SYNTAX, self.at, message, help)
    }

    fn name(&mut self, what: &str) -> Read<String> {
        match self.peek() {
            Some(word) if !matches!(word, "(" | ")" | "," | "=" | "!=" | "!") => {
                let word = word.to_owned();
                self.at += 1;
                Ok(word)
            }
            Some(_) | None => Err(self.wrong(&format!("{what} must stand here"), FORMS)),
        }
    }

    /// `or` binds least, `not` most.
    fn claim(&mut self) -> Read<Claim> {
        let mut parts = vec![self.both()?];
        while self.take("or") {
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Claim::Any(parts) })
    }

    fn both(&mut self) -> Read<Claim> {
        let mut parts = vec![self.one()?];
        while self.take("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Claim::All(parts) })
    }

    fn one(&mut self) -> Read<Claim> {
        if self.take("not") {
            return Ok(Claim::Not(Box::new(self.one()?)));
        }
        if self.take("(") {
            let inner = self.claim()?;
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("a `)` must stand here", FORMS)) };
        }
        let at = self.at;
        let word = self.name("a fact")?;
        if word == "point_of_no_return" {
            let is_whole = self.take("passed");
            return if is_whole { Ok(Claim::Passed) } else { Err(self.wrong("write `point_of_no_return passed`", FORMS)) };
        }
        let Some((_, example, count)) = FACTS.iter().find(|(known, ..)| *known == word) else {
            let help = match nearest(&word, FACTS.iter().map(|(known, ..)| *known)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the facts are {}", quoted(FACTS.iter().map(|(_, example, _)| *example))),
            };
            return Err(self.error(codes::INTERLOCK_NAME, at, format!("there is no fact `{word}`"), help));
        };
        if !self.take("(") {
            return Err(self.wrong("a `(` must stand here", &format!("write `{example}`")));
        }
        let of = self.arguments(example)?;
        if of.len() != *count {
            let message = format!("`{word}` is a fact about {count}, and {} stand here", of.len());
            return Err(self.error(codes::INTERLOCK_SYNTAX, at, message, format!("write `{example}`")));
        }
        self.fact(word, of, at, example)
    }

    /// Targets, each with a part behind a `/` where it has one.
    fn arguments(&mut self, example: &str) -> Read<Vec<String>> {
        let mut of = Vec::new();
        loop {
            let at = self.at;
            let name = self.name("a target")?;
            let target = name.split('/').next().unwrap_or_default();
            let known = || self.builder.runbook.targets.iter().map(|target| target.name.value.as_str());
            if !known().any(|other| other == target) {
                let help = match nearest(target, known()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the targets are {}", quoted(known())),
                };
                return Err(self.error(codes::INTERLOCK_NAME, at, format!("there is no target `{target}`"), help));
            }
            of.push(name);
            if self.take(")") {
                return Ok(of);
            }
            if !self.take(",") {
                return Err(self.wrong("a `,` or a `)` must stand here", &format!("write `{example}`")));
            }
        }
    }

    fn fact(&mut self, word: String, mut of: Vec<String>, at: usize, example: &str) -> Read<Claim> {
        let sign = if self.take("=") {
            Some(true)
        } else if self.take("!=") {
            Some(false)
        } else {
            None
        };
        let value_at = self.at;
        let value = sign.map(|_| self.name("a value")).transpose()?;
        let first = of.first().cloned().unwrap_or_default();
        let refused = |message: String, help: &str| Err(self.error(codes::INTERLOCK_VALUE, value_at, message, help));
        let claim = match (word.as_str(), value.as_deref()) {
            ("writes", Some("open")) => Claim::Open(first),
            ("writes", Some("denied")) => Claim::Denied(first),
            ("writes", Some(other)) => {
                return refused(format!("writes are `open` or `denied`, and never `{other}`"), "write `=open` or `=denied`");
            }
            ("route", Some(to)) => Claim::Route { entry: first, to: to.to_owned() },
            ("writes" | "route", None) => {
                return Err(self.error(codes::INTERLOCK_VALUE, at, format!("`{word}` has values"), format!("write `{example}`")));
            }
            ("held", Some("yes") | None) => Claim::Held(first),
            ("held", Some("no")) => Claim::Not(Box::new(Claim::Held(first))),
            ("held", Some(other)) => {
                return refused(format!("an entry is held or not, and never `{other}`"), "write `held(…)` or `not held(…)`");
            }
            (_, None) => Claim::Proven { word, of: std::mem::take(&mut of) },
            (_, Some(other)) => {
                return refused(format!("`{word}` is true or not, and has no value `{other}`"), &format!("write `{example}`"));
            }
        };
        Ok(if sign == Some(false) { Claim::Not(Box::new(claim)) } else { claim })
    }

    /// `switch requires`, or several steps with commas.
    fn steps(&mut self) -> Read<Vec<StepIndex>> {
        let mut steps = Vec::new();
        loop {
            let at = self.at;
            let name = self.name("a step")?;
            let forward = |index: &StepIndex| self.builder.steps[index.get()].section == Section::Forward;
            let found = self.builder.planned_step(&StepId::new(&name)).filter(forward);
            let Some(found) = found else {
                let known = || self.builder.runbook.steps.iter().map(|step| step.id.value.as_str());
                let help = match nearest(&name, known()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "write `before: STEP requires CONDITION`, with a step of `steps`".to_owned(),
                };
                return Err(self.error(codes::INTERLOCK_NAME, at, format!("there is no step `{name}`"), help));
            };
            steps.push(found);
            if self.take("requires") {
                return Ok(steps);
            }
            if !self.take(",") {
                return Err(self.wrong("`requires` must stand here", "write `before: STEP requires CONDITION`"));
            }
        }
    }

    /// `fresh 10m`, where it stands.
    fn fresh(&mut self) -> Read<Option<Span>> {
        if !self.take("fresh") {
            return Ok(None);
        }
        let at = self.at;
        let text = self.name("a duration")?;
        match Span::parse(&text) {
            Ok(span) => Ok(Some(span)),
            Err(why) => Err(self.error(codes::INTERLOCK_SYNTAX, at, format!("`{text}` is no duration"), why)),
        }
    }
}
