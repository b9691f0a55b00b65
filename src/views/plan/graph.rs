//! A plan as a picture: DOT for Graphviz, and Mermaid for pages that draw it themselves.
//!
//! Nodes are numbered, so that no id or reason can break the syntax; texts stand in quotes and are escaped.

use super::levels::{items, waits_for};
use super::lines::no_return;
use super::wording;
use crate::plan::{Plan, Section, StepIndex};

const SECTIONS: [(Section, &str); 3] =
    [(Section::Forward, "forward"), (Section::Rollback, "rollback"), (Section::Finally, "finally")];

/// What a node looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::views) enum Look {
    Step,
    Wait,
    NoReturn,
}

/// The plan in the language of Graphviz.
pub fn dot(plan: &Plan) -> String {
    let mut text = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    text.push_str(&format!("  label=\"{}\";\n", in_dot(&plan.content().title)));
    for (section, name) in SECTIONS {
        let nodes = nodes(plan, section);
        if nodes.is_empty() {
            continue;
        }
        text.push_str(&format!("  subgraph cluster_{name} {{\n    label=\"{name}\"; color=gray;\n"));
        for at in &nodes {
            let style = match look(plan, *at) {
                Look::Step => "",
                Look::Wait => ", shape=octagon, style=solid",
                Look::NoReturn => ", penwidth=3, color=red",
            };
            let (id, what) = (in_dot(plan.step(*at).id.as_str()), in_dot(&label(plan, *at)));
            text.push_str(&format!("    s{} [label=\"{id}\\n{what}\"{style}];\n", at.get()));
        }
        for at in &nodes {
            for need in waits_for(plan, *at) {
                text.push_str(&format!("    s{} -> s{};\n", need.get(), at.get()));
            }
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// The plan in the language of Mermaid.
pub fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("flowchart LR\n");
    for (section, name) in SECTIONS {
        let nodes = nodes(plan, section);
        if nodes.is_empty() {
            continue;
        }
        text.push_str(&format!("  subgraph {name}\n"));
        for at in &nodes {
            let label = format!("{}<br/>{}", in_mermaid(plan.step(*at).id.as_str()), in_mermaid(&label(plan, *at)));
            let (open, close) = match look(plan, *at) {
                Look::Step | Look::NoReturn => ("[\"", "\"]"),
                Look::Wait => ("{{\"", "\"}}"),
            };
            text.push_str(&format!("    s{}{open}{label}{close}\n", at.get()));
        }
        for at in &nodes {
            for need in waits_for(plan, *at) {
                text.push_str(&format!("    s{} --> s{}\n", need.get(), at.get()));
            }
        }
        text.push_str("  end\n");
        for at in nodes.iter().filter(|at| look(plan, **at) == Look::NoReturn) {
            text.push_str(&format!("  style s{} stroke:#c00,stroke-width:4px\n", at.get()));
        }
    }
    text
}

/// The steps that are drawn: a group stands for its items.
pub(in crate::views) fn nodes(plan: &Plan, section: Section) -> Vec<StepIndex> {
    plan.section(section).filter(|at| plan.step(*at).group.is_none()).collect()
}

pub(in crate::views) fn look(plan: &Plan, at: StepIndex) -> Look {
    let waits = plan.step(at).wait.is_some() || items(plan, at).first().is_some_and(|item| plan.step(*item).wait.is_some());
    match (no_return(plan, at), waits) {
        (Some(_), _) => Look::NoReturn,
        (None, true) => Look::Wait,
        (None, false) => Look::Step,
    }
}

fn label(plan: &Plan, at: StepIndex) -> String {
    match no_return(plan, at) {
        Some(reason) => format!("{}, point of no return: {reason}", wording::does(plan, plan.step(at))),
        None => wording::does(plan, plan.step(at)),
    }
}

fn in_dot(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect::<String>().replace('\\', "\\\\").replace('"', "\\\"")
}

fn in_mermaid(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '"' | '<' | '>' | '&' | '#' | '`' | '{' | '}' | '[' | ']' | ';' => escaped.push_str(&format!("#{};", u32::from(c))),
            other => escaped.push(other),
        }
    }
    escaped
}
