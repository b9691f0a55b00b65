//! How smoothly a browser draws a run of 2 000 steps while it goes on, and how quickly a replay of it goes back.
//!
//! Debian's Chromium, without a window and without a graphics card, shares the two cores with the run and with the console.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use pointsman::connectors::Registry;
use pointsman::engine::{Executor, Home};
use pointsman::model::{Actor, RunId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::idle::Idle;
use super::{APPLY, STEPS, planned};

#[allow(dead_code, reason = "the tests of the pages need more of a browser than this")]
#[path = "../../tests/console/browser.rs"]
mod browser;

use browser::{Browser, Size};

/// A frame that came later than this after the one before it: at least one of sixty in a second was left out.
const LATE_MS: f64 = 1_000.0 / 60.0 * 1.5;

/// Begins to write down when frames are painted, and which tasks were long.
const METER: &str = "
    window.frames = [];
    window.tasks = [];
    const tick = (at) => { window.frames.push(at); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    new PerformanceObserver((list) => list.getEntries().forEach((one) => window.tasks.push(one.duration))).observe({ type: 'longtask' });";

/// Presses a key on a page of a replay, and says how many milliseconds later the record is shown.
const LEAP: &str = "
    const [key, wanted, done] = arguments;
    const main = document.querySelector('#main');
    const begin = performance.now();
    const look = () => main.dataset.seq === wanted ? requestAnimationFrame(() => done(performance.now() - begin)) : requestAnimationFrame(look);
    dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    look();";

/// Measures; ten chains of steps, so that each is a box of its own.
pub fn measure(folder: &Path) {
    let home = Home::new(folder.join("frames"));
    let run = RunId::new("frames");
    let mut text = String::new();
    for n in 0..STEPS {
        let needs = if n < 10 { String::new() } else { format!("needs: [s{}], ", n - 10) };
        text += &format!(
            "  s{n}: {{ {needs}action: command, with: {{ argv: [nothing] }}, in_doubt: ask, undo: {{ nothing: \"a bench\" }} }}\n"
        );
    }
    let text = format!("pointsman: 1\nrunbook: bench\ndefaults: {{ max_concurrent: 10 }}\nsteps:\n{text}");
    let executor =
        Executor::start(&home, planned(&text, pointsman::model::Object::default()), Some(run.clone()), Actor::local(0, "bench"))
            .unwrap();

    let mut serve = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    serve
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("POINTSMAN_HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut console = serve.spawn().unwrap();
    let mut link = String::new();
    BufReader::new(console.stdout.take().unwrap()).read_line(&mut link).unwrap();
    let address = link.split('#').next().unwrap().to_owned();
    let (ready, go) = mpsc::channel();
    let page = thread::spawn(move || {
        let browser = Browser::open(Size::Desk);
        browser.go(link.trim());
        browser.until_says("h1", "Runs");
        // A run that has not begun has nothing to be drawn from.
        ready.send(()).unwrap();
        browser.go(&format!("{address}#/runs/frames"));
        browser.until("every step", &format!("return document.querySelectorAll('.node').length >= {STEPS}"));
        browser.until("the stream is open", "return document.querySelector('#main').dataset.connected === 'true'");
        browser.script(METER);
        browser.until_says("#log", "run ended");
        let drawn = browser.script("return { frames: window.frames, tasks: window.tasks }");
        told(&drawn, heap(&browser));
        replayed(&browser, &address);
    });
    go.recv().unwrap();
    let mut registry = Registry::default();
    registry.add(Idle { apply: APPLY });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    runtime.block_on(executor.drive(registry, &mut (), CancellationToken::new())).unwrap();
    let records = pointsman::engine::load(&home, &run, None).unwrap().0.last_seq();
    println!("{STEPS} steps as boxes, {records} records, {:.0} a second", records as f64 / begin.elapsed().as_secs_f64());
    let page = page.join();
    console.kill().unwrap();
    console.wait().unwrap();
    page.unwrap();
}

/// The heap of the page's scripts in bytes, after what is not needed any more is gone.
fn heap(browser: &Browser) -> f64 {
    let ask = |command: &str| browser.command("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": {} })).unwrap();
    ask("Performance.enable");
    ask("HeapProfiler.collectGarbage");
    let metrics = ask("Performance.getMetrics");
    let found = metrics["metrics"].as_array().unwrap().iter().find(|one| one["name"] == "JSHeapUsedSize");
    found.unwrap()["value"].as_f64().unwrap()
}

fn told(drawn: &Value, heap: f64) {
    let numbers = |key: &str| drawn[key].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect::<Vec<_>>();
    let (frames, tasks) = (numbers("frames"), numbers("tasks"));
    let mut gaps: Vec<f64> = frames.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let seconds = (frames.last().unwrap() - frames[0]) / 1_000.0;
    let each_second = gaps.len() as f64 / seconds;
    let at = |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize];
    let late = gaps.iter().filter(|gap| **gap > LATE_MS).count();
    println!(
        "frames               {each_second:>8.1} a second, {:.2} of the 60 of a display, over {seconds:.0} s",
        each_second / 60.0
    );
    println!(
        "time of a frame      {:>8.1} ms median, {:.1} ms for 95 of 100, {:.1} ms at most; {late} of {} late",
        at(0.5),
        at(0.95),
        at(1.0),
        gaps.len()
    );
    println!("long tasks (> 50 ms) {:>8}, the longest {:.0} ms", tasks.len(), tasks.iter().copied().fold(0.0, f64::max));
    println!("heap of the page     {:>8.1} MB", heap / 1e6);
}

/// How long a replay takes from one end to the other and back.
fn replayed(browser: &Browser, address: &str) {
    browser.go("about:blank");
    browser.go(&format!("{address}#/runs/frames/replay"));
    let last = browser.until("the replay", "return document.querySelector('#replay-place')?.innerText.match(/of ([0-9]+)/)?.[1]");
    browser.until("the first record", "return document.querySelector('#main').dataset.seq === '1'");
    let leap = |key: &str, wanted: &str| {
        let script = json!({ "script": LEAP, "args": [key, wanted] });
        browser.command("POST", "/execute/async", &script).unwrap().as_f64().unwrap()
    };
    for turn in 1..=3 {
        let (end, begin) = (leap("End", last.as_str().unwrap()), leap("Home", "1"));
        println!("replay, leap {turn}       {end:>8.0} ms to the last record, {begin:.0} ms back to the first");
    }
}
