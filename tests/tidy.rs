//! The architecture as a test: which room may import which, how large a file may be, how files open and what they are
//! called. A failure names the file and the arrow.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layer table of `ARCHITECTURE.md`: a room, and the rooms it may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("diagnostic", &["model"]),
    ("catalog", &["model"]),
    ("runbook", &["model", "diagnostic", "catalog"]),
    ("plan", &["model", "diagnostic", "catalog", "runbook"]),
    ("safety", &["model", "diagnostic", "catalog", "plan"]),
    ("authority", &["model"]),
    ("run", &["model", "plan", "safety", "authority"]),
    ("journal", &["model", "run"]),
    ("log", &["model", "journal"]),
    ("audit", &["model", "run", "journal", "log", "authority"]),
    ("connectors", &["model", "catalog"]),
    (
        "engine",
        &[
            "model",
            "diagnostic",
            "catalog",
            "runbook",
            "plan",
            "safety",
            "run",
            "authority",
            "journal",
            "log",
            "audit",
            "connectors",
        ],
    ),
    (
        "rehearsal",
        &["model", "diagnostic", "catalog", "plan", "safety", "run", "authority", "journal", "audit", "connectors", "engine"],
    ),
    ("views", &["model", "plan", "run", "journal", "audit", "rehearsal"]),
    ("otlp", &["model", "run", "plan", "engine", "views", "connectors"]),
    ("web", &["model", "diagnostic", "runbook", "authority", "run", "log", "plan", "engine", "views"]),
    ("demo", &["model", "views", "engine", "connectors", "journal", "audit", "run", "plan"]),
    (
        "cli",
        &[
            "model",
            "diagnostic",
            "catalog",
            "runbook",
            "plan",
            "safety",
            "run",
            "authority",
            "journal",
            "log",
            "audit",
            "views",
            "connectors",
            "engine",
            "rehearsal",
            "otlp",
            "web",
            "demo",
        ],
    ),
];

/// Lines per file. The exceptions may shrink and never grow.
const LONGEST_FILE: usize = 400;
const LONGER_FILES: &[(&str, usize)] = &[];

const NOT_NOUNS: &[&str] = &["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "types.rs", "imp.rs", "misc.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect()
}

fn room_of(path: &Path) -> Option<String> {
    (path.components().count() > 1).then(|| path.components().next().unwrap().as_os_str().to_string_lossy().into_owned())
}

#[test]
fn every_arrow_is_in_the_layer_table() {
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for (path, text) in sources() {
        let Some(room) = room_of(&path) else { continue };
        let allowed =
            LAYERS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("src/{room} is not in the layer table")).1;
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                if line.trim_start().starts_with("//") || line[..at].ends_with('$') {
                    continue;
                }
                let rest = &line[at + "crate::".len()..];
                let names: Vec<String> = if let Some(group) = rest.strip_prefix('{') {
                    group.split([',', '}']).map(|n| n.trim().split("::").next().unwrap_or("").to_owned()).collect()
                } else {
                    vec![rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()]
                };
                for name in names.iter().filter(|n| LAYERS.iter().any(|(room, _)| room == n)) {
                    arrows += 1;
                    if *name != room && !allowed.contains(&name.as_str()) {
                        wrong.push(format!("src/{}:{}: {room} must not import {name}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(arrows > 5, "the test read no imports");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_layer_table_has_no_circle() {
    let mut done = BTreeSet::new();
    for (room, allowed) in LAYERS {
        for import in *allowed {
            let before = done.contains(import);
            assert!(before, "{room} imports {import}, which stands below it in the table");
        }
        done.insert(*room);
    }
}

#[test]
fn every_file_says_why_it_exists() {
    let silent: Vec<_> = sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:?}");
}

#[test]
fn files_are_short_nouns() {
    for (path, text) in sources() {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(!NOT_NOUNS.contains(&name.as_ref()), "src/{}: name the noun that is in it", path.display());
        let shown = path.to_string_lossy().replace('\\', "/");
        let limit = LONGER_FILES.iter().find(|(file, _)| *file == shown).map_or(LONGEST_FILE, |(_, lines)| *lines);
        let lines = text.lines().count();
        assert!(lines <= limit, "src/{shown} has {lines} lines, the limit is {limit}: split it by noun");
    }
}

/// The rooms that decide. What they need of the world, they are given.
const PURE: &[&str] = &["model", "diagnostic", "catalog", "runbook", "plan", "safety", "run", "authority", "views"];

/// What only the shell may touch: clocks, files, environment, processes, network, randomness, async.
const IMPURE: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "Timestamp::now(",
    "Zoned::now(",
    "std::fs",
    "File::open",
    "std::env::",
    "std::process",
    "std::net",
    "std::thread",
    "getrandom",
    "tokio::",
    "async fn",
];

#[test]
fn the_core_has_no_clock_no_disk_and_no_chance() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !room_of(&path).is_some_and(|room| PURE.contains(&room.as_str())) {
            continue;
        }
        // What a file's own tests read is no decision of the room.
        let decides = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in decides.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("src/{}:{}: `{word}` belongs to the shell", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The right to change systems is made in one place: whoever looks, as a dry run does, cannot reach a verb that changes.
#[test]
fn only_the_live_engine_makes_the_permit_to_change_systems() {
    let makes = |text: &str| text.contains("for_live_engine");
    let makers: Vec<_> = sources().into_iter().filter(|(_, text)| makes(text)).map(|(path, _)| path).collect();
    assert_eq!(makers, [Path::new("connectors/registry.rs"), Path::new("engine/hands.rs")]);
    let dry = sources().into_iter().find(|(path, _)| path == Path::new("rehearsal/dry_run.rs")).unwrap().1;
    assert!(dry.contains("registry.looking(") && !dry.contains("acting("), "a dry run holds only what looks");
}
