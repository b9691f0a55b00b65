//! Canary secrets: given to programs by every way there is, printed by them in every form, quoted in errors, templates and
//! conditions. Then every byte that this program wrote is searched: its home, what it printed, reports and bundles.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Bench;

/// What no byte may contain. One of them has every kind of letter that JSON, URLs and shells write in another way.
const CANARIES: [&str; 3] = ["canary-of-the-environment-7f3a", "canary of the \"file\" & 100% wörd", "canary-of-a-program-91c2"];

const RUNBOOK: &str = r#"
steps:
  prints:
    action: command.check
    with:
      argv: [sh, -c, 'echo "$A $B $C"; echo "$A $B $C" >&2; printf %s "$B" | base64 -w0; printf %s "$A" | base64 -w0']
      env: { A: { env: CANARY }, B: { file: canary.txt }, C: { command: [sh, canary.sh] } }
  quotes:
    action: command.check
    needs: [prints]
    with:
      argv: [sh, -c, 'echo "{{ steps.prints.outputs.stdout }}" "$A"']
      env: { A: { env: CANARY } }
  fails:
    action: command.check
    needs: [quotes]
    with:
      argv: [sh, -c, 'echo "it was $A and $C" >&2; echo "{\"password\": \"$C\"}"; exit 3']
      env: { A: { env: CANARY }, C: { command: [sh, canary.sh] } }
"#;

/// Every form in which a value can stand in a file.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(canary).unwrap();
    let url: String = canary
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(canary)
    };
    vec![canary.into(), json.trim_matches('"').into(), url.into(), base64.trim_end_matches('=').into()]
}

fn search(what: &str, bytes: &[u8], searched: &mut u64) {
    for canary in CANARIES {
        for form in forms(canary) {
            let found = bytes.windows(form.len()).any(|part| part == form);
            assert!(!found, "{what} holds {:?}: {}", String::from_utf8_lossy(&form), String::from_utf8_lossy(bytes));
        }
    }
    *searched += bytes.len() as u64;
}

fn search_folder(folder: &Path, searched: &mut u64) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => search_folder(&path, searched),
            Ok(meta) if meta.is_file() => search(&path.display().to_string(), &fs::read(&path).unwrap(), searched),
            Ok(_) | Err(_) => {}
        }
    }
}

#[test]
fn no_byte_that_was_written_holds_a_secret() {
    let bench = Bench::new();
    let runbook = bench.runbook("canary", RUNBOOK);
    let file = bench.file("canary.txt", &format!("{}\n", CANARIES[1]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    bench.file("canary.sh", &format!("echo {}", CANARIES[2]));
    let runbook = runbook.to_str().unwrap();
    let mut searched = 0;
    let mut say = |args: &[&str], env: bool| {
        let mut command = bench.command(args);
        command.env("POINTSMAN_LOG", "trace");
        if env {
            command.env("CANARY", CANARIES[0]);
        }
        let output = command.output().unwrap();
        search(&format!("{args:?}"), &[&output.stdout[..], &output.stderr].concat(), &mut searched);
        (output.status.code(), output.stdout)
    };
    say(&["init"], true);
    say(&["check", runbook], true);
    say(&["plan", runbook, "--json"], true);
    let (code, out) = say(&["run", runbook, "--id", "one", "--verbose"], true);
    assert_eq!(code, Some(4), "{}", String::from_utf8_lossy(&out));
    let out = String::from_utf8(out).unwrap();
    assert!(out.matches("redacted").count() >= 2, "the programs printed nothing, so nothing was tried: {out}");
    say(&["run", runbook, "--id", "two", "--json"], true);
    // A secret that is not there is an error, and the others are in its neighbourhood.
    say(&["run", runbook, "--id", "three"], false);
    for args in [
        &["status", "one"][..],
        &["status", "one", "--json"],
        &["status", "one", "--card"],
        &["report", "one", "-o", "home/one.html"],
        &["report", "one", "--md"],
        &["report", "one", "--json"],
        &["diff", "one", "two", "--json"],
        &["history", "canary", "--json"],
        #[cfg(feature = "otlp")]
        &["trace", "one", "--json", "home/one.trace.json"],
        &["audit", "show", "one"],
        &["audit", "show", "one", "--json"],
        &["audit", "verify", "one"],
        &["audit", "verify", "one", "--json"],
        &["audit", "checkpoint"],
        &["audit", "bundle", "one", "--out", "home/one.bundle"],
        &["audit", "verify", "home/one.bundle", "--json"],
    ] {
        say(args, true);
    }
    // In the bundle the records stand in base64: their bytes are searched too.
    let bundle = fs::read_to_string(bench.path().join("home/one.bundle")).unwrap();
    for code in bundle.lines().flat_map(|line| line.split(' ')) {
        use base64::Engine as _;
        if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(code) {
            search("a record of the bundle", &bytes, &mut searched);
        }
    }
    search_folder(&bench.path().join("home"), &mut searched);
    assert!(searched > 50_000, "only {searched} bytes were searched");
    // The search can find: the file that holds the secret is found.
    assert!(std::panic::catch_unwind(|| search("the secret file", &fs::read(&file).unwrap(), &mut 0)).is_err());
}
