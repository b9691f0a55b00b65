//! Keys and the file that allows them: what Pointsman takes, `ssh-keygen -Y verify` takes too, at every moment.

use std::fs;
use std::path::Path;
use std::process::Command as Program;
use std::time::Duration;

use pointsman::authority::{NAMESPACE, Signed, Statement, verify};
use pointsman::model::{PersonId, RoleName, Timestamp};

use super::{START, Stage, fresh_nonce, new_key, openssh_takes, sign};

/// Alice's statement, signed with this key.
fn signed(stage: &Stage, key: &Path) -> Signed {
    let statement = Statement {
        approver: PersonId::new("alice"),
        role: RoleName::new("dba"),
        nonce: fresh_nonce(),
        ..stage.statement("alice", "dba", pointsman::authority::Decision::Approve)
    };
    let statement = statement.to_string();
    Signed { signature: sign(key, NAMESPACE, &statement), statement }
}

/// What both say about it with this file of signers.
fn verdicts(stage: &Stage, signers: &str, signed: &Signed, at: Timestamp) -> (bool, bool) {
    fs::write(stage.folder.path().join("signers"), signers).unwrap();
    let ours = verify(&stage.roster().unwrap(), signed, at).is_ok();
    (ours, openssh_takes(stage.folder.path(), "alice", signed, at))
}

#[test]
fn the_allowed_signers_mean_what_openssh_takes_them_to_mean() {
    let stage = Stage::new();
    let key = stage.key("alice");
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    let one = signed(&stage, &key);
    let hour = Duration::from_secs(3_600);
    let cases = [
        (format!("alice {line}"), true),
        (format!("bob,alice {line}"), true),
        (format!("bob {line}"), false),
        (format!("al* {line}"), true),
        (format!("ali?e {line}"), true),
        (format!("*,!alice {line}"), false),
        (format!("ALICE {line}"), false),
        (format!("alice namespaces=\"{NAMESPACE}\" {line}"), true),
        (format!("alice namespaces=\"file,pointsman-*\" {line}"), true),
        (format!("alice namespaces=\"file\" {line}"), false),
        (format!("alice cert-authority {line}"), false),
        (format!("alice namespaces=\"file\" {line}alice {line}"), true),
        (format!("alice valid-after=\"20261121Z\" {line}"), true),
        (format!("alice valid-after=\"20261122Z\" {line}"), false),
        (format!("alice valid-before=\"20261120Z\" {line}"), false),
        (format!("alice valid-after=\"20261101Z\",valid-before=\"20261201Z\" {line}"), true),
        (format!("# a remark\n\nbob {line}alice {line}"), true),
    ];
    for (signers, expected) in cases {
        let (ours, theirs) = verdicts(&stage, &signers, &one, START.plus(hour));
        assert_eq!((ours, theirs), (expected, expected), "{signers}");
    }
}

#[test]
fn kinds_of_keys() {
    let stage = Stage::new();
    for (kind, ours) in [("ed25519", true), ("ecdsa:256", true), ("ecdsa:384", true), ("ecdsa:521", false), ("rsa:3072", false)] {
        let key = stage.folder.path().join(kind.replace(':', "-"));
        let line = new_key(&key, kind);
        let one = signed(&stage, &key);
        let (taken, openssh) = verdicts(&stage, &format!("alice {line}\n"), &one, START);
        assert!(openssh, "{kind}");
        assert_eq!(taken, ours, "{kind}");
    }
}

#[test]
fn a_certificate_of_an_authority_stands_for_its_key_while_it_is_valid() {
    let stage = Stage::new();
    let authority = stage.folder.path().join("ca");
    let line = new_key(&authority, "ed25519");
    let certify = |principal: &str, validity: &str| {
        let key = stage.folder.path().join(format!("key-{}", fresh_nonce()));
        new_key(&key, "ed25519");
        let status = Program::new("ssh-keygen")
            .args(["-q", "-s"])
            .arg(&authority)
            .args(["-I", "test", "-n", principal, "-V", validity])
            .arg(key.with_extension("pub"))
            .status();
        assert!(status.unwrap().success());
        stage.folder.path().join(format!("{}-cert.pub", key.file_name().unwrap().to_string_lossy()))
    };
    let signers = format!("alice cert-authority {line}\n");
    for (principal, validity, expected) in [
        ("alice", "20261120000000Z:20261122000000Z", true),
        ("bob", "20261120000000Z:20261122000000Z", false),
        ("alice", "20261110000000Z:20261111000000Z", false),
    ] {
        let one = signed(&stage, &certify(principal, validity));
        assert_eq!(verdicts(&stage, &signers, &one, START), (expected, expected), "{principal} {validity}");
        let plain = format!("alice {line}\n");
        assert_eq!(verdicts(&stage, &plain, &one, START), (false, false), "the authority's line is not marked as one");
    }
}

#[test]
fn a_revoked_key_and_the_certificates_of_a_revoked_authority_do_not_count() {
    let mut stage = Stage::new();
    let roster = super::ROSTER.to_owned() + "revoked_keys: revoked\n";
    fs::write(stage.folder.path().join("people.yaml"), roster).unwrap();
    let line = fs::read_to_string(stage.key("alice").with_extension("pub")).unwrap();
    let one = signed(&stage, &stage.key("alice"));
    let signers = format!("alice {line}");
    fs::write(stage.folder.path().join("revoked"), "# none yet\n").unwrap();
    let empty = verify(&stage.roster().unwrap(), &one, START);
    assert!(empty.is_ok(), "{empty:?}");
    fs::write(stage.folder.path().join("revoked"), &line).unwrap();
    assert_eq!(verdicts(&stage, &signers, &one, START), (false, false));
    stage.settle();
}
