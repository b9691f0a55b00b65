//! The report of states that were made by hand: the same text every time, and hostile text stays text.

use std::time::Duration;

use pointsman::model::RunId;
use pointsman::plan::History;
use pointsman::views::Invocation;
use pointsman::views::report::{Origin, Report, Sources, html, json, markdown};
use pointsman::views::status::Life;

use crate::views::Tale;

fn report(tale: &Tale) -> Report {
    let run = RunId::new("night-1");
    let history = History::default();
    let sources = Sources {
        run: &run,
        read: Ok((&tale.state, &tale.records)),
        origin: Origin::Folder,
        cut: None,
        life: Life::Left,
        now: tale.now.plus(Duration::from_secs(3_600)),
        history: &history,
        beside: None,
        verification: Err("nobody looked"),
    };
    Report::of(&sources, &Invocation::default())
}

#[test]
fn the_report_of_a_run_that_is_stuck_as_markdown() {
    let tale = Tale::stuck();
    insta::assert_snapshot!(markdown(&report(&tale)).replace(&tale.state.plan().digest().to_string(), "sha256:…"));
}

#[test]
fn the_report_of_a_run_that_is_stuck_for_programs() {
    let tale = Tale::stuck();
    let mut json = json(&report(&tale));
    assert_eq!(json["plan"], tale.state.plan().digest().to_string());
    json["plan"] = "sha256:…".into();
    insta::assert_json_snapshot!(json);
}

/// Every tag of the page, without what stands between.
fn tags(html: &str) -> Vec<&str> {
    let body = html.split_once("</style>").unwrap().1;
    body.split('<').skip(1).map(|piece| piece.split_once('>').unwrap_or_else(|| panic!("an open tag: {piece}")).0).collect()
}

fn assert_stands_alone(html: &str) {
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert!(!style.contains("url(") && !style.contains("@import"), "the style loads something: {style}");
    let tags = tags(html);
    assert!(tags.len() > 100, "nothing was rendered: {html}");
    const KNOWN: [&str; 27] = [
        "header", "nav", "main", "section", "p", "h1", "h2", "h3", "dl", "div", "dt", "dd", "span", "a", "table", "thead",
        "tbody", "tr", "th", "td", "code", "svg", "title", "rect", "line", "text", "path",
    ];
    for tag in tags {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        assert!(KNOWN.contains(&name) || ["head", "html", "body"].contains(&name), "<{tag}> is no tag of ours");
        assert!(!tag.contains("src=") && !tag.contains("http") && !tag.contains(" on"), "<{tag}> reaches for something");
        assert!(!tag.contains("href=") || tag.contains("href=\"#"), "<{tag}> leads elsewhere");
    }
}

#[test]
fn the_page_stands_alone() {
    assert_stands_alone(&html(&report(&Tale::stuck())));
    assert_stands_alone(&html(&report(&Tale::up_to_the_gate())));
}

#[test]
fn hostile_text_stays_text() {
    let text = crate::views::NIGHT
        .replace("title: Move the shop", "title: '<script>alert(1)</script><img src=x onerror=alert(2)>'")
        .replace("nothing: copies are harmless", "nothing: '\"><svg onload=alert(3)>'");
    let mut tale = Tale::of(&text);
    tale.begins("freeze");
    tale.fails(700, "freeze", "</td></table><iframe src=//evil> | `code` \u{202e}desrever\u{1b}[2J & 'quoted' \"twice\"");
    let report = report(&tale);
    let page = html(&report);
    assert_stands_alone(&page);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;"), "{page}");
    assert!(page.contains("&lt;/td&gt;&lt;/table&gt;&lt;iframe src=//evil&gt;"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'), "what turns or hides text is shown");
    let text = markdown(&report);
    assert!(!text.contains("<script") && !text.contains("<iframe"), "{text}");
    let row = text.lines().find(|line| line.contains("iframe") && line.starts_with("| freeze")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "the columns stay: {row}");
}
