//! How many virtual hours a second a rehearsal goes through: every trouble of every step of shipped runbooks, with a death of
//! the executor after every turn of each of these nights.
//!
//! `cargo bench --features full --bench rehearsal`.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::path::Path;
use std::time::Instant;

use pointsman::diagnostic::Source;
use pointsman::engine::read_roster;
use pointsman::plan::{BuildInput, History, Plan, build};
use pointsman::rehearsal::{Steps, Wishes, rehearsal};
use pointsman::runbook::parse;

fn main() {
    println!("runbook                   steps   nights  virtual hours    seconds  virtual hours a second");
    for name in ["quickstart", "mysql-to-cloud", "postgres-major-upgrade", "read-ramp"] {
        let plan = planned(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(name).join("runbook.yaml"));
        let wishes = Wishes { fail: Steps::Each, crash: true, ..Wishes::default() };
        let began = Instant::now();
        let found = rehearsal(&plan, &History::default(), &wishes);
        let took = began.elapsed().as_secs_f64();
        assert!(found.findings().is_empty(), "{name} has findings");
        #[expect(clippy::cast_precision_loss, reason = "some thousand hours")]
        let hours = found.virtual_ms as f64 / 3_600_000.0;
        println!("{name:24} {:6} {:8} {hours:14.0} {took:10.2} {:23.0}", plan.steps().len(), found.nights, hours / took);
    }
}

fn planned(path: &Path) -> Plan {
    let source = Source::new(path.to_string_lossy(), std::fs::read_to_string(path).unwrap());
    let runbook = parse(&source).0.unwrap();
    let folder = path.parent().unwrap();
    let roster = runbook.roster.as_ref().map(|name| read_roster(folder, &name.value).unwrap().roster.unwrap());
    let base_dir = folder.to_string_lossy().into_owned();
    let built = build(BuildInput { roster, base_dir, edited_by: Ok(Vec::new()), ..BuildInput::of(&runbook, &source) });
    built.plan.unwrap_or_else(|| panic!("{}: {:?}", path.display(), built.report.sorted()))
}
