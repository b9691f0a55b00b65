//! A gate that takes a signature, signed in the browser with a passkey: the browser's own authenticator is a simulated one.

use std::fs;

use crate::browser::{Browser, Size};
use crate::shop::{Console, has_no_browser};

const NIGHT: &str = "
pointsman: 1
runbook: signed
title: A night with one signed decision
roster: people.yaml
steps:
  decide:
    action: gate.approval
    with: { approvers: { commander: 1 }, signature: required, prompt: Go on? }
  done:
    needs: [decide]
    action: command
    with: { argv: ['true'] }
    in_doubt: ask
    undo: { nothing: it only says so }
";

#[test]
fn a_gate_is_signed_with_a_passkey() {
    if has_no_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let login = pointsman::engine::identity::login(nix::unistd::geteuid().as_raw());
    let people =
        format!("persons:\n  miller: {{ name: Miller, roles: [commander], local_users: [{login}] }}\nallowed_signers: signers\n");
    fs::write(folder.path().join("signed.yaml"), NIGHT).unwrap();
    fs::write(folder.path().join("people.yaml"), people).unwrap();
    fs::write(folder.path().join("signers"), "").unwrap();
    let console = Console::start(folder.path(), &folder.path().join("home"), &[]);
    let browser = Browser::open(Size::Desk);
    browser.add_authenticator();
    browser.go(&console.link);
    browser.until_there("#start");

    // The key is made in the browser, and whoever looks after the roster adds its line.
    browser.click("#new-passkey");
    browser.write("#passkey-person", "miller");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
    browser.click("dialog button[type=submit]");
    browser.until_says("#passkey-line", "miller sk-ecdsa-sha2-nistp256@openssh.com");
    let line = browser.script("return document.querySelector('#passkey-line').textContent");
    fs::write(folder.path().join("signers"), format!("{}\n", line.as_str().unwrap())).unwrap();
    browser.click("dialog button.quiet");

    browser.click("#start");
    browser.until_says("dialog h2", "Start a run");
    browser.click("dialog button[type=submit]");
    browser.click("[data-order=approve]");
    browser.until("the role", "return document.querySelector('#role')?.value === 'commander'");
    browser.click("dialog button[type=submit]");
    browser.until_says("dialog .statement", "decision: approve");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
    browser.keep("signed");
    browser.click("#by-passkey");
    browser.until_says("#phase", "succeeded");
    browser.until_says("#log", "SSH signature");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
