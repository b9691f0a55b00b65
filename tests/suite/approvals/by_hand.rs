//! The whole way on the command line: `pointsman approve` that signs by itself, and the same by hand with `ssh-keygen`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{RUNBOOK, new_key};

/// A run in a process of its own, which does not outlive the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Shell<'a> {
    folder: &'a Path,
}

impl Shell<'_> {
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("POINTSMAN_HOME", self.folder.join("home")).env("HOME", self.folder);
        command.env_remove("SSH_AUTH_SOCK").env_remove("POINTSMAN_KEY");
        command
    }

    fn pointsman(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_pointsman"), args).output().unwrap()
    }

    fn until(&self, what: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !String::from_utf8_lossy(&self.pointsman(&["status", "latest", "--json"]).stdout).contains(what) {
            assert!(Instant::now() < end, "the run never showed {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_gate_is_opened_by_one_who_has_the_program_and_one_who_has_only_openssh() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell { folder: folder.path() };
    two_persons(folder.path());
    let _run = Running(shell.command(env!("CARGO_BIN_EXE_pointsman"), &["run", "night.yaml"]).spawn().unwrap());
    shell.until("\"status\": \"awaiting_people\"");

    let alice = shell.pointsman(&["approve", "latest", "gate", "--yes", "--note", "counts seen"]);
    assert!(alice.status.success(), "{alice:?}");
    // Bob has no login of his own here: somebody carries his statement to him and back, as docs/approvals.md says.
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/approvals.md")).unwrap();
    let block = page.split("```").find(|block| block.contains("--print-statement > statement")).unwrap();
    let program = format!("{} approve", env!("CARGO_BIN_EXE_pointsman"));
    let here =
        block.replace("pointsman approve", &program).replace("RUN go-live", "latest gate").replace("~/.ssh/id_ed25519", "bob");
    let bob = shell.command("sh", &["-e", "-c", &here]).output().unwrap();
    assert!(bob.status.success(), "{here}\n{bob:?}");
    let statement = fs::read(folder.path().join("statement")).unwrap();
    assert!(statement.starts_with(b"pointsman-approval v1\n"), "{}", String::from_utf8_lossy(&statement));
    shell.until("\"outcome\": \"succeeded\"");

    let shown = String::from_utf8(shell.pointsman(&["audit", "show", "latest"]).stdout).unwrap();
    assert!(shown.contains("approved by alice (SSH signature, key SHA256:"), "{shown}");
    assert!(shown.contains("approved by bob (SSH signature, key SHA256:"), "{shown}");
    // What the journal keeps is what OpenSSH verifies.
    let lines = String::from_utf8(shell.pointsman(&["audit", "show", "latest", "--json"]).stdout).unwrap();
    let mut verified = 0;
    for line in lines.lines() {
        let event = serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].clone();
        if event["type"] == "approval_granted" {
            let by = &event["by"]["by"];
            let text = |key: &str| by[key].as_str().unwrap().to_owned();
            let signed = pointsman::authority::Signed { statement: text("statement"), signature: text("signature") };
            let now = pointsman::model::Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
            let person = event["by"]["person"].as_str().unwrap();
            assert!(super::openssh_takes(folder.path(), person, &signed, now));
            verified += 1;
        }
    }
    assert_eq!(verified, 2);
    lines_of_the_documentation(&shell);
}

/// A bundle of this run, verified by the program, by the verifier in Python, and its decisions by OpenSSH: as the words say.
fn lines_of_the_documentation(shell: &Shell) {
    let root = env!("CARGO_MANIFEST_DIR");
    let docs = fs::read_to_string(format!("{root}/docs/audit.md")).unwrap();
    let (_, lines) = docs.split_once("<!-- run by approvals::by_hand -->\n```sh\n").unwrap();
    let lines = lines.split_once("```").unwrap().0.replace("tools/", &format!("{root}/tools/"));
    let programs = Path::new(env!("CARGO_BIN_EXE_pointsman")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let run = shell.command("sh", &["-euxc", &lines]).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("the record holds") && said.contains("\nholds: "), "{said}");
    assert_eq!(said.matches("Good \"pointsman-approval@v1\" signature for ").count(), 2, "{said}");
    let records = |what: &str| shell.pointsman(&["audit", "show", what, "--json"]).stdout;
    assert_eq!(records("night.bundle"), records("latest"), "a bundle shows other records than its run");
}

#[test]
fn a_protected_gate_wants_its_environment_typed_and_shows_what_it_opens() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell { folder: folder.path() };
    let runbook = "pointsman: 1\nrunbook: typed\nenvironment: production\nsteps:\n  look:\n    action: command\n    \
                   with: { argv: [echo, look] }\n    in_doubt: ask\n    undo: { nothing: \"a test\" }\n  gate:\n    \
                   needs: [look]\n    action: gate.approval\n    protected: true\n    \
                   with: { approvers: { dba: 1 }, prompt: \"go?\" }\n  act:\n    needs: [gate]\n    action: command\n    \
                   with: { argv: [echo, act] }\n    in_doubt: ask\n    undo: { nothing: \"a test\" }\n    \
                   point_of_no_return: \"it is sold\"\n";
    for (round, text) in [runbook.to_owned(), runbook.replace("echo, act", "echo, other")].into_iter().enumerate() {
        fs::write(folder.path().join("typed.yaml"), text).unwrap();
        let _run = Running(shell.command(env!("CARGO_BIN_EXE_pointsman"), &["run", "typed.yaml"]).spawn().unwrap());
        shell.until("\"status\": \"awaiting_people\"");
        let said = |more: &[&str]| {
            let output = shell.pointsman(&[&["approve", "latest", "gate", "--yes"], more].concat());
            (output.status.success(), String::from_utf8(output.stderr).unwrap())
        };
        let (done, why) = said(&[]);
        assert!(!done && why.contains("--confirm NAME"), "{why}");
        let (done, why) = said(&["--confirm", "staging"]);
        assert!(!done && why.contains("nothing was decided"), "{why}");
        let (done, shown) = said(&["--confirm", "production"]);
        assert!(done, "{shown}");
        assert!(shown.contains("act..act: 1 step that changes something"), "{shown}");
        assert!(shown.contains("until act starts: it is sold"), "{shown}");
        assert!(shown.contains(" old)"), "the age of the evidence: {shown}");
        let compared = if round == 0 { "no plan of this runbook was approved before" } else { "step act: does something else" };
        assert!(shown.contains(compared), "{shown}");
        shell.until("\"outcome\": \"succeeded\"");
    }
}

/// A run over the gate of two, which alice (the user of this test, key in `.ssh`) and bob (key in `bob`) may open.
fn two_persons(folder: &Path) {
    let me = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    let roster = format!(
        "persons:\n  alice: {{ name: Alice, roles: [dba], local_users: [{me}] }}\n  bob: {{ name: Bob, roles: [dba] }}\n  dave: {{ name: Dave }}\nallowed_signers: signers\n"
    );
    fs::write(folder.join("people.yaml"), roster).unwrap();
    fs::create_dir(folder.join(".ssh")).unwrap();
    let alice = new_key(&folder.join(".ssh/id_ed25519"), "ed25519");
    let bob = new_key(&folder.join("bob"), "ed25519");
    fs::write(folder.join("signers"), format!("alice {alice}\nbob {bob}\n")).unwrap();
    let runbook = RUNBOOK.replace("not: [starter, author], ", "").replace("argv: [look]", "argv: [echo, look]");
    fs::write(folder.join("night.yaml"), runbook.replace("argv: [act]", "argv: [echo, act]")).unwrap();
}

#[test]
fn a_roster_that_is_edited_while_the_run_waits_is_seen_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell { folder: folder.path() };
    two_persons(folder.path());
    let _run = Running(shell.command(env!("CARGO_BIN_EXE_pointsman"), &["run", "night.yaml"]).spawn().unwrap());
    shell.until("\"status\": \"awaiting_people\"");
    assert!(shell.pointsman(&["approve", "latest", "gate", "--yes"]).status.success());
    let people = fs::read_to_string(folder.path().join("people.yaml")).unwrap();
    fs::write(folder.path().join("people.yaml"), people.replace("Bob, roles: [dba]", "Bob, roles: [tester]")).unwrap();
    let bob = shell.pointsman(&["approve", "latest", "gate", "--by", "bob", "--key", "bob", "--yes"]);
    assert!(!bob.status.success() && String::from_utf8_lossy(&bob.stderr).contains("does not have the role"), "{bob:?}");
    let shown = String::from_utf8(shell.pointsman(&["audit", "show", "latest"]).stdout).unwrap();
    assert!(shown.contains("the roster or its keys changed"), "{shown}");
    assert!(shown.contains("the approval of alice does not count any more"), "{shown}");
    assert!(shown.contains("submit refused to"), "the refusal is on record: {shown}");
}

#[test]
fn a_run_that_nobody_drives_takes_a_signed_approval_too() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell { folder: folder.path() };
    two_persons(folder.path());
    {
        let _run = Running(shell.command(env!("CARGO_BIN_EXE_pointsman"), &["run", "night.yaml"]).spawn().unwrap());
        shell.until("\"status\": \"awaiting_people\"");
    }
    let alice = shell.pointsman(&["approve", "latest", "gate", "--yes"]);
    assert!(alice.status.success(), "{alice:?}");
    let bob = shell.pointsman(&["approve", "latest", "gate", "--by", "bob", "--key", "bob", "--yes"]);
    assert!(bob.status.success(), "{bob:?}");
    let resumed = shell.pointsman(&["resume", "latest"]);
    assert!(resumed.status.success(), "{resumed:?}");
}

#[test]
fn a_key_that_only_the_agent_has_signs_too() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell { folder: folder.path() };
    two_persons(folder.path());
    let socket = folder.path().join("agent");
    let _agent = Running(shell.command("ssh-agent", &["-D", "-a", socket.to_str().unwrap()]).spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(60);
    let add = || shell.command("ssh-add", &["-q", ".ssh/id_ed25519"]).env("SSH_AUTH_SOCK", &socket).output().unwrap();
    while !add().status.success() {
        assert!(Instant::now() < end, "the agent never took the key: {:?}", add());
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_dir_all(folder.path().join(".ssh")).unwrap();
    let _run = Running(shell.command(env!("CARGO_BIN_EXE_pointsman"), &["run", "night.yaml"]).spawn().unwrap());
    shell.until("\"status\": \"awaiting_people\"");
    let approve = ["approve", "latest", "gate", "--yes"];
    let without = shell.pointsman(&approve);
    assert!(
        !without.status.success() && String::from_utf8_lossy(&without.stderr).contains("none of your SSH keys"),
        "{without:?}"
    );
    let with = shell.command(env!("CARGO_BIN_EXE_pointsman"), &approve).env("SSH_AUTH_SOCK", &socket).output().unwrap();
    assert!(with.status.success(), "{with:?}");
}
