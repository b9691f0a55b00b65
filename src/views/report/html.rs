//! The report as one HTML file: no script, nothing from elsewhere, every foreign text escaped. It prints, and heeds light and dark.

use super::cell::{Cell, Look, Part, Picture, Table};
use super::{Report, for_html, gantt, sections, sign};
use crate::views::Tone;

const STYLE: &str = include_str!("style.css");

/// The whole file.
pub fn html(report: &Report) -> String {
    let head = &report.head;
    let parts = sections::sections(report);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        for_html(head.run.as_str()),
        for_html(head.word)
    );
    top(report, &mut out);
    out.push_str("<nav aria-label=\"Sections\">");
    for part in &parts {
        out.push_str(&format!("<a href=\"#{}\">{}</a> ", part.id, for_html(part.title)));
    }
    out.push_str("</nav>\n<main>\n");
    for part in &parts {
        section(report, part, &mut out);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn top(report: &Report, out: &mut String) {
    let head = &report.head;
    out.push_str(&format!(
        "<header>\n<p class=\"end {}\"><span class=\"sign\">{}</span> {}</p>\n<h1>{}</h1>\n<p class=\"headline\">{}</p>\n",
        class(head.tone),
        sign(head.tone),
        for_html(head.word),
        for_html(head.run.as_str()),
        for_html(&head.headline)
    ));
    for notice in &report.notices {
        let (class, sign) = (class(notice.tone), sign(notice.tone));
        out.push_str(&format!("<p class=\"notice {class}\"><span class=\"sign\">{sign}</span> {}</p>\n", for_html(&notice.text)));
    }
    out.push_str("<dl>\n");
    for (name, value) in &head.facts {
        out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", for_html(name), for_html(value)));
    }
    out.push_str("</dl>\n</header>\n");
}

fn section(report: &Report, part: &Part, out: &mut String) {
    out.push_str(&format!("<section id=\"{}\">\n<h2>{}</h2>\n", part.id, for_html(part.title)));
    for text in &part.says {
        out.push_str(&format!("<p>{}</p>\n", for_html(text)));
    }
    match (part.picture, &report.told) {
        (Picture::Timeline, Some(told)) => gantt::draw(told, out),
        (Picture::Timeline, None) | (Picture::None, _) => {}
    }
    for found in &part.tables {
        table(found, out);
    }
    out.push_str("</section>\n");
}

fn table(table: &Table, out: &mut String) {
    if !table.title.is_empty() {
        out.push_str(&format!("<h3>{}</h3>\n", for_html(&table.title)));
    }
    out.push_str("<div class=\"wide\" tabindex=\"0\"><table>\n");
    if table.head.iter().any(|name| !name.is_empty()) {
        out.push_str("<thead><tr>");
        for (at, name) in table.head.iter().enumerate() {
            let figure = table.rows.iter().any(|row| row.get(at).is_some_and(|cell| cell.look == Look::Figure));
            let class = if figure { " class=\"figure\"" } else { "" };
            out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", for_html(name)));
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        row.iter().for_each(|one| cell(one, out));
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if !table.left_out.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", for_html(&table.left_out)));
    }
}

fn cell(cell: &Cell, out: &mut String) {
    let text = for_html(&cell.text);
    out.push_str(&match cell.look {
        Look::Text => format!("<td>{text}</td>"),
        Look::Toned(tone) => format!("<td class=\"{}\">{text}</td>", class(tone)),
        Look::Figure => format!("<td class=\"figure\">{text}</td>"),
        Look::Code if text.is_empty() => "<td></td>".to_owned(),
        Look::Code => format!("<td><code>{text}</code></td>"),
    });
}

/// The class of a tone in the style sheet.
const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Strong => "strong",
        Tone::Faint => "faint",
        Tone::Good => "good",
        Tone::Active => "active",
        Tone::Wait => "wait",
        Tone::Bad => "bad",
        Tone::Glass => "glass",
    }
}
