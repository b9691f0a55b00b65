//! What an audit verification answers with: the verdict, every claim, and what it does not prove.

use serde_json::{Value, json};

use super::{Line, Tone};
use crate::audit::{Finding, Report, Standing};

/// The report for a person.
pub fn text(report: &Report) -> Vec<Line> {
    let run = report.run.as_ref().map_or("this file", |run| run.as_str());
    let (tone, verdict) = verdict(report.standing);
    let mut lines = vec![Line::toned(Tone::Strong, run).and(Tone::Plain, "  ").and(tone, verdict)];
    for claim in &report.claims {
        let (tone, word) = finding(&claim.finding);
        let line = Line::plain("  ").cell(Tone::Plain, 12, claim.subject.name()).cell(tone, 9, word);
        lines.push(line.and(Tone::Faint, claim.finding.text()));
    }
    lines.push(Line::plain("  ").cell(Tone::Plain, 12, "records").and(Tone::Plain, report.records.to_string()));
    lines.push(Line::plain("  ").cell(Tone::Plain, 12, "last hash").and(Tone::Plain, report.chain.to_string()));
    let witness = Line::plain("  ").cell(Tone::Plain, 12, "witness").cell(Tone::Plain, 9, report.witness.to_string());
    lines.push(witness.and(Tone::Faint, report.witness.bound()));
    lines
}

/// The report for a program.
pub fn json(report: &Report) -> Value {
    json!({
        "standing": report.standing.to_string(),
        "exit_code": report.standing.exit_code(),
        "run": report.run.as_ref().map(|run| run.as_str()),
        "outcome": report.outcome,
        "records": report.records,
        "chain": report.chain,
        "bytes": report.bytes,
        "epoch": report.epoch,
        "witness": { "level": report.witness.to_string(), "bound": report.witness.bound() },
        "claims": report.claims.iter().map(|claim| json!({
            "subject": claim.subject.name(),
            "finding": finding(&claim.finding).1.replace(' ', "_"),
            "text": claim.finding.text(),
        })).collect::<Vec<_>>(),
    })
}

/// What it comes to.
pub const fn verdict(standing: Standing) -> (Tone, &'static str) {
    match standing {
        Standing::Holds => (Tone::Good, "the record holds"),
        Standing::Weaker => (Tone::Wait, "nothing was changed, but less is proven than was asked for"),
        Standing::Tampered => (Tone::Bad, "THE RECORD WAS CHANGED"),
        Standing::Malformed => (Tone::Bad, "THE RECORD CANNOT BE READ"),
    }
}

/// The word for a finding.
pub const fn finding(finding: &Finding) -> (Tone, &'static str) {
    match finding {
        Finding::Holds(_) => (Tone::Good, "holds"),
        Finding::Tampered(_) => (Tone::Bad, "tampered"),
        Finding::Malformed(_) => (Tone::Bad, "malformed"),
        Finding::Unproven(_) => (Tone::Wait, "unproven"),
        Finding::NotReached => (Tone::Faint, "not seen"),
    }
}
