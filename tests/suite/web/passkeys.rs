//! A protected gate is opened in the browser by a passkey: over the same statement, as an SSH signature that `ssh-keygen` takes.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use pointsman::authority::NAMESPACE;
use pointsman::engine::load;
use pointsman::model::{Digest, RunId, Value};
use pointsman::run::Event;
use pointsman::web::May;
use serde_json::json;

use super::api::{GATE, start, until};
use super::{Bench, Signed};

/// What stands before the point of a public key on P-256 in DER: a sequence, the two names of the curve, a bit string.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What a browser and its authenticator answer to a request to sign.
fn answered(key: &SigningKey, asked: &Value, origin: &str) -> Value {
    let asked = &asked["publicKey"];
    let challenge = asked["challenge"].as_str().unwrap();
    assert_eq!((asked["userVerification"].as_str(), asked["rpId"].as_str()), (Some("required"), Some("127.0.0.1")));
    let client_data = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#);
    let mut authenticator_data = Digest::of(b"127.0.0.1").as_bytes().to_vec();
    authenticator_data.push(0x05);
    authenticator_data.extend(3_u32.to_be_bytes());
    let signature: Signature = key.sign(&[authenticator_data.as_slice(), Digest::of(client_data.as_bytes()).as_bytes()].concat());
    json!({ "id": "x", "rawId": "eA", "type": "public-key", "response": {
        "authenticatorData": BASE64URL.encode(&authenticator_data),
        "clientDataJSON": BASE64URL.encode(client_data),
        "signature": BASE64URL.encode(signature.to_der().as_bytes()),
        "userHandle": null,
    } })
}

/// A roster in which ops is alice, who signs with this passkey.
async fn roster(bench: &Bench, signed: &Signed, key: &SigningKey) {
    let folder = bench.folder.path().join("runbooks");
    fs::create_dir_all(&folder).unwrap();
    let public = BASE64URL.encode([&SPKI[..], key.verifying_key().to_encoded_point(false).as_bytes()].concat());
    let made = bench.post("/api/v1/passkeys", Some(signed), json!({ "person": "alice", "public_key": public })).await.json();
    fs::write(folder.join("signers"), format!("{}\n", made["line"].as_str().unwrap())).unwrap();
    let login = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    let people = format!(
        "persons:\n  alice: {{ name: Alice, roles: [commander] }}\n  ops: {{ name: Ops, local_users: [{login}] }}\nallowed_signers: signers\n"
    );
    fs::write(folder.join("people.yml.roster"), people).unwrap();
}

fn keygen_takes(folder: &std::path::Path, statement: &str, signature: &str) -> bool {
    fs::write(folder.join("signature"), signature).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-Y", "verify", "-n", NAMESPACE, "-I", "alice", "-f"]).arg(folder.join("runbooks/signers"));
    let keygen = keygen.arg("-s").arg(folder.join("signature")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = keygen.spawn().unwrap();
    child.stdin.take().unwrap().write_all(statement.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[tokio::test]
async fn a_passkey_opens_a_protected_gate_and_ssh_keygen_takes_its_signature() {
    let bench = Bench::with(|settings| {
        settings.now = std::sync::Arc::new(|| pointsman::model::Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()))
    });
    let signed = bench.session(May::Operate);
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    roster(&bench, &signed, &key).await;
    let runbook = GATE.replace("environment:", "roster: people.yml.roster\nenvironment:");
    let runbook = runbook.replace("    action: gate.approval", "    protected: true\n    action: gate.approval");
    let run: RunId = start(&bench, &signed, &runbook).await;
    let gate = format!("/api/v1/runs/{run}/gates/go-live");
    until("the gate asks", async || !bench.get(&gate, &signed).await.json()["lines"][0].is_null()).await;
    let draft = async |decision: &str| {
        let asked = json!({ "decision": decision, "person": "alice" });
        bench.post(&format!("{gate}/statement"), Some(&signed), asked).await.json()
    };
    let drafted = draft("approve").await;
    assert_eq!(drafted["words"], "shop-live", "{drafted}");
    let submit = async |body: Value| bench.post(&format!("{gate}/signature"), Some(&signed), body).await;
    let answer = answered(&key, &drafted["passkeys"], super::ORIGIN);
    let statement = drafted["statement"].as_str().unwrap();
    // The wrong environment, another key, another statement: nothing of it is taken.
    let body = json!({ "statement": statement, "assertion": answer, "words": "shop-test" });
    assert_eq!(submit(body).await.refusal().as_deref(), Some("unfit"));
    let other = answered(&SigningKey::from_slice(&[8; 32]).unwrap(), &drafted["passkeys"], super::ORIGIN);
    let body = json!({ "statement": statement, "assertion": other, "words": "shop-live" });
    assert_eq!(submit(body).await.refusal().as_deref(), Some("unfit"));
    let again = draft("approve").await;
    let body = json!({ "statement": again["statement"], "assertion": answer, "words": "shop-live" });
    assert_eq!(submit(body).await.refusal().as_deref(), Some("unfit"));
    let body = json!({ "statement": statement, "assertion": answer, "words": "shop-live", "note": "counts seen" });
    let reply = submit(body.clone()).await;
    assert_eq!(reply.json()["answer"], "accepted", "{}", reply.text);
    assert_ne!(submit(body).await.json()["answer"], "accepted", "it counted twice");
    let shown = format!("/api/v1/runs/{run}");
    until("it ends", async || bench.get(&shown, &signed).await.json()["head"]["phase"] == "ended").await;
    let (_, records) = load(&bench.console.settings.home, &run, None).unwrap();
    let granted = records.iter().find_map(|record| match &record.event {
        Event::ApprovalGranted { by, .. } => by.signed().map(|(text, armour)| (text.to_owned(), armour.to_owned())),
        _ => None,
    });
    let (text, armour) = granted.expect("the signature is on record");
    assert_eq!(text, statement);
    assert!(keygen_takes(bench.folder.path(), &text, &armour), "ssh-keygen refuses the passkey's signature");
    assert!(!keygen_takes(bench.folder.path(), &text.replace("approve", "reject"), &armour));
}
