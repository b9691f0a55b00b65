//! A browser that is driven as a person would: it is Debian's Chromium, asked through its WebDriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long a page may take to come to something, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(40);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const AXE: &str = include_str!("axe/axe.min.js");

/// Keys by the names that WebDriver has for them.
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const TAB: &str = "\u{e004}";
pub const ARROW_LEFT: &str = "\u{e012}";
pub const ARROW_UP: &str = "\u{e013}";
pub const ARROW_RIGHT: &str = "\u{e014}";
pub const END: &str = "\u{e010}";
pub const HOME: &str = "\u{e011}";

/// A window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

/// How large a window is.
#[derive(Clone, Copy)]
pub enum Size {
    /// A desk.
    Desk,
    /// A hand.
    Phone,
}

impl Size {
    const fn pixels(self) -> (u32, u32) {
        match self {
            Self::Desk => (1600, 1000),
            Self::Phone => (390, 844),
        }
    }
}

/// What a reader prefers.
#[derive(Clone, Copy)]
pub enum Scheme {
    /// Dark letters.
    Light,
    /// Light letters.
    Dark,
}

impl Browser {
    pub fn open(size: Size) -> Self {
        let mut driver =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.').parse::<u16>().unwrap())
        });
        let profile = tempfile::tempdir().unwrap();
        let mut browser =
            Self { driver, port: port.expect("chromedriver says its port"), session: String::new(), _profile: profile };
        let (width, height) = size.pixels();
        let mut args: Vec<String> =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
                .into_iter()
                .chain(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"])
                .map(str::to_owned)
                .collect();
        args.push(format!("--user-data-dir={}", browser._profile.path().display()));
        let mut options = json!({ "args": args, "binary": "/usr/bin/chromium" });
        // The page itself is this large, without what a window has around it.
        options["mobileEmulation"] = json!({
            "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "mobile": matches!(size, Size::Phone) }
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" }, "acceptInsecureCerts": true,
        } } });
        let begun = browser.ask("POST", "/session", Some(&wanted)).unwrap();
        browser.session = format!("/session/{}", begun["sessionId"].as_str().unwrap());
        browser
    }

    /// Pages that are opened from now on are shown as somebody prefers them.
    pub fn prefer(&self, scheme: Scheme) {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": features })).unwrap();
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map_or_else(String::new, Value::to_string);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(|error| error.to_string())?;
        // The driver leaves the connection open: the answer is as long as it says.
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).map_err(|error| error.to_string())?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| format!("{line}: no length"))?;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&body);
        let said: Value = serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
        if head.starts_with("HTTP/1.1 200") { Ok(said["value"].clone()) } else { Err(said["value"]["message"].to_string()) }
    }

    /// Asks the session for something.
    pub fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("{}{path}", self.session), (method != "GET").then_some(body))
    }

    /// Opens another window of this size in which the same person is signed in.
    pub fn beside(&self, size: Size, address: &str) -> Self {
        let other = Self::open(size);
        other.go(address);
        for cookie in self.command("GET", "/cookie", &Value::Null).unwrap().as_array().unwrap() {
            other.command("POST", "/cookie", &json!({ "cookie": cookie })).unwrap();
        }
        other
    }

    pub fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url })).unwrap();
    }

    /// Runs a script, which answers with `return`.
    pub fn script(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] })).unwrap()
    }

    /// Waits until a script answers something that is not empty.
    pub fn until(&self, what: &str, script: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }));
            match &found {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => {}
                Ok(Value::String(text)) if text.is_empty() => {}
                Ok(_) => return found.unwrap(),
            }
            if Instant::now() > end {
                self.keep("late");
                let text = self.script("return document.body.innerText");
                panic!("{what} did not come: {found:?}\n{}\n{:?}", text.as_str().unwrap_or(""), self.complaints());
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until the text of an element contains this.
    pub fn until_says(&self, css: &str, text: &str) {
        let script =
            format!("return [...document.querySelectorAll({css:?})].some((found) => found.innerText.includes({text:?}))");
        self.until(&format!("`{text}` in {css}"), &script);
    }

    /// Waits for an element that can be seen.
    pub fn until_there(&self, css: &str) -> String {
        self.until(css, &format!("return Boolean(document.querySelector({css:?})?.checkVisibility())"));
        let found = self.command("POST", "/element", &json!({ "using": "css selector", "value": css })).unwrap();
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks as a person does; a page may move something away meanwhile, and then it is tried again.
    pub fn click(&self, css: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.until_there(css);
            match self.command("POST", &format!("/element/{element}/click"), &json!({})) {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < end, "{css} cannot be clicked: {error}"),
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Types into a field.
    pub fn write(&self, css: &str, text: &str) {
        let element = self.until_there(css);
        self.command("POST", &format!("/element/{element}/clear"), &json!({})).unwrap();
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text })).unwrap();
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keys", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }]);
        self.command("POST", "/actions", &json!({ "actions": actions })).unwrap();
    }

    /// Puts a simulated authenticator into the browser, with somebody at it who always says yes.
    pub fn add_authenticator(&self) {
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "isUserConsenting": true,
        });
        self.command("POST", "/webauthn/authenticator", &authenticator).unwrap();
    }

    /// What does not let everybody use the page as it is now, by the rules of axe: only what is serious or worse.
    pub fn hindrances(&self) -> Vec<String> {
        // The policy of the page forbids a script of the page; one of the browser's driver is none.
        self.command("POST", "/execute/sync", &json!({ "script": AXE, "args": [] })).unwrap();
        let run = "const done = arguments[0];
            axe.run().then((found) => done(found.violations
                .filter((one) => one.impact === 'serious' || one.impact === 'critical')
                .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(' | ')}`)),
                (error) => done([String(error)]));";
        let found = self.command("POST", "/execute/async", &json!({ "script": run, "args": [] })).unwrap();
        serde_json::from_value(found).unwrap()
    }

    /// What the browser complained about: errors of scripts, and everything that the policy refused.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" })).unwrap();
        let severe = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the page.
    pub fn picture(&self, file: &Path) {
        let picture = self.command("GET", "/screenshot", &Value::Null).unwrap();
        std::fs::write(file, STANDARD.decode(picture.as_str().unwrap()).unwrap()).unwrap();
    }

    /// Keeps a picture where `POINTSMAN_PICTURES` says.
    pub fn keep(&self, name: &str) {
        if let Some(folder) = std::env::var_os("POINTSMAN_PICTURES") {
            self.picture(&Path::new(&folder).join(format!("{name}.png")));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.command("DELETE", "", &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
