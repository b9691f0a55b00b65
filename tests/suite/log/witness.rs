//! Witnesses and stores: what is signed, what is refused, and what of it a bundle proves.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use pointsman::audit::{Standing, Trust, Withhold, WitnessLevel, bundle, trust, verify_bundle};
use pointsman::log::witness::{Answer, Request};
use pointsman::log::{Asked, Found, Log, Outside, Signer, Use, Witness, http};
use tempfile::TempDir;

use super::Home;

fn request(log: &mut Log, old: u64) -> Request {
    let signed = log.sign().unwrap();
    let proof = log.tree().consistency(old, signed.checkpoint.size).unwrap_or_default();
    Request { old, proof, signed }
}

#[test]
fn a_witness_signs_what_goes_on_and_nothing_else() {
    let home = Home::new();
    let run = home.run("one");
    let mut log = home.open();
    let folder = TempDir::new().unwrap();
    let mut witness = Witness::open(folder.path(), "w", vec![log.verifier().clone()]).unwrap();
    assert!(Witness::open(folder.path(), "w", Vec::new()).is_err(), "two witnesses with one key");

    let first = request(&mut log, 0);
    let Answer::Signed(lines) = witness.add_checkpoint(&first.body(), 7).unwrap() else { panic!("not signed") };
    let mut note = first.signed.note.clone();
    note.signatures.push(pointsman::log::note::Signature::parse(lines.trim_end()).unwrap());
    assert_eq!(witness.verifier().look_at(&note), Found::Signed(Some(7)));
    // The same again is signed again: that is how a quiet log shows that it is alive.
    assert_eq!(witness.add_checkpoint(&Request { old: 1, ..first.clone() }.body(), 8).unwrap().http().0, 200);

    log.follow_all(&home.runs()).unwrap();
    let next = request(&mut log, 1);
    let mut refuse = |body: &str, wanted: Answer| assert_eq!(witness.add_checkpoint(body, 9).unwrap(), wanted, "{body}");
    refuse(&Request { old: 0, ..next.clone() }.body(), Answer::Behind(1));
    refuse(&Request { old: 7, ..next.clone() }.body(), Answer::Malformed);
    refuse(&Request { proof: next.proof[1..].to_vec(), ..next.clone() }.body(), Answer::NoProof);
    refuse(&next.body().replacen("old 1", "old 01", 1), Answer::Malformed);
    refuse(&next.body().replace("\n6\n", "\n7\n"), Answer::NotSigned);
    refuse(&next.body().replace("night/pointsman/1\n", "night/pointsman/2\n"), Answer::Unknown);
    refuse("", Answer::Malformed);
    assert_eq!(witness.add_checkpoint(&next.body(), 9).unwrap().http().0, 200);

    // The same installation, put back to before the run and gone another way, with the same key.
    drop(log);
    fs::write(home.log().leaves(), &fs::read(home.log().leaves()).unwrap()[..68]).unwrap();
    fs::remove_file(home.log().checkpoint()).unwrap();
    fs::remove_dir_all(run.path()).unwrap();
    home.run("other");
    let mut forked = Log::open(&home.log()).unwrap();
    forked.follow_all(&home.runs()).unwrap();
    assert_eq!(witness.add_checkpoint(&request(&mut forked, 6).body(), 10).unwrap(), Answer::Forked);
    home.run("more");
    forked.follow_all(&home.runs()).unwrap();
    assert_eq!(witness.add_checkpoint(&request(&mut forked, 6).body(), 10).unwrap(), Answer::NoProof);
    drop(witness);
    let mut again = Witness::open(folder.path(), "w", vec![forked.verifier().clone()]).unwrap();
    assert_eq!(again.add_checkpoint(&request(&mut forked, 0).body(), 10).unwrap(), Answer::Behind(6), "it forgot what it saw");
}

#[test]
fn a_witness_behind_http_and_a_store_in_git_are_told_and_a_bundle_shows_it() {
    let home = Home::new();
    let run = home.run("one");
    let mut log = home.open();
    let folder = TempDir::new().unwrap();
    let witness = Witness::open(folder.path(), "w", vec![log.verifier().clone()]).unwrap();
    let key = witness.verifier();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || http::serve(&listener, witness, &http::Door::default()));

    let (remote, store) = (folder.path().join("remote.git"), folder.path().join("store"));
    let git = |args: &[&str]| assert!(Command::new("git").args(args).status().unwrap().success(), "{args:?}");
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    git(&["init", "--quiet", "--bare", &path(&remote)]);
    git(&["clone", "--quiet", &path(&remote), &path(&store)]);
    git(&["-C", &path(&store), "config", "user.email", "log@example.com"]);
    git(&["-C", &path(&store), "config", "user.name", "log"]);
    git(&["-C", &path(&store), "config", "push.default", "current"]);
    let outside = Outside {
        witnesses: vec![Asked::at(&key.to_string(), &url).unwrap()],
        stores: vec![store.clone()],
        required: WitnessLevel::L3,
    };
    outside.store(&home.log()).unwrap();
    assert_eq!(Outside::load(&home.log()).unwrap(), outside);
    assert!(Asked::at(&key.to_string(), "http://192.0.2.1:80").unwrap_err().contains("loopback"));
    assert!(Asked::at(&key.to_string(), "ftp://127.0.0.1:80").is_err());

    let first = log.sign().unwrap();
    let shared = Mutex::new(log);
    assert_eq!(outside.tell(&shared, &first), (WitnessLevel::L3, Vec::new()));
    home.go_on(&run);
    shared.lock().unwrap().follow_all(&home.runs()).unwrap();
    let second = shared.lock().unwrap().sign().unwrap();
    assert_eq!(outside.tell(&shared, &second), (WitnessLevel::L3, Vec::new()));
    assert_eq!(outside.tell(&shared, &second), (WitnessLevel::L3, Vec::new()), "telling it twice did harm");
    let count = Command::new("git").args(["-C", &path(&remote), "rev-list", "--count", "--all"]).output().unwrap();
    assert_eq!(String::from_utf8(count.stdout).unwrap().trim(), "2");

    let log = shared.into_inner().unwrap();
    let mut file = Vec::new();
    bundle(&run, &log, &Withhold::default(), &mut file).unwrap();
    let verify = |trust: &Trust| verify_bundle(&mut &file[..], trust).unwrap();
    let mut known = Trust { keys: vec![log.verifier().clone()], witnesses: vec![key], ..Trust::default() };
    assert_eq!(verify(&known).witness, WitnessLevel::L2);
    known.stored = trust::stored(&store).unwrap();
    assert_eq!(known.stored.len(), 2);
    let report = verify(&known);
    assert_eq!(report.witness, WitnessLevel::L3, "{report:?}");
    // The run is not over, and that alone keeps this bundle from holding.
    assert_eq!(report.standing, Standing::Weaker);

    // A store that says otherwise about the same size is a fork.
    let named = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
    fs::write(named, "something else").unwrap();
    let trouble = [&first, &second].map(|signed| outside.tell(&Mutex::new(Log::open(&home.log()).unwrap()), signed).1).concat();
    assert!(trouble.iter().any(|why| why.contains("FORKED")), "{trouble:?}");
}

#[test]
fn a_witness_that_is_not_there_is_said() {
    let home = Home::new();
    let mut log = home.open();
    let key = Signer::of_seed("w", Use::Witness, [1; 32]).verifier();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outside =
        Outside { witnesses: vec![Asked::at(&key.to_string(), &format!("http://{free}")).unwrap()], ..Outside::default() };
    let signed = log.sign().unwrap();
    let (level, trouble) = outside.tell(&Mutex::new(log), &signed);
    assert_eq!((level, trouble.len()), (WitnessLevel::L0, 1));
}
