//! The report as Markdown, for a ticket or a wiki: the same sections without the picture.

use super::cell::Table;
use super::{Report, for_markdown, sections, sign};

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let head = &report.head;
    let mut out = format!("# {} {}: {}\n\n", sign(head.tone), for_markdown(head.run.as_str()), head.word);
    out.push_str(&format!("{}\n\n", for_markdown(&head.headline)));
    for notice in &report.notices {
        out.push_str(&format!("> {} {}\n>\n", sign(notice.tone), for_markdown(&notice.text)));
    }
    if !report.notices.is_empty() {
        out.push('\n');
    }
    for (name, value) in &head.facts {
        out.push_str(&format!("- **{name}**: {}\n", for_markdown(value)));
    }
    for part in sections::sections(report) {
        out.push_str(&format!("\n## {}\n", part.title));
        for text in &part.says {
            out.push_str(&format!("\n{}\n", for_markdown(text)));
        }
        for found in &part.tables {
            table(found, &mut out);
        }
    }
    out
}

fn table(table: &Table, out: &mut String) {
    if !table.title.is_empty() {
        out.push_str(&format!("\n### {}\n", for_markdown(&table.title)));
    }
    out.push_str(&format!("\n| {} |\n|{}\n", table.head.join(" | "), " --- |".repeat(table.head.len())));
    for row in &table.rows {
        // Code is escaped text, too: inside of a table a bar in code would be taken for a column.
        let cells: Vec<String> = row.iter().map(|cell| for_markdown(&cell.text)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    if !table.left_out.is_empty() {
        out.push_str(&format!("\n{}\n", for_markdown(&table.left_out)));
    }
}
