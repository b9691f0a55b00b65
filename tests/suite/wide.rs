//! Words that are wider than their letters: ideographs, emoji, combining marks. Columns stay where they are, nothing is wider than
//! its screen, and nothing is lost.

use pointsman::model::StepId;
use pointsman::run::Event;
use pointsman::views::line::Columns;
use pointsman::views::live::{self, Mood};
use pointsman::views::screen::Role;
use pointsman::views::{Invocation, Line, Tone};
use proptest::prelude::*;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::screen::Desk;
use crate::views::{NIGHT, Tale, bob};

/// A night whose people write Chinese, up to its gate.
fn chinese() -> Tale {
    told(&in_chinese(), ["copy[用户]", "copy[订单明细]"], "两边的订单一致，切换到新的一侧吗？", "数目已核对 ✅")
}

fn in_chinese() -> String {
    NIGHT
        .replace("title: Move the shop", "title: 把小店迁到新的数据库")
        .replace("[users, orders]", "[用户, 订单明细]")
        .replace("prompt: Switch to the new side?", "prompt: 两边的订单一致，切换到新的一侧吗？")
}

fn told(text: &str, [first, second]: [&str; 2], prompt: &str, note: &str) -> Tale {
    let mut tale = Tale::of(text);
    tale.does(1_200, "freeze");
    tale.begins(first);
    tale.begins(second);
    tale.succeeds(2_000, first);
    let (step, outputs) = (StepId::new(second), json!({ "said": prompt }));
    tale.tell(1, Event::AttemptSucceeded { step, attempt: 1, outputs, evidence: json!(null) });
    tale.tell(1, Event::GroupEnded { step: StepId::new("copy"), failed: Vec::new() });
    let until = Some(tale.now.plus(std::time::Duration::from_secs(900)));
    let (step, prompt, evidence) = (StepId::new("go-live"), prompt.to_owned(), json!({ first: { "rows": 812 } }));
    tale.tell(1, Event::WaitStarted { step: step.clone(), prompt, until, evidence });
    tale.tell(60_000, Event::ApprovalGranted { step, by: bob(), note: note.to_owned() });
    tale
}

#[test]
fn a_night_in_chinese() {
    let mut desk = Desk::over(chinese(), Role::Driving);
    insta::assert_snapshot!("a_chinese_night_80x24", desk.shown(80, 24));
    insta::assert_snapshot!("a_chinese_night_120x30", desk.shown(120, 30));
    insta::assert_snapshot!("a_chinese_night_40x16", desk.shown(40, 16));
}

/// Words stand under each other by the columns of a terminal, on the full screen, in the small frame and in plain lines.
#[test]
fn columns_stay_under_each_other() {
    let mut tale = Tale::of(&in_chinese());
    tale.does(1_200, "freeze");
    tale.begins("copy[用户]");
    tale.begins("copy[订单明细]");
    let of_items = |lines: &[Line], word: &str| {
        let lines: Vec<String> = lines.iter().map(Line::text).filter(|line| line.contains("copy[")).collect();
        let found: Vec<usize> = lines.iter().filter_map(|line| line.find(word).map(|at| line[..at].width())).collect();
        assert!(found.len() >= 2 && found.windows(2).all(|pair| pair[0] == pair[1]), "{word} at {found:?} in {lines:#?}");
    };
    let columns = Columns::of(tale.state.plan());
    let plain: Vec<Line> = tale.records.iter().map(|record| columns.line(record)).collect();
    of_items(&plain, "started");
    of_items(&live::frame(&tale.state, tale.now, 30, Mood::Driving, &Invocation::default()), "running");
    let mut desk = Desk::over(tale, Role::Watching);
    desk.press("s");
    of_items(&desk.frame(80, 30).lines, "running");
}

#[test]
fn what_is_typed_scrolls_by_columns() {
    let mut desk = Desk::over(chinese(), Role::Driving);
    desk.press(":reject go-live ");
    for at in 0..60 {
        desk.press("数");
        let frame = desk.frame(40, 16);
        let (column, row) = frame.cursor.unwrap();
        let typed = frame.lines[row].text();
        assert!(column < 40, "the cursor is on the screen");
        assert_eq!(typed.width(), column, "behind what was typed, after {at}: {typed}");
    }
}

/// Characters of every width, and those that change the width of their neighbours.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{1,8}",
        4 => "[\u{4e00}-\u{4fff}\u{ff01}-\u{ff5e}\u{ac00}-\u{ac80}]{1,6}",
        2 => Just("\u{1f469}\u{200d}\u{1f4bb}".to_owned()),
        2 => Just("e\u{301}\u{302}".to_owned()),
        1 => Just("\u{200b}\u{fe0f}\u{202e}".to_owned()),
        1 => Just("\u{1f1e8}\u{1f1f3}".to_owned()),
        2 => "\\PC{1,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_wider_than_its_screen(prompt in any_text(), note in any_text(), typed in any_text(), columns in 20_usize..130, rows in 8_usize..40) {
        let tale = told(NIGHT, ["copy[users]", "copy[orders]"], &prompt, &note);
        let inline = live::frame(&tale.state, tale.now, rows, Mood::Driving, &Invocation::default());
        let mut lines: Vec<Line> = inline.iter().flat_map(|line| line.folded(columns)).collect();
        let plain = Columns::of(tale.state.plan());
        lines.extend(tale.records.iter().flat_map(|record| plain.line(record).folded(columns)));
        let mut desk = Desk::over(tale, Role::Driving);
        for page in ["", "l", "a", "k", "s"] {
            desk.press(page);
            lines.extend(desk.frame(columns, rows).lines);
            desk.press("\u{1b}");
        }
        desk.press(":");
        desk.press(&typed);
        let frame = desk.frame(columns, rows);
        // A screen without room for the line has no cursor either.
        prop_assert!(frame.cursor.is_none_or(|(column, _)| column < columns));
        lines.extend(frame.lines);
        for line in lines {
            prop_assert!(line.text().width() <= columns, "{columns}: {:?}", line.text());
        }
    }

    #[test]
    fn folding_loses_nothing(text in any_text(), more in any_text(), width in 12_usize..60) {
        let line = Line::plain(&text).and(Tone::Good, &more);
        let solid = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        let said = |pieces: &[Line]| pieces.iter().map(|piece| solid(&piece.spans().iter().map(|span| span.text.as_str()).collect::<String>())).collect::<String>();
        let whole = said(std::slice::from_ref(&line));
        prop_assert_eq!(said(&line.folded(width)), whole.clone());
        prop_assert_eq!(said(&line.wrapped(width)), whole);
        prop_assert!(line.cut(width).width() <= width);
    }
}
