//! `pointsman witness` as a process, asked over TLS: who it lets in, whom a log believes, and what it refuses to be.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pointsman::log::{Log, LogFolder, Outside, WitnessLevel};
use tempfile::TempDir;

use crate::servers::certificates::certificates;
use crate::servers::missing;

const TOKEN: &str = "0123456789abcdef0123456789abcdef-the-token";

struct Bench(TempDir);

/// A witness that listens; ended with the test.
struct Listening {
    child: Child,
    key: String,
    port: u16,
    pin: String,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null()).env_remove("POINTSMAN_LOG");
        command.env("POINTSMAN_HOME", self.0.path().join("home"));
        command
    }

    fn say(&self, args: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap_or(-1), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    fn file(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Starts the witness and reads where it listens.
    fn listen(&self, args: &[&str]) -> Listening {
        let said = self.0.path().join("said");
        let mut command = self.command(args);
        let child = command.stdout(Stdio::piped()).stderr(File::create(&said).unwrap()).spawn().unwrap();
        let mut listening = Listening { child, key: String::new(), port: 0, pin: String::new() };
        BufReader::new(listening.child.stdout.take().unwrap()).read_line(&mut listening.key).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let after = |text: &str, word: &str| text.lines().find_map(|line| Some(line.split_once(word)?.1.trim().to_owned()));
        loop {
            let text = fs::read_to_string(&said).unwrap();
            if let (Some(place), Some(pin)) = (after(&text, "listening at https://"), after(&text, "its certificate is ")) {
                let key = listening.key.trim().to_owned();
                (listening.key, listening.pin) = (key, pin);
                listening.port = place.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
                return listening;
            }
            assert!(Instant::now() < end, "it does not listen: {text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells the witness that `init` was given of the newest checkpoint.
    fn tell(&self) -> (WitnessLevel, String) {
        let folder = LogFolder::of_home(&self.0.path().join("home"));
        let mut log = Log::open(&folder).unwrap();
        let signed = log.sign().unwrap();
        let (level, trouble) = Outside::load(&folder).unwrap().tell(&Mutex::new(log), &signed);
        (level, trouble.join("; "))
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_witness_on_another_host_is_asked_over_tls_with_a_token() {
    if missing("openssl", "openssl") {
        return;
    }
    let bench = Bench(tempfile::tempdir().unwrap());
    let others = tempfile::tempdir().unwrap();
    let log = bench.say(&["init"]).1.trim().to_owned();
    certificates(bench.0.path(), "root", "DNS:localhost");
    certificates(others.path(), "root", "DNS:localhost");
    bench.file("token", &format!("{}\n{TOKEN}\n", "another-log-has-a-token-of-its-own"), 0o600);
    bench.file("mine", TOKEN, 0o600);
    bench.file("wrong", &TOKEN.replace("the", "teh"), 0o600);
    bench.file("open", TOKEN, 0o644);
    bench.file("short", "hunter2", 0o600);

    let base = ["witness", "--dir", "w", "--log", &log, "--listen", "0.0.0.0:0"];
    let (tls, token) = (["--tls-cert", "server.pem", "--tls-key", "server.key"], ["--token-file", "token"]);
    let refused: [(&[&str], &str); 6] = [
        (&[], "only with TLS"),
        (&tls, "only with TLS"),
        (&token, "only with TLS"),
        (&["--tls-cert", "server.pem", "--tls-key", "server.key", "--token-file", "short"], "no token of at least 32"),
        (&["--tls-cert", "server.pem", "--tls-key", "server.key", "--token-file", "open"], "chmod 600"),
        (&["--tls-cert", "server.pem", "--tls-key", "token", "--token-file", "token"], "no private key"),
    ];
    for (more, why) in refused {
        let (code, said) = bench.say(&[&base[..], more].concat());
        assert!(code == 1 && said.contains(why) && !said.contains(TOKEN), "{more:?}: {code} {said}");
    }

    let witness = bench.listen(&[&base[..], &tls[..], &token[..]].concat());
    let (name, address) = (format!("https://localhost:{}", witness.port), format!("https://127.0.0.1:{}", witness.port));
    let plain = format!("http://127.0.0.1:{}", witness.port);
    let (ca, other) = (path(&bench.0.path().join("ca.pem")).to_owned(), path(&others.path().join("ca.pem")).to_owned());
    let wrong_pin = pointsman::model::Digest::of(b"another certificate").to_string();
    let mine = "file:mine";
    let asked: [(&[&str], &str); 10] = [
        (&[&name, "--witness-ca", &ca, "--witness-token", mine], ""),
        (&[&address, "--witness-pin", &witness.pin, "--witness-token", mine], ""),
        (&[&name, "--witness-ca", &ca, "--witness-pin", &witness.pin, "--witness-token", mine], ""),
        (&[&name, "--witness-ca", &ca, "--witness-token", "file:wrong"], "does not take our token"),
        (&[&name, "--witness-ca", &ca], "does not take our token"),
        (&[&name, "--witness-ca", &ca, "--witness-token", "file:open"], "chmod 600"),
        (&[&name, "--witness-ca", &other, "--witness-token", mine], "no authority that we trust"),
        (&[&address, "--witness-ca", &ca, "--witness-token", mine], "for another name"),
        (&[&name, "--witness-ca", &ca, "--witness-pin", &wrong_pin, "--witness-token", mine], "not the one that it is known by"),
        (&[&plain, "--witness-token", mine], "the witness witness: "),
    ];
    for (args, why) in asked {
        let set = [&["init", "--witness-key", &witness.key, "--witness-url"], args].concat();
        let (code, said) = bench.say(&set);
        assert_eq!(code, 0, "{args:?}: {said}");
        let (level, trouble) = bench.tell();
        let wanted = if why.is_empty() { WitnessLevel::L2 } else { WitnessLevel::L0 };
        assert!(level == wanted && trouble.contains(why) && !trouble.contains(TOKEN), "{args:?}: {level} {trouble}");
        assert!(!why.is_empty() || trouble.is_empty(), "{args:?}: {trouble}");
    }
    for (url, more, why) in [
        ("http://192.0.2.1:8090", &[][..], "https://"),
        (plain.as_str(), &["--witness-ca", &ca], "shows no certificate"),
        (name.as_str(), &["--witness-pin", "sha256:12"], "64 hex digits"),
        (name.as_str(), &["--witness-token", TOKEN], "neither file:PATH nor env:NAME"),
    ] {
        let (code, said) = bench.say(&[&["init", "--witness-key", &witness.key, "--witness-url", url], more].concat());
        assert!(code == 1 && said.contains(why), "{url} {more:?}: {code} {said}");
    }

    // And a whole run, whose gate waits for it.
    let set = ["init", "--witness-key", &witness.key, "--witness-url", &name, "--witness-ca", &ca];
    assert_eq!(bench.say(&[&set[..], &["--witness-token", mine, "--require", "L2"]].concat()).0, 0);
    let steps = "pointsman: 1\nrunbook: fine\nsteps:\n  hello: { action: command.check, with: { argv: [echo, hello] } }\n";
    bench.file("fine.yaml", steps, 0o644);
    let (code, said) = bench.say(&["run", "fine.yaml", "--id", "one"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bench.say(&["audit", "bundle", "one", "--out", "one.bundle"]).0, 0);
    let verify = ["audit", "verify", "one.bundle", "--key", &log, "--witness", &witness.key, "--require", "L2"];
    let (code, said) = bench.say(&verify);
    assert_eq!(code, 0, "{said}");
    let diary = bench.say(&["audit", "diary"]).1;
    assert!(diary.contains("token=file:") && !diary.contains(TOKEN), "{diary}");
}
