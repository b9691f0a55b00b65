//! Signing in through a real identity provider, in a real browser: two sites, with the cookies that a browser really sends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::browser::{Browser, Size};
use crate::servers::glewlwyd::{CLIENT, Glewlwyd, PASSWORD, SECRET, USER};
use crate::servers::{free_port, missing};
use crate::shop::{Console, has_no_browser};

/// What the provider's own page sends once somebody has typed a name and a password there, and where it goes then.
fn typed(browser: &Browser) {
    let sign_in = format!(
        "window.sent ??= fetch('/api/auth/', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, \
         body: JSON.stringify({{ username: '{USER}', password: '{PASSWORD}' }}) }}).then((answer) => (window.taken = answer.ok)); \
         return window.taken"
    );
    browser.until("the page of the provider", "return location.pathname === '/login.html'");
    browser.until("the provider knows her", &sign_in);
    browser.script("location.href = new URLSearchParams(location.search).get('callback_url') + '&g_continue'");
}

#[test]
fn somebody_signs_in_at_a_real_provider() {
    if has_no_browser() || missing("glewlwyd", "glewlwyd") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let port = free_port();
    // Another site than the provider's: to a browser `localhost` and `127.0.0.1` are strangers.
    let address = format!("http://localhost:{port}");
    let provider = runtime.block_on(Glewlwyd::start(&format!("{address}/api/v1/oidc/callback")));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    fs::set_permissions(folder.path().join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let file = folder.path().join("oidc.yaml");
    let described = |is: &str| {
        format!(
            "issuer: {}\nname: Glewlwyd\nclient_id: {CLIENT}\nclient_secret: {{ file: secret }}\naddress: {address}\nclaim: login\n\
             persons:\n  alice: {{ is: {is} }}\n",
            provider.issuer
        )
    };
    fs::write(&file, described(USER)).unwrap();
    let _console = Console::at(port, folder.path(), &folder.path().join("home"), &["--oidc", file.to_str().unwrap()]);
    let browser = Browser::open(Size::Desk);
    browser.go(&address);
    browser.until_says("#provider", "Sign in with Glewlwyd");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
    browser.click("#provider");
    typed(&browser);
    browser.until_says(".who", "alice");
    assert_eq!(browser.script("return location.href"), format!("{address}/"));

    // Signed out here, she is told that she is not yet there.
    browser.click("header button.quiet:not(#new-passkey):not([aria-label])");
    browser.until_says("#farewell", "Sign out at Glewlwyd");
    let farewell = browser.script("return document.querySelector('#farewell a').href");
    assert!(farewell.as_str().unwrap().ends_with("/api/oidc/end_session?client_id=pointsman"), "{farewell}");

    // The provider still knows her and sends her straight back; the file knows her no more.
    fs::write(&file, described("somebody-else")).unwrap();
    browser.click("#provider");
    browser.until("the page of the provider", "return location.pathname === '/login.html'");
    browser.script("location.href = new URLSearchParams(location.search).get('callback_url') + '&g_continue'");
    browser.until_says("#trouble", "this console does not know you");
    assert_eq!(browser.hindrances(), Vec::<String>::new());
    browser.keep("provider");
}
