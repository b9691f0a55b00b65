//! A night that is over, told again in the browser, by keys alone.

use crate::browser::{ARROW_LEFT, ARROW_RIGHT, Browser, END, ENTER, ESCAPE, HOME, Size};
use crate::nights::start;
use crate::pages::{check, speak};
use crate::shop::{Shop, has_no_browser};

/// Where each step stands, as the picture of the plan says it.
const STATUSES: &str = "return [...document.querySelectorAll('.node')].map((node) => `${node.dataset.step} ${node.querySelector('.sign').innerText} ${node.className.replace('front', '').trim()}`).join('\\n')";

/// Waits until the page shows the record that the bar names.
fn settle(browser: &Browser, what: &str) -> u64 {
    let script = "const [seq] = document.querySelector('#replay-place').innerText.match(/[0-9]+/);
        return document.querySelector('#main').dataset.seq === seq && seq";
    browser.until(what, script).as_str().unwrap().parse().unwrap()
}

#[test]
fn a_night_that_turned_back_is_told_again() {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    start(&browser, &shop, &shop.front());
    browser.until_there("[data-order=reject]");
    browser.until_says("[data-step=counts]", "succeeded");
    let at_the_gate = browser.script(STATUSES);
    browser.click("[data-order=reject]");
    browser.until_there("dialog textarea");
    browser.script("for (const field of document.querySelectorAll('dialog textarea, dialog input')) { field.value = field.id === 'typed' ? document.querySelector('label[for=typed]').innerText.split(' ')[1] : 'the sums differ'; field.dispatchEvent(new Event('input', { bubbles: true })); }");
    browser.click("dialog button[type=submit]");
    browser.until_there("#replay");
    browser.until_says("#phase", "rolled back");
    let at_the_end = browser.script(STATUSES);

    // From here on without a mouse.
    browser.press("p");
    browser.until_says(".replay-banner", "This is a replay.");
    assert_eq!(settle(&browser, "the first record"), 1);
    assert_eq!(browser.script("return document.querySelectorAll('[data-order], [data-run-order], #orders').length"), 0);
    assert_eq!(browser.script("return document.title.startsWith('Replay of ')"), true);

    // Played to its end, it shows what the page of the run showed.
    for _ in 0..3 {
        browser.press("]");
    }
    browser.press(" ");
    browser.until("the last record", "return /^record ([0-9]+) of \\1$/.test(document.querySelector('#replay-place').innerText)");
    let last = settle(&browser, "the last record");
    assert_eq!(browser.script(STATUSES), at_the_end);
    browser.until_says("#phase", "rolled back");
    browser.keep("replay-end");

    // Back to the moment at which the person said no, and one record before it: as it was then.
    let turned = "return document.querySelector('.replay-said').innerText.includes('Turned round')";
    while browser.script(turned) != true {
        browser.press("p");
        assert!(settle(&browser, "an earlier mark") > 1, "the turning back has no mark");
    }
    browser.until_says("#phase", "rolling back");
    let seq = settle(&browser, "the turning back");
    let mut before = seq;
    while browser.script("return document.querySelector('#asks .question') !== null") != true {
        browser.press(ARROW_LEFT);
        before -= 1;
        assert_eq!(settle(&browser, "the record before"), before);
        assert!(before > 1, "the question never comes back");
    }
    assert_eq!(browser.script(STATUSES), at_the_gate);
    assert!(seq - before < 4, "the question ended with the no: {before}, {seq}");
    browser.until_says("#asks", "Sell from the new database?");
    assert_eq!(browser.script("return document.querySelectorAll('[data-order]').length"), 0);
    check(&browser, "replay-gate");
    let address = browser.until("the address", "return location.hash.match(/replay\\/([0-9]+)$/)?.[1]");
    assert_eq!(address.as_str().unwrap(), before.to_string());

    browser.press(HOME);
    assert_eq!(settle(&browser, "the beginning"), 1);
    browser.press(ARROW_RIGHT);
    assert_eq!(settle(&browser, "the second record"), 2);
    browser.press("n");
    assert!(settle(&browser, "the next mark") > 2);
    browser.press("?");
    browser.until_says("dialog .keys", "one record back, forward");
    browser.keep("replay-keys");
    browser.click("dialog button.quiet");
    browser.until("the dialog closes", "return !document.querySelector('dialog')");

    // The line of the night by keys and by hand.
    browser.script("document.querySelector('#replay-line').focus()");
    browser.press(END);
    assert_eq!(settle(&browser, "the end by the line"), last);
    browser
        .script("const line = document.querySelector('#replay-line'); line.value = 0; line.dispatchEvent(new Event('input'));");
    // Every record of that very moment is shown.
    assert!(settle(&browser, "the beginning by the line") < 4);
    browser.script("document.querySelector('.moments summary').focus()");
    browser.press(ENTER);
    browser.until_says(".moments-list", "turned back");

    let address = browser.script(&format!("return location.href.replace(/replay.*$/, 'replay/{before}')"));
    let address = address.as_str().unwrap();
    let phone = browser.beside(Size::Phone, &shop.console.address);
    for (browser, name) in [(&browser, "desk"), (&phone, "phone")] {
        for language in ["zh", "en"] {
            browser.go("about:blank");
            browser.go(address);
            browser.until_there(".replay-bar");
            speak(browser, language);
            browser.until_there(".replay-bar");
            assert_eq!(settle(browser, "the record of the address"), before);
            check(browser, &format!("replay-{name}-{language}"));
        }
    }
    assert_eq!(phone.complaints(), Vec::<String>::new());
    browser.press(ESCAPE);
    browser
        .until("the page of the run", "return !document.body.classList.contains('replay') && document.querySelector('#replay')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
