//! The whole transition table of a step, printed into a golden file: a changed arrow shows in the diff.

use pointsman::run::{StepEvent, StepStatus, next_status};

#[test]
fn the_transition_table_is_the_golden_one() {
    let mut table = String::from("# status × event → next status; an event that is not listed cannot happen there\n");
    for status in StepStatus::ALL {
        table.push_str(&format!("\n{status}\n"));
        for event in StepEvent::ALL {
            if let Some(next) = next_status(status, event) {
                table.push_str(&format!("    {:<28} → {next}\n", format!("{event:?}")));
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/status-table.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).unwrap();
        std::fs::write(path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(table, golden, "the table changed; UPDATE_GOLDEN=1 writes the new one");
}
