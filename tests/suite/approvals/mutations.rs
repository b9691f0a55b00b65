//! Every byte of a signed statement and of its signature, changed in turn: none is taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pointsman::authority::{Decision, Signed, verify};

use super::{Stage, openssh_takes};

/// The bytes inside the armour.
pub fn blob(signature: &str) -> Vec<u8> {
    let body: String = signature.lines().filter(|line| !line.starts_with("-----")).collect();
    BASE64.decode(body).unwrap()
}

/// The armour that `ssh-keygen` would put around these bytes.
pub fn armour(blob: &[u8]) -> String {
    let text = BASE64.encode(blob);
    let lines: Vec<&str> = text.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

/// Other values of one byte: a bit, a sign, an end of line, a neighbour.
fn others(byte: u8) -> impl Iterator<Item = u8> {
    [byte ^ 1, byte ^ 0x20, byte ^ 0x80, byte.wrapping_add(1), b'\r', b'\n', b' ', 0].into_iter().filter(move |b| *b != byte)
}

#[test]
fn no_changed_byte_is_taken() {
    let stage = Stage::new();
    let roster = stage.roster().unwrap();
    let signed = stage.sign(&stage.statement("alice", "dba", Decision::Approve));
    let takes = |signed: &Signed| verify(&roster, signed, stage.now).is_ok();
    assert!(takes(&signed) && openssh_takes(stage.folder.path(), "alice", &signed, stage.now));
    assert_eq!(armour(&blob(&signed.signature)), signed.signature);
    let mut tried = 0;
    let mut refused = |signed: Signed, what: &str| {
        tried += 1;
        assert!(!takes(&signed), "{what} was taken:\n{}{}", signed.statement, signed.signature);
    };
    for (text, is_statement) in [(&signed.statement, true), (&signed.signature, false)] {
        let changed = |text: String| {
            if is_statement { Signed { statement: text, ..signed.clone() } } else { Signed { signature: text, ..signed.clone() } }
        };
        for (at, byte) in text.bytes().enumerate() {
            for other in others(byte) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = other;
                if let Ok(text) = String::from_utf8(bytes) {
                    refused(changed(text), "a changed byte");
                }
            }
            let (before, after) = (&text[..at], &text[at + 1..]);
            refused(changed(format!("{before}{after}")), "a missing byte");
            if !text[at..].starts_with("  ") {
                refused(changed(format!("{before}{0}{0}{after}", char::from(byte))), "a doubled byte");
            }
        }
    }
    let bytes = blob(&signed.signature);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            refused(Signed { signature: armour(&bytes), ..signed.clone() }, "a flipped bit inside the armour");
        }
    }
    assert!(tried > 10_000, "only {tried} mutations");
    println!("{tried} mutations, none taken");
}
