//! Whole nights of the quickstart from the console: signed in, started, watched, approved, turned back, and one that fails.

use pointsman::demo::{Side, Verdict};

use crate::browser::{Browser, Size};
use crate::shop::{Shop, has_no_browser};

/// Signs in with the link that was printed, and starts the quickstart beside the shop.
pub fn start(browser: &Browser, shop: &Shop, front: &str) {
    browser.go(&shop.console.link);
    browser.until_says("h1", "Runs");
    begin(browser, front);
}

fn begin(browser: &Browser, front: &str) {
    browser.click("#start");
    browser.until_says("dialog h2", "Start a run");
    browser.write("#param-front", front);
    browser.click("dialog button[type=submit]");
    browser.until_there("#phase");
}

/// Waits for the end that the page tells, and closes the shop to hold its ledger against the databases.
fn ends(browser: &Browser, mut shop: Shop, phase: &str, side: Side) {
    browser.until_says("#phase", phase);
    shop.crew.more_orders(side, 20).unwrap();
    shop.crew.close().unwrap();
    let verdict = Verdict::of(&shop.folder).unwrap();
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verdict.live, side);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_night_is_started_watched_and_approved() {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    start(&browser, &shop, &shop.front());
    browser.until_says("#asks", "Sell from the new database?");
    browser.until_says("[data-step=counts]", "succeeded");
    browser.until_says("#log", "asks until");
    browser.keep("night");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
    browser.click("[data-order=approve]");
    // The same that the command line shows before it asks.
    browser.until_says("dialog .decision", "way back");
    browser.until_says("dialog code", "approve");
    browser.keep("approve");
    browser.write("dialog textarea", "both sides hold the same");
    browser.click("dialog button[type=submit]");
    browser.until("the dialog closes", "return !document.querySelector('dialog')");
    browser.until_says("#log", "both sides hold the same");
    browser.until_says("[data-step=smoke]", "succeeded");
    browser.until_says("#log", "run ended: succeeded");
    browser.keep("succeeded");
    ends(&browser, shop, "succeeded", Side::New);
}

#[test]
fn a_night_is_turned_back_by_order() {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    start(&browser, &shop, &shop.front());
    browser.until_says("#asks", "Sell from the new database?");
    browser.press("c");
    browser.until_says("#card .card", "freeze-old");
    browser.click("[data-run-order=rollback]");
    browser.write("#reason", "a customer called");
    // Without the word nothing can be sent.
    browser.until("the button waits", "return document.querySelector('dialog button[type=submit]').disabled");
    let word = browser.script("return document.querySelector('label[for=typed]').innerText.split(' ')[1]");
    browser.write("#typed", word.as_str().unwrap());
    browser.keep("rollback");
    browser.click("dialog button[type=submit]");
    browser.until_says("[data-step=freeze-old]", "undone");
    browser.until_says("#log", "a customer called");
    browser.until_says("#card summary", "Nothing would have to be undone.");
    ends(&browser, shop, "rolled back", Side::Old);
}

#[test]
fn a_night_that_fails_says_what_failed() {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    browser.go(&shop.console.link);
    browser.until_says("h1", "Runs");
    browser.click("#start");
    // Nobody answers there, and the check does not wait for long.
    browser.write("#param-front", "http://127.0.0.1:1");
    browser.write("#param-patience", "1s");
    browser.click("dialog button[type=submit]");
    browser.until_says("[data-step=shop-is-open]", "failed");
    browser.until_says("[data-step=freeze-old]", "not reached");
    browser.until_says("#phase", "step shop-is-open failed");
    browser.click("[data-step=shop-is-open]");
    browser.until_says("#step", "http.check");
    browser.keep("failed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// A page that hears nothing says so, and how old it is.
#[test]
fn a_cut_connection_is_said() {
    if has_no_browser() {
        return;
    }
    let (mut shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    start(&browser, &shop, &shop.front());
    browser.until_says("#asks", "Sell from the new database?");
    browser.until("the stream is open", "return document.querySelector('#main').dataset.connected === 'true'");
    shop.console.end();
    browser.until_says(".banner", "Not connected");
    browser.until("the age grows", "return /is [1-9][0-9]*s old/.test(document.querySelector('.banner').innerText)");
    browser.keep("cut");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
}
