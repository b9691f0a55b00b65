//! The table of dependencies names every one that `Cargo.toml` has, and no other.

use std::collections::BTreeSet;

#[test]
fn every_dependency_has_its_line() {
    let read = |name: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let mut section = String::new();
    let mut wanted = BTreeSet::new();
    for line in read("Cargo.toml").lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some((name, _)) = line.split_once(" = ") {
            match section.as_str() {
                "[dependencies]" => drop(wanted.insert(name.to_owned())),
                "[dev-dependencies]" => drop(wanted.insert(format!("{name} (tests)"))),
                _ => {}
            }
        }
    }
    assert!(wanted.len() > 20, "the test read no dependencies");
    let table = read("docs/dependencies.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let named: BTreeSet<_> = rows.filter(|name| *name != "dependency").map(str::to_owned).collect();
    assert_eq!(named, wanted);
}
