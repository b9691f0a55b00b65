//! The files of the web console: words in every language, nothing from elsewhere, and nothing that a strict policy refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pointsman::run::StepStatus;
use pointsman::views::status::status_word;

type Words = BTreeMap<String, String>;

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets")
}

fn words(language: &str) -> Words {
    let text = fs::read_to_string(assets().join(format!("words/{language}.json"))).unwrap();
    let words: Words = serde_json::from_str(&text).unwrap();
    assert_eq!(words.len(), text.lines().filter(|line| line.contains("\": \"")).count(), "{language}: a key stands twice");
    words
}

/// The scripts by name.
fn scripts() -> Vec<(String, String)> {
    let files = fs::read_dir(assets()).unwrap().map(|entry| entry.unwrap().path());
    let scripts = files.filter(|path| path.extension().is_some_and(|ending| ending == "js"));
    scripts.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())).collect()
}

/// What stands between `open` and the next `close`.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).map(move |rest| rest.split(close).next().unwrap())
}

fn places(words: &str) -> BTreeSet<&str> {
    between(words, "{", '}').collect()
}

#[test]
fn both_languages_say_the_same_things() {
    let (english, chinese) = (words("en"), words("zh"));
    assert_eq!(english.keys().collect::<Vec<_>>(), chinese.keys().collect::<Vec<_>>());
    for (key, text) in &english {
        assert_eq!(places(text), places(&chinese[key]), "{key}: other places");
    }
    assert!(chinese.values().filter(|text| text.is_ascii()).count() < 3, "what is still in English: {chinese:?}");
}

#[test]
fn statuses_are_called_as_on_the_command_line() {
    let english = words("en");
    for status in StepStatus::ALL {
        assert_eq!(english[&format!("status.{}", status_word(status))], status.word());
    }
}

#[test]
fn every_word_that_a_page_asks_for_is_there() {
    let english = words("en");
    let mut asked = 0;
    for (name, text) in scripts() {
        for key in between(&text, "t(\"", '"').filter(|key| !key.contains([' ', '/', '<'])) {
            // `t(` is the end of other names too: of createElement("div") for one.
            let is_call = text.match_indices(&format!("t(\"{key}\"")).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric));
            if is_call {
                asked += 1;
                assert!(english.contains_key(key), "{name} asks for `{key}`");
            }
        }
    }
    assert!(asked > 60, "the test found only {asked}");
}

#[test]
fn nothing_becomes_markup_and_nothing_comes_from_elsewhere() {
    let page = fs::read_to_string(assets().join("index.html")).unwrap();
    let style = fs::read_to_string(assets().join("console.css")).unwrap();
    let files = scripts().into_iter().chain([("index.html".to_owned(), page), ("console.css".to_owned(), style)]);
    for (name, text) in files {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            " style=",
            "@import",
            "url(",
        ] {
            assert!(!text.contains(word), "{name} has `{word}`");
        }
        let foreign: Vec<&str> =
            text.match_indices("://").map(|(at, _)| &text[at.saturating_sub(5)..(at + 30).min(text.len())]).collect();
        assert!(foreign.iter().all(|link| link.contains("www.w3.org")), "{name} leads elsewhere: {foreign:?}");
        for inline in between(&text, "<script", '>').chain(between(&text, "<style", '>')) {
            assert!(inline.contains("src="), "{name} has a script of its own");
        }
    }
}

/// A module that is misspelt would leave the page empty.
#[test]
fn every_module_that_is_imported_is_there() {
    let mut imports = 0;
    for (name, text) in scripts() {
        for module in between(&text, "from \"./", '"') {
            imports += 1;
            assert!(assets().join(module).is_file(), "{name} imports {module}");
        }
    }
    assert!(imports > 30, "the test found only {imports} imports");
}
