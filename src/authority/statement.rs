//! The statement that a person signs: exact bytes, one field a line, in one order, and a parser that takes nothing else.

use std::fmt;

use crate::model::{Digest, PersonId, RoleName, RunId, StepId, Timestamp};

/// What the first line says, and what `ssh-keygen -Y sign -n` is told.
pub const NAMESPACE: &str = "pointsman-approval@v1";
const HEADING: &str = "pointsman-approval v1";

/// Everything that a decision is bound to. Its text is what is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The installation that the run lives in: the id of its key, or `none`.
    pub installation: String,
    /// The run.
    pub run: RunId,
    /// The gate, or another step that the decision is about.
    pub gate: StepId,
    /// What is decided.
    pub decision: Decision,
    /// The digest of the plan, with the roster and the keys that it was made with.
    pub plan: Digest,
    /// The digest of the parameters.
    pub params: Digest,
    /// The digest of the targets and of who they said they are.
    pub targets: Digest,
    /// The first and the last step that the decision lets start: `freeze-old..switch`, or `none`.
    pub scope: String,
    /// The last record that the signer saw, and the chain up to it.
    pub journal: (u64, Digest),
    /// The digest of the evidence that was shown.
    pub evidence: Digest,
    /// Who decides.
    pub approver: PersonId,
    /// In which role.
    pub role: RoleName,
    /// For whom, where the approver is somebody's deputy.
    pub deputy_for: Option<PersonId>,
    /// The first moment at which it counts.
    pub not_before: Timestamp,
    /// The last moment at which it counts.
    pub not_after: Timestamp,
    /// 128 random bits, in hexadecimal digits; a statement counts once.
    pub nonce: String,
}

/// What a statement decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Yes at a gate.
    Approve,
    /// No at a gate, to a task or to a confirmation.
    Reject,
    /// Takes an approval back.
    Withdraw,
    /// A step did what it should.
    Confirm,
    /// Another attempt.
    Retry,
    /// The step is passed over.
    Skip,
    /// The attempt in doubt was applied.
    ResolveApplied,
    /// The attempt in doubt was not applied.
    ResolveNotApplied,
    /// The attempt in doubt was applied in part.
    ResolvePartial,
    /// The gate opens without its quorum.
    BreakGlass,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 10] = [
        Self::Approve,
        Self::Reject,
        Self::Withdraw,
        Self::Confirm,
        Self::Retry,
        Self::Skip,
        Self::ResolveApplied,
        Self::ResolveNotApplied,
        Self::ResolvePartial,
        Self::BreakGlass,
    ];

    /// The word in the statement.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::Confirm => "confirm",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::ResolveApplied => "resolve-applied",
            Self::ResolveNotApplied => "resolve-not-applied",
            Self::ResolvePartial => "resolve-partial",
            Self::BreakGlass => "break-glass",
        }
    }

    /// The decision with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.word() == word)
    }
}

/// Why a text is no statement.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StatementError {
    /// A byte that no statement has.
    #[error("line {0} of the statement has a byte that is neither printable ASCII nor the end of a line")]
    Byte(usize),
    /// A line is not the one that belongs there.
    #[error("line {line} of the statement must be `{wanted}`")]
    Line {
        /// Its number.
        line: usize,
        /// What must stand there.
        wanted: &'static str,
    },
    /// Something stands behind the last line, or the last line has no end.
    #[error("the statement does not end with the line `nonce: …`")]
    End,
}

impl Statement {
    /// Reads the exact text of a statement.
    ///
    /// # Errors
    /// When anything about it is not as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        if let Some(at) = text.bytes().position(|byte| byte != b'\n' && !(0x20..0x7f).contains(&byte)) {
            return Err(StatementError::Byte(text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1));
        }
        let mut lines = Lines { rest: text, line: 0 };
        lines.exactly(HEADING)?;
        let statement = Self {
            installation: lines.word("installation: <key id, or none>")?.to_owned(),
            run: RunId::new(lines.word("run: <run>")?),
            gate: StepId::new(lines.word("gate: <step>")?),
            decision: lines.field("decision: <decision>", Decision::parse)?,
            plan: lines.field("plan: sha256:<hex>", digest)?,
            params: lines.field("params: sha256:<hex>", digest)?,
            targets: lines.field("targets: sha256:<hex>", digest)?,
            scope: lines.word("scope: <first>..<last>, or none")?.to_owned(),
            journal: lines.field("journal: <record> sha256:<hex>", head)?,
            evidence: lines.field("evidence: sha256:<hex>", digest)?,
            approver: PersonId::new(lines.word("approver: <person>")?),
            role: RoleName::new(lines.word("role: <role>")?),
            deputy_for: match lines.rest.starts_with("deputy-for: ") {
                true => Some(PersonId::new(lines.word("deputy-for: <person>")?)),
                false => None,
            },
            not_before: lines.field("not-before: <moment>Z", moment)?,
            not_after: lines.field("not-after: <moment>Z", moment)?,
            nonce: lines.field("nonce: <32 hexadecimal digits>", nonce)?,
        };
        if lines.rest.is_empty() { Ok(statement) } else { Err(StatementError::End) }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADING}")?;
        writeln!(f, "installation: {}", self.installation)?;
        writeln!(f, "run: {}", self.run)?;
        writeln!(f, "gate: {}", self.gate)?;
        writeln!(f, "decision: {}", self.decision.word())?;
        writeln!(f, "plan: {}", self.plan)?;
        writeln!(f, "params: {}", self.params)?;
        writeln!(f, "targets: {}", self.targets)?;
        writeln!(f, "scope: {}", self.scope)?;
        writeln!(f, "journal: {} {}", self.journal.0, self.journal.1)?;
        writeln!(f, "evidence: {}", self.evidence)?;
        writeln!(f, "approver: {}", self.approver)?;
        writeln!(f, "role: {}", self.role)?;
        if let Some(person) = &self.deputy_for {
            writeln!(f, "deputy-for: {person}")?;
        }
        writeln!(f, "not-before: {}", second(self.not_before))?;
        writeln!(f, "not-after: {}", second(self.not_after))?;
        writeln!(f, "nonce: {}", self.nonce)
    }
}

/// What is left of a text, line by line.
struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n')?;
        self.rest = rest;
        Some(line)
    }

    fn exactly(&mut self, wanted: &'static str) -> Result<(), StatementError> {
        match self.next() {
            Some(line) if line == wanted => Ok(()),
            Some(_) | None => Err(StatementError::Line { line: self.line, wanted }),
        }
    }

    /// The value of the field with which `wanted` begins.
    fn field<T>(&mut self, wanted: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, StatementError> {
        let name = wanted.split_once(' ').map_or(wanted, |(name, _)| name);
        let value = self.next().and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' '));
        value.and_then(read).ok_or(StatementError::Line { line: self.line, wanted })
    }

    /// A value that is one word.
    fn word(&mut self, wanted: &'static str) -> Result<&'a str, StatementError> {
        let mut found = "";
        let name = wanted.split_once(' ').map_or(wanted, |(name, _)| name);
        let line = self.next();
        if let Some(value) = line.and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' ')) {
            found = value;
        }
        if found.is_empty() || found.contains(' ') {
            return Err(StatementError::Line { line: self.line, wanted });
        }
        Ok(found)
    }
}

/// A digest as this program writes it: lower case.
fn digest(text: &str) -> Option<Digest> {
    Digest::parse(text).filter(|digest| digest.to_string() == text)
}

fn head(text: &str) -> Option<(u64, Digest)> {
    let (seq, chain) = text.split_once(' ')?;
    let number: u64 = seq.parse().ok()?;
    (number.to_string() == seq).then_some(())?;
    Some((number, digest(chain)?))
}

fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).filter(|moment| second(*moment) == text)
}

fn nonce(text: &str) -> Option<String> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 32 && text.bytes().all(is_hex)).then(|| text.to_owned())
}

/// A moment to the second: `2026-11-21T00:00:00Z`.
fn second(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(whole, _)| format!("{whole}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Statement {
        Statement {
            installation: "none".to_owned(),
            run: RunId::new("shop-1"),
            gate: StepId::new("go-live"),
            decision: Decision::Approve,
            plan: Digest::of(b"plan"),
            params: Digest::of(b"params"),
            targets: Digest::of(b"targets"),
            scope: "freeze-old..switch".to_owned(),
            journal: (17, Digest::of(b"chain")),
            evidence: Digest::of(b"evidence"),
            approver: PersonId::new("alice"),
            role: RoleName::new("dba"),
            deputy_for: None,
            not_before: Timestamp::from_millis(1_795_219_200_000),
            not_after: Timestamp::from_millis(1_795_222_800_000),
            nonce: "00112233445566778899aabbccddeeff".to_owned(),
        }
    }

    #[test]
    fn reads_exactly_what_it_writes() {
        let statement = sample();
        assert_eq!(Statement::parse(&statement.to_string()).as_ref(), Ok(&statement));
        let deputy = Statement { deputy_for: Some(PersonId::new("bob")), ..statement };
        assert_eq!(Statement::parse(&deputy.to_string()).as_ref(), Ok(&deputy));
        for decision in Decision::ALL {
            let one = Statement { decision, ..sample() };
            assert_eq!(Statement::parse(&one.to_string()), Ok(one));
        }
    }

    #[test]
    fn no_other_form_of_the_same_fields_is_a_statement() {
        let text = sample().to_string();
        let line = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        let swapped = line("run: shop-1\ngate: go-live\n", "gate: go-live\nrun: shop-1\n");
        let wrong = [
            ("carriage returns", text.replace('\n', "\r\n")),
            ("one carriage return", line("alice\n", "alice\r\n")),
            ("a field twice", line("run: shop-1\n", "run: shop-1\nrun: shop-1\n")),
            ("another order", swapped),
            ("a field missing", line("params: ", "")),
            ("two spaces", line("run: ", "run:  ")),
            ("no space", line("run: ", "run:")),
            ("a tab", line("run: ", "run:\t")),
            ("a space behind", line("shop-1\n", "shop-1 \n")),
            ("two words", line("alice", "alice bob")),
            ("an empty value", line("role: dba", "role: ")),
            ("upper case", line("Run".to_lowercase().as_str(), "Run")),
            ("an upper-case digest", line(&sample().plan.to_string(), &sample().plan.to_string().to_uppercase())),
            ("a leading zero", line("journal: 17", "journal: 017")),
            ("a plus", line("journal: 17", "journal: +17")),
            ("milliseconds", line(":00Z\nnot-after", ":00.000Z\nnot-after")),
            ("an offset", line(":00Z\nnot-after", ":00+00:00\nnot-after")),
            ("an upper-case nonce", line("aabb", "AABB")),
            ("a short nonce", line("nonce: 00", "nonce: ")),
            ("a line behind", format!("{text}\n")),
            ("no last end of line", text.trim_end().to_owned()),
            ("a line before", format!("\n{text}")),
            ("a mark of byte order", format!("\u{feff}{text}")),
            ("a letter that looks alike", line("alice", "\u{430}lice")),
            ("a combining mark", line("alice", "alice\u{301}")),
            ("a zero byte", line("alice", "ali\0ce")),
            ("an unknown decision", line("decision: approve", "decision: agree")),
            ("an unknown field", line("role: dba\n", "role: dba\nnote: x\n")),
            ("the deputy elsewhere", line("approver: alice\n", "deputy-for: bob\napprover: alice\n")),
            ("another version", line("v1", "v2")),
        ];
        for (what, text) in wrong {
            assert!(Statement::parse(&text).is_err(), "{what} was taken:\n{text}");
        }
    }
}
