//! Every page in both languages and both sizes: nothing that keeps somebody from using it, and no complaint of the browser.

use crate::browser::{ARROW_UP, Browser, ENTER, ESCAPE, Size, TAB};
use crate::shop::{Shop, has_no_browser};

/// What a page must not have, with the page's name.
pub fn check(browser: &Browser, name: &str) {
    assert_eq!(browser.hindrances(), Vec::<String>::new(), "{name}");
    let wide = browser.script("return document.documentElement.scrollWidth > window.innerWidth");
    assert_eq!(wide, false, "{name} is wider than its window");
    browser.keep(name);
}

pub fn speak(browser: &Browser, language: &str) {
    browser.script(&format!(
        "const choice = document.querySelector('#language'); choice.value = '{language}'; choice.dispatchEvent(new Event('change'));"
    ));
    // The page is made anew, and the choice keeps the focus; keys are for the page again once it is elsewhere.
    browser.until("the language", &format!("return document.documentElement.lang.startsWith('{language}')"));
    browser.until("the choice keeps the focus", "return document.activeElement.id === 'language'");
    browser.script("document.querySelector('#main').focus()");
}

fn every_page(size: Size, name: &str) {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(size));
    let front = shop.front();
    browser.go(&shop.console.address);
    for language in ["zh", "en"] {
        browser.until_there("div.sheet");
        speak(&browser, language);
        browser.until_there("div.sheet");
        check(&browser, &format!("{name}-{language}-sign-in"));
    }
    // The same address with another fragment would be the same page.
    browser.go("about:blank");
    browser.go(&shop.console.link);
    browser.until_there("#start");
    browser.click("#start");
    browser.until_there("#param-front");
    check(&browser, &format!("{name}-en-start"));
    browser.write("#param-front", &front);
    browser.click("dialog button[type=submit]");
    for language in ["en", "zh"] {
        browser.until_there("#phase");
        speak(&browser, language);
        browser.until_there("[data-order=approve]");
        browser.until("the stream is open", "return document.querySelector('#main').dataset.connected === 'true'");
        check(&browser, &format!("{name}-{language}-night"));
        browser.click("[data-order=approve]");
        browser.until("the decision", "return document.querySelector('dialog .decision').childElementCount > 3");
        check(&browser, &format!("{name}-{language}-approve"));
        browser.click("dialog button.quiet");
        browser.press("?");
        browser.until_there("dialog .keys");
        check(&browser, &format!("{name}-{language}-keys"));
        browser.click("dialog button.quiet");
        browser.click("[data-step=freeze-old]");
        browser.until_there("#step");
        check(&browser, &format!("{name}-{language}-step"));
        let night = browser.script("return location.href");
        browser.press("r");
        browser.until_there("#search");
        browser.until_there("table.runs tbody tr");
        check(&browser, &format!("{name}-{language}-runs"));
        browser.go(night.as_str().unwrap());
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn everybody_can_use_every_page_at_a_desk() {
    every_page(Size::Desk, "desk");
}

#[test]
fn everybody_can_use_every_page_on_a_phone() {
    every_page(Size::Phone, "phone");
}

/// Every answer can be given without a mouse.
#[test]
fn a_night_is_approved_by_keys_alone() {
    if has_no_browser() {
        return;
    }
    let (shop, browser) = (Shop::open(), Browser::open(Size::Desk));
    browser.go(&shop.console.link);
    browser.until_there("#start");
    browser.press("n");
    browser.write("#param-front", &shop.front());
    browser.press(ENTER);
    browser.until_there("[data-order=approve]");
    browser.press("a");
    browser.until("the answer has the focus", "return document.activeElement.dataset.order === 'approve'");
    browser.press(ENTER);
    browser.until_there("dialog textarea");
    browser.press(ESCAPE);
    // The focus is back where it was.
    browser.until("the dialog closes", "return !document.querySelector('dialog')");
    browser.until("the focus comes back", "return document.activeElement.dataset.order === 'approve'");
    browser.press("g");
    browser.until("a step has the focus", "return document.activeElement.dataset.step === 'go-live'");
    browser.press(ARROW_UP);
    browser.until(
        "the step above",
        "return document.activeElement.dataset.step !== 'go-live' && document.activeElement.dataset.step",
    );
    browser.press("a");
    browser.press(ENTER);
    browser.until_there("dialog textarea");
    browser.press(TAB);
    browser.press(TAB);
    browser.until("the button is next", "return document.activeElement.type === 'submit'");
    browser.press(ENTER);
    browser.until_says("#phase", "succeeded");
}
