//! Keys: made, replaced, and what is left of a replacement that a crash interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pointsman::log::rotation::{Rotation, parse_all, successors};
use pointsman::log::{Found, Log, Verifier};

use super::Home;
use crate::journal::sample::at;

#[test]
fn the_private_key_is_its_owners_and_stays_the_same() {
    let home = Home::new();
    let key = home.open().verifier().clone();
    assert_eq!(fs::metadata(home.log().key()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.open().verifier(), &key);
    // The public file was lost before it was durable: the private key is taken up.
    fs::remove_file(home.log().public_key()).unwrap();
    assert_eq!(home.open().verifier(), &key);
}

#[test]
fn a_new_key_is_signed_by_the_old_one_and_every_checkpoint_can_be_followed() {
    let home = Home::new();
    home.run("one");
    let mut log = home.open();
    log.follow_all(&home.runs()).unwrap();
    let first = log.verifier().clone();
    let before = log.sign().unwrap();
    let second = log.rotate(at(1)).unwrap();
    let third = log.rotate(at(2)).unwrap();
    assert_eq!(log.verifier(), &third);
    assert_eq!(third.look_at(&log.signed().unwrap().note), Found::Signed(None));
    assert_eq!(first.look_at(&before.note), Found::Signed(None));
    let text = fs::read_to_string(home.log().rotations()).unwrap();
    let rotations = parse_all(&text).unwrap();
    assert_eq!(successors(&first, &rotations), [first.clone(), second.clone(), third.clone()]);
    assert_eq!(successors(&second, &rotations), [second, third.clone()]);
    let stranger = Verifier::parse(&home_key()).unwrap();
    assert_eq!(successors(&stranger, &rotations), [stranger]);
    // The statement of a key that the old one did not sign is none.
    let forged = rotations[0].note.to_string().replacen("old ", "old x", 1);
    assert_eq!(Rotation::parse(&forged), None);
    let without: String = text.lines().filter(|line| !line.starts_with('—')).map(|line| format!("{line}\n")).collect();
    assert_eq!(parse_all(&without), None);
    assert!(Log::open(&home.log()).is_ok());
}

fn home_key() -> String {
    Home::new().open().verifier().to_string()
}

#[test]
fn a_crash_while_a_key_is_replaced_leaves_one_that_signs() {
    let home = Home::new();
    let mut log = home.open();
    let old = fs::read(home.log().key()).unwrap();
    let second = log.rotate(at(1)).unwrap();
    // The public key is new, and the private one still waits beside its place.
    fs::rename(home.log().key(), home.log().path().join("key.next")).unwrap();
    fs::write(home.log().key(), old).unwrap();
    fs::set_permissions(home.log().key(), fs::Permissions::from_mode(0o600)).unwrap();
    let mut log = Log::open(&home.log()).unwrap();
    assert!(log.can_sign());
    assert_eq!(log.verifier(), &second);
    home.run("one");
    log.follow_all(&home.runs()).unwrap();
    assert_eq!(second.look_at(&log.sign().unwrap().note), Found::Signed(None));
}
