//! Several people on one host: each with a login of their own, all with the home folder of their group.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use pointsman::authority::Claim;
use pointsman::engine::{Ending, Executor, Home, identity::login, load, order};
use pointsman::model::{Actor, RunOutcome, StepId};
use pointsman::run::{Answer, Command as Order, Event, StepStatus};
use tokio_util::sync::CancellationToken;

use super::hands::{block_on, plan, registry};

/// The user and the group `nobody` of Debian.
const NOBODY: u32 = 65_534;

#[test]
fn two_logins_fill_a_quorum_of_two() {
    if !nix::unistd::getuid().is_root() {
        println!("skipped: two_logins_fill_a_quorum_of_two needs root, to act as another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("home");
    fs::create_dir(&path).unwrap();
    chown(&path, None, Some(NOBODY)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o2770)).unwrap();
    // The other user needs a program that it can reach, wherever this test was built.
    let program = folder.path().join("pointsman");
    fs::copy(env!("CARGO_BIN_EXE_pointsman"), &program).unwrap();

    let home = Home::new(&path);
    let people = format!(
        "persons:\n  ann: {{ name: Ann, roles: [dba], local_users: [{}] }}\n  ben: {{ name: Ben, roles: [dba], local_users: [{}] }}\n",
        login(0),
        login(NOBODY)
    );
    fs::write(path.join("people.yaml"), people).unwrap();
    let text = "pointsman: 1\nrunbook: two\nroster: people.yaml\nsteps:\n  gate:\n    action: gate.approval\n    \
                with: { approvers: { dba: 2 }, prompt: \"go?\" }\n";
    let executor = Executor::start(&home, plan(text, &path), None, Actor::local(0, login(0))).unwrap();
    let run = executor.run_id().clone();
    let (hands, _) = registry();
    let thread = std::thread::spawn(move || block_on(executor.drive(hands, &mut (), CancellationToken::new())).unwrap());
    let gate = StepId::new("gate");
    while !load(&home, &run, None)
        .is_ok_and(|(state, _)| state.step(state.find(&gate).unwrap()).status == StepStatus::AwaitingPeople)
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let approve = Order::Approve { step: gate, note: String::new() };
    assert_eq!(order(&home, &run, approve, &Claim::Whoever).unwrap().answer, Answer::Accepted);
    let ben = Command::new(&program)
        .args(["--home", path.to_str().unwrap(), "approve", run.as_str(), "gate", "--yes"])
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert!(ben.status.success(), "{}", String::from_utf8_lossy(&ben.stderr));
    assert_eq!(thread.join().unwrap(), Ending::Ended(RunOutcome::Succeeded));
    let (_, records) = load(&home, &run, None).unwrap();
    let who: Vec<String> = records
        .iter()
        .filter_map(|r| if let Event::ApprovalGranted { by, .. } = &r.event { Some(by.to_string()) } else { None })
        .collect();
    assert_eq!(who.len(), 2);
    assert!(who[1].contains("uid 65534"), "the kernel says who ben is: {who:?}");
}
