//! YAML text → [`Node`]s. Everything in YAML that surprises people is refused here, each with its own code.
//!
//! The events of the parser are folded on an own stack, so that neither depth nor aliases can exhaust memory.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle as YamlStyle, Span as YamlSpan};

use super::scalar::{Plain, plain, written};
use super::{Entry, Node, NodeKind, Scalar, ScalarStyle, ScalarValue, Spanned, characters};
use crate::diagnostic::code::yaml;
use crate::diagnostic::{Diagnostic, Report, Source, SourceSpan};

/// Bytes of a file, at most.
pub const LARGEST_FILE: usize = 16 << 20;
/// Levels of nesting, at most.
pub const DEEPEST: usize = 64;
/// Values that aliases repeat, in all; a long text weighs as one value for every 64 bytes.
pub const MOST_REPEATED: usize = 10_000;
/// Values that stand below an anchor, in all, counted once for every anchor above them.
const MOST_ANCHORED: usize = 10 * MOST_REPEATED;

/// The document of `source`, or nothing when the text cannot be read at all. Problems go to `report`; a document may come
/// with problems, so that its shape can be checked too.
pub fn read(source: &Source, report: &mut Report) -> Option<Node> {
    if source.text.len() > LARGEST_FILE {
        let message = format!("the file has {} bytes, and {LARGEST_FILE} is the most", source.text.len());
        report.push(Diagnostic::error(yaml::SIZE_BUDGET, SourceSpan::default(), message).help("split the runbook"));
        return None;
    }
    if !characters::are_visible(source, report) || !characters::has_no_directives(source, report) {
        return None;
    }
    let mut reader = Reader { source, places: Places::of(&source.text), report, stack: Vec::new(), root: None };
    let mut scalars = Vec::new();
    let mut anchors = Anchors::default();
    if !reader.drive(&mut scalars, &mut anchors) {
        return None;
    }
    let root = reader.root.take();
    scalars.sort_unstable();
    characters::report_tabs(source, &scalars, report);
    characters::report_anchors(source, &scalars, report);
    if root.is_none() {
        report.push(
            Diagnostic::error(yaml::EMPTY, SourceSpan::default(), "the file holds no document")
                .help("a runbook begins with `pointsman: 1`"),
        );
    }
    root
}

/// From the parser's places, which count characters, to bytes.
struct Places {
    /// The byte of each character, when the text is not plain ASCII.
    bytes: Option<Vec<usize>>,
    length: usize,
}

impl Places {
    fn of(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { bytes, length: text.len() }
    }

    fn byte(&self, marker: &Marker) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(marker.index()).copied().unwrap_or(self.length),
            None => marker.index().min(self.length),
        }
    }

    fn span(&self, span: &YamlSpan) -> SourceSpan {
        SourceSpan::new(self.byte(&span.start), self.byte(&span.end))
    }
}

/// A list or a map that is not finished.
struct Open {
    start: usize,
    anchor: usize,
    /// The levels and the weight of the values inside, itself included.
    height: usize,
    count: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, SourceSpan>, key: Option<Key> },
}

/// A key that waits for its value.
enum Key {
    Good(Spanned<String>),
    /// Already reported; its value is read and dropped.
    Bad,
}

/// A finished value with its measure.
struct Done {
    node: Node,
    height: usize,
    count: usize,
}

#[derive(Default)]
struct Anchors {
    finished: HashMap<usize, (Node, usize, usize)>,
    repeated: usize,
    kept: usize,
    heavy: HashSet<usize>,
}

struct Reader<'a> {
    source: &'a Source,
    places: Places,
    report: &'a mut Report,
    stack: Vec<Open>,
    root: Option<Node>,
}

impl Reader<'_> {
    /// Folds all events; whether the text could be read to its end.
    fn drive(&mut self, scalars: &mut Vec<SourceSpan>, anchors: &mut Anchors) -> bool {
        let text = self.source.text.clone();
        let mut parser = Parser::new_from_str(&text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, yaml_span) = match event {
                Ok(event) => event,
                Err(error) => return self.syntax(self.places.byte(error.marker()), error.info()),
            };
            let span = self.places.span(&yaml_span);
            let done = match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
                Event::StreamEnd => return true,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let error = Diagnostic::error(yaml::DOCUMENTS, span, "a second document begins here");
                        self.report.push(error.help("one file holds one runbook: move the rest to a file of its own"));
                        return false;
                    }
                    continue;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.tag(span, tag.is_some());
                    if !self.open(span, anchor, Content::List(Vec::new())) {
                        return false;
                    }
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    self.tag(span, tag.is_some());
                    let content = Content::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    if !self.open(span, anchor, content) {
                        return false;
                    }
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match self.close(span, anchors) {
                    Some(done) => done,
                    None => continue,
                },
                Event::Scalar(raw, style, anchor, tag) => {
                    self.tag(span, tag.is_some());
                    let done = self.scalar(raw.into_owned(), style, span);
                    scalars.push(done.node.span);
                    keep(anchors, anchor, &done);
                    done
                }
                Event::Alias(anchor) => match self.alias(anchor, span, anchors) {
                    Some(done) => done,
                    None => return false,
                },
            };
            self.place(done);
        }
        true
    }

    fn syntax(&mut self, at: usize, info: &str) -> bool {
        let error = characters::tab_near(self.source, at).unwrap_or_else(|| {
            // At the end of the file the last line that says something is the place to look at.
            let text = &self.source.text;
            let at = if text.get(at..).is_none_or(|rest| rest.trim().is_empty()) { text.trim_end().len() } else { at };
            let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            let span = SourceSpan::new(at, at + length);
            if info.contains("unknown anchor") {
                let help = "write `&name` at the value that is to be repeated, before `*name`";
                return Diagnostic::error(yaml::UNKNOWN_ALIAS, span, "an alias without its anchor").help(help);
            }
            let error = Diagnostic::error(yaml::SYNTAX, span, format!("the text is not YAML: {info}"));
            error.help(syntax_help(info))
        });
        self.report.push(error);
        false
    }

    fn tag(&mut self, span: SourceSpan, is_there: bool) {
        if is_there {
            let error = Diagnostic::error(yaml::TAG, span, "a YAML tag before this value");
            self.report.push(error.help("remove the tag; quote the value if it is to be text"));
        }
    }

    fn open(&mut self, span: SourceSpan, anchor: usize, content: Content) -> bool {
        if self.stack.len() >= DEEPEST {
            return self.too_deep(span);
        }
        self.stack.push(Open { start: span.start, anchor, height: 1, count: 1, content });
        true
    }

    fn too_deep(&mut self, span: SourceSpan) -> bool {
        let message = format!("values are nested deeper than {DEEPEST} levels");
        self.report.push(Diagnostic::error(yaml::DEPTH_BUDGET, span, message).help("a runbook needs no more than a handful"));
        false
    }

    /// The list or map that ends at `span`; nothing when the stack is empty, which the parser never lets happen.
    fn close(&mut self, span: SourceSpan, anchors: &mut Anchors) -> Option<Done> {
        let open = self.stack.pop()?;
        let (kind, inner_end) = match open.content {
            Content::List(items) => {
                let end = items.last().map(|item| item.span.end);
                (NodeKind::List(items), end)
            }
            Content::Map { entries, .. } => {
                let end = entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end));
                (NodeKind::Map(entries), end)
            }
        };
        // A block collection ends where the next token begins; its last value says where it really ends.
        let is_flow = self.source.text.get(span.start..span.end).is_some_and(|end| end.starts_with([']', '}']));
        let end = if is_flow { span.start + 1 } else { inner_end.unwrap_or(open.start) };
        let node = Node { span: SourceSpan::new(open.start, end), kind };
        let done = Done { node, height: open.height, count: open.count };
        keep(anchors, open.anchor, &done);
        Some(done)
    }

    fn scalar(&mut self, raw: String, style: YamlStyle, span: SourceSpan) -> Done {
        let (style, value) = match style {
            YamlStyle::Plain => (ScalarStyle::Plain, self.plain_value(&raw, span)),
            YamlStyle::SingleQuoted | YamlStyle::DoubleQuoted => (ScalarStyle::Quoted, ScalarValue::Text),
            YamlStyle::Literal | YamlStyle::Folded => (ScalarStyle::Block, ScalarValue::Text),
        };
        let shown = written(self.source.text.get(span.start..span.end).unwrap_or(""), style);
        let span = SourceSpan::new(span.start, span.start + shown.len());
        let count = 1 + raw.len() / 64;
        Done { node: Node { span, kind: NodeKind::Scalar(Scalar { raw, style, value }) }, height: 1, count }
    }

    fn plain_value(&mut self, raw: &str, span: SourceSpan) -> ScalarValue {
        let error = match plain(raw) {
            Plain::Value(value) => return value,
            Plain::OldBoolean(yes) => {
                let message = format!("`{raw}` is a boolean to some YAML readers and text to others");
                Diagnostic::error(yaml::OLD_BOOLEAN, span, message)
                    .help(format!("write `{yes}` for the boolean, or `\"{raw}\"` for the text"))
            }
            Plain::OldNumber(why) => Diagnostic::error(yaml::OLD_NUMBER, span, format!("`{raw}` is {why}"))
                .help(format!("write `\"{raw}\"` for the text, or the number in plain decimal digits")),
            Plain::Inexact(why) => {
                Diagnostic::error(yaml::INEXACT_NUMBER, span, format!("`{raw}` cannot be kept exactly: {why}"))
                    .help(format!("write `\"{raw}\"` to keep it as text"))
            }
            Plain::Question => Diagnostic::error(yaml::QUESTION, span, "some readers take what follows this `?` for a key")
                .help("put the text in quotes"),
        };
        self.report.push(error);
        ScalarValue::Text
    }

    fn alias(&mut self, anchor: usize, span: SourceSpan, anchors: &mut Anchors) -> Option<Done> {
        if anchors.heavy.contains(&anchor) {
            return self.repeats_too_much(span);
        }
        let Some((node, height, count)) = anchors.finished.get(&anchor) else {
            let error = Diagnostic::error(yaml::RECURSIVE_ALIAS, span, "an alias inside the value that it repeats");
            self.report.push(error.help("write the value out: it would contain itself for ever"));
            return None;
        };
        anchors.repeated += count;
        if anchors.repeated > MOST_REPEATED {
            return self.repeats_too_much(span);
        }
        if self.stack.len() + height > DEEPEST {
            self.too_deep(span);
            return None;
        }
        Some(Done { node: Node { span, kind: node.kind.clone() }, height: *height, count: *count })
    }

    fn repeats_too_much(&mut self, span: SourceSpan) -> Option<Done> {
        let message = format!("aliases repeat more than {MOST_REPEATED} values");
        self.report.push(Diagnostic::error(yaml::ALIAS_BUDGET, span, message).help("write values out, or use `params`"));
        None
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, done: Done) {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(done.node);
            return;
        };
        open.height = open.height.max(done.height + 1);
        open.count += done.count;
        let mut node = done.node;
        let (entries, seen, key) = match &mut open.content {
            Content::List(items) => return items.push(node),
            Content::Map { entries, seen, key } => (entries, seen, key),
        };
        match key.take() {
            None => *key = Some(read_key(node, self.report)),
            Some(Key::Bad) => {}
            Some(Key::Good(name)) => {
                if node.span.start == node.span.end && node.is_null() {
                    // Nothing is there to underline but the key.
                    node.span = name.span;
                }
                if let Some(first) = seen.get(&name.value) {
                    let error =
                        Diagnostic::error(yaml::DUPLICATE_KEY, name.span, format!("`{}` stands twice in this map", name.value));
                    self.report.push(error.also(*first, "it stands here already").help("keep one of the two"));
                } else {
                    seen.insert(name.value.clone(), name.span);
                    entries.push(Entry { key: name, value: node });
                }
            }
        }
    }
}

/// What to do about a complaint of the parser.
fn syntax_help(info: &str) -> &'static str {
    let hints = [
        ("mapping values are not allowed", "put a text that contains `: ` in quotes; otherwise check the indentation"),
        ("quoted scalar", "close the quote, and indent what goes on in the next line"),
        ("flow", "close the bracket, and put a comma between the entries"),
        ("block", "indent keys of one map by the same number of spaces"),
    ];
    let hint = hints.iter().find(|(part, _)| info.contains(part)).map(|(_, help)| *help);
    hint.unwrap_or("check the indentation, the quotes and the brackets here and in the line before")
}

/// Keeps an anchored value for its aliases. One that is too heavy is not kept, and its first alias breaks the budget.
fn keep(anchors: &mut Anchors, anchor: usize, done: &Done) {
    if anchor == 0 {
        return;
    }
    anchors.kept = anchors.kept.saturating_add(done.count);
    if done.count > MOST_REPEATED || anchors.kept > MOST_ANCHORED {
        anchors.heavy.insert(anchor);
    } else {
        anchors.finished.insert(anchor, (done.node.clone(), done.height, done.count));
    }
}

fn read_key(node: Node, report: &mut Report) -> Key {
    let span = node.span;
    let explain = match node.kind {
        NodeKind::Scalar(scalar) if scalar.value == ScalarValue::Text => {
            if scalar.style != ScalarStyle::Plain || scalar.raw != "<<" {
                return Key::Good(Spanned::new(scalar.raw, span));
            }
            let error = Diagnostic::error(yaml::MERGE_KEY, span, "a merge key, which YAML 1.2 no longer has");
            report.push(error.help("write the keys out, or use `defaults`"));
            return Key::Bad;
        }
        NodeKind::Scalar(scalar) if scalar.raw.is_empty() => "a map entry has no key".to_owned(),
        NodeKind::Scalar(scalar) => format!("the key `{}` is not text", scalar.raw),
        NodeKind::List(_) => "a list cannot be a key".to_owned(),
        NodeKind::Map(_) => "a map cannot be a key".to_owned(),
    };
    report.push(
        Diagnostic::error(yaml::KEY_KIND, span, explain).help("write the key as text, in quotes where it looks like a value"),
    );
    Key::Bad
}
