//! Handlebars, strict and in one pass: a template, the names it uses, and its rendering.
//!
//! A template that is exactly one `{{ name }}` yields that name's value with its type; any other yields text. There are no
//! partials, decorators, triple braces or helpers, so a template cannot loop, call or escape anything. Values are looked up
//! here and handed to Handlebars under made-up names: what a value contains is never read as a template.

use std::sync::OnceLock;

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{Handlebars, no_escape};
use serde::{Deserialize, Serialize};

use super::expression::Name;
use super::scanner::{Fault, Piece, scan};
use crate::model::{Object, StepId, Value};

/// A template whose syntax and names were checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    text: String,
    /// The steps whose outputs it reads.
    steps: Vec<StepId>,
    /// Whether text is wanted: a number then becomes the text of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    as_text: bool,
}

/// Why a template cannot be rendered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the template `{template}` cannot be rendered: {problem}")]
pub struct TemplateError {
    /// The template's text.
    pub template: String,
    /// What is missing or wrong.
    pub problem: String,
}

impl Template {
    /// Whether `text` asks for anything at all.
    pub fn is_in(text: &str) -> bool {
        text.contains("{{")
    }

    /// Reads a template.
    ///
    /// # Errors
    /// The first fault with its place, in bytes of `text`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let pieces = scan(text)?;
        assert_plain(&normalised(&pieces));
        let mut steps = Vec::new();
        for name in names_of(&pieces) {
            if let Some(step) = name.step().filter(|step| !steps.contains(step)) {
                steps.push(step);
            }
        }
        Ok(Self { text: text.to_owned(), steps, as_text: false })
    }

    /// The same template where text is wanted: a single name with a number, a boolean, a list or a map yields its text.
    #[must_use]
    pub fn into_text(self) -> Self {
        Self { as_text: true, ..self }
    }

    /// Whether it is a single `{{ name }}`, which keeps the type of its value.
    pub fn is_whole(&self) -> bool {
        matches!(scan(&self.text).as_deref(), Ok([Piece::Value(_)]))
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The steps whose outputs it reads.
    pub fn steps(&self) -> &[StepId] {
        &self.steps
    }

    /// Every name that it uses, with its place in the text.
    pub fn names(&self) -> Vec<Name> {
        scan(&self.text).map(|pieces| names_of(&pieces)).unwrap_or_default()
    }

    /// The value of this template in `scope`.
    ///
    /// # Errors
    /// When it names something that `scope` does not have, or something that is null.
    pub fn render(&self, scope: &Value) -> Result<Value, TemplateError> {
        self.rendered(scope).map_err(|problem| TemplateError { template: self.text.clone(), problem })
    }

    fn rendered(&self, scope: &Value) -> Result<Value, String> {
        let pieces = scan(&self.text).map_err(|fault| fault.problem)?;
        if let [Piece::Value(expression)] = pieces.as_slice() {
            return Ok(match expression.evaluate(scope)? {
                value if !self.as_text => value,
                Value::String(text) => Value::String(text),
                other => Value::String(other.to_string()),
            });
        }
        let values = values_of(&pieces, scope)?;
        engine()
            .render_template(&normalised(&pieces), &Value::Object(values))
            .map(Value::String)
            .map_err(|error| error.to_string())
    }
}

/// The value of each piece under its made-up name. Branches that are not taken are not looked up.
fn values_of(pieces: &[Piece], scope: &Value) -> Result<Object, String> {
    let mut values = Object::new();
    // For each open block: whether its condition held, and whether the place is reached now.
    let mut open: Vec<(bool, bool)> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let reached = open.last().is_none_or(|(_, reached)| *reached);
        match piece {
            Piece::Text(_) => {}
            Piece::Value(expression) if reached => {
                let text = match expression.evaluate(scope)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                values.insert(format!("v{number}"), Value::String(text));
            }
            Piece::If(expression) if reached => {
                let value = expression.evaluate(scope)?;
                let held = value.as_bool().ok_or_else(|| format!("`{{{{#if}}}}` needs true or false and found {value}"))?;
                values.insert(format!("v{number}"), Value::Bool(held));
                open.push((held, held));
            }
            Piece::Value(_) => {}
            Piece::If(_) => {
                values.insert(format!("v{number}"), Value::Bool(false));
                open.push((true, false));
            }
            Piece::Else => {
                let outer = open.len() < 2 || open[open.len() - 2].1;
                if let Some((held, reached)) = open.last_mut() {
                    *reached = outer && !*held;
                }
            }
            Piece::EndIf => {
                open.pop();
            }
        }
    }
    Ok(values)
}

/// The same template with a made-up name for each value.
fn normalised(pieces: &[Piece]) -> String {
    let mut source = String::new();
    for (number, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => source.push_str(text),
            Piece::Value(_) => source.push_str(&format!("{{{{v{number}}}}}")),
            Piece::If(_) => source.push_str(&format!("{{{{#if v{number}}}}}")),
            Piece::Else => source.push_str("{{else}}"),
            Piece::EndIf => source.push_str("{{/if}}"),
        }
    }
    source
}

fn names_of(pieces: &[Piece]) -> Vec<Name> {
    let mut names = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Value(expression) | Piece::If(expression) => expression.each_name(&mut |name| names.push(name.clone())),
            Piece::Text(_) | Piece::Else | Piece::EndIf => {}
        }
    }
    names
}

fn engine() -> &'static Handlebars<'static> {
    static ENGINE: OnceLock<Handlebars<'static>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(no_escape);
        engine
    })
}

/// The second lock on the door: what Handlebars itself reads holds nothing but text, made-up names and `if`.
fn assert_plain(source: &str) {
    let compiled = handlebars::Template::compile(source);
    let compiled = compiled.unwrap_or_else(|error| panic!("invariant: Handlebars reads what the scanner let through: {error}"));
    let mut rest: Vec<&handlebars::Template> = vec![&compiled];
    while let Some(template) = rest.pop() {
        for element in &template.elements {
            let plain = match element {
                TemplateElement::RawString(_) => true,
                TemplateElement::Expression(call) => call.params.is_empty() && call.hash.is_empty() && is_made_up(&call.name),
                TemplateElement::HelperBlock(block) => {
                    rest.extend(block.template.iter());
                    rest.extend(block.inverse.iter());
                    block.name.as_name() == Some("if") && block.params.len() == 1 && is_made_up(&block.params[0])
                }
                TemplateElement::HtmlExpression(_)
                | TemplateElement::DecoratorExpression(_)
                | TemplateElement::DecoratorBlock(_)
                | TemplateElement::PartialExpression(_)
                | TemplateElement::PartialBlock(_)
                | TemplateElement::Comment(_)
                // The enum of the library may grow; what is new there is not let in.
                | _ => false,
            };
            assert!(plain, "invariant: the scanner lets only names and `if` through, found {element:?}");
        }
    }
}

fn is_made_up(name: &Parameter) -> bool {
    name.as_name().is_some_and(|name| name.strip_prefix('v').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::scanner::FaultKind;
    use super::*;

    fn scope() -> Value {
        json!({
            "params": { "batch": "full", "n": 3, "yes": true, "no": false, "nothing": null, "evil": "{{ params.batch }}",
                        "list": ["a", { "b": 1 }], "quote": "<a href=\"x\">&" },
            "steps": { "freeze-old": { "outputs": { "fence": 42 } }, "copy[orders]": { "outputs": { "rows": 7 } } },
            "item": "orders",
        })
    }

    fn render(text: &str) -> Result<Value, String> {
        Template::parse(text).map_err(|fault| fault.problem)?.render(&scope()).map_err(|error| error.problem)
    }

    #[test]
    fn a_single_name_keeps_its_type() {
        assert_eq!(render("{{ params.n }}"), Ok(json!(3)));
        assert_eq!(render("{{params.list}}"), Ok(json!(["a", { "b": 1 }])));
        assert_eq!(render("{{ params.list.1.b }}"), Ok(json!(1)));
        assert_eq!(render("{{ steps.freeze-old.outputs.fence }}"), Ok(json!(42)));
        assert_eq!(render("{{ steps.copy[orders].outputs.rows }}"), Ok(json!(7)));
        assert_eq!(render("n={{ params.n }}"), Ok(json!("n=3")));
        assert_eq!(render("{{ params.n }} "), Ok(json!("3 ")));
        let text = Template::parse("{{ params.n }}").expect("a template").into_text();
        assert_eq!(text.render(&scope()), Ok(json!("3")));
    }

    #[test]
    fn text_around_names_is_kept_to_the_space() {
        assert_eq!(render(" {{item}}  {{item}}\n\t{{item}} }"), Ok(json!(" orders  orders\n\torders }")));
        assert_eq!(render("{ \"n\": {{ params.n }}}"), Ok(json!("{ \"n\": 3}")));
        assert_eq!(render("{{params.quote}} {{params.list}}"), Ok(json!("<a href=\"x\">& [\"a\",{\"b\":1}]")));
    }

    #[test]
    fn values_are_never_templates() {
        assert_eq!(render("{{ params.evil }}"), Ok(json!("{{ params.batch }}")));
        assert_eq!(render("x {{ params.evil }}"), Ok(json!("x {{ params.batch }}")));
    }

    #[test]
    fn what_is_missing_or_null_is_an_error() {
        for (text, part) in [
            ("{{ params.bach }}", "`params` has no `bach`"),
            ("a {{ steps.x.outputs.y }}", "`steps` has no `x`"),
            ("{{ nothing }}", "`nothing` is not known here"),
            ("{{ params.nothing }}", "`params.nothing` is null"),
            ("a{{ params.nothing }}", "`params.nothing` is null"),
            ("{{#if params.bach}}a{{/if}}", "`params` has no `bach`"),
            ("{{#if params.n}}a{{/if}}", "needs true or false"),
            ("{{ lt params.batch 3 }}", "\"full\" is no number"),
        ] {
            let problem = render(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn blocks_and_comparisons() {
        assert_eq!(render("{{ eq params.batch \"full\" }}"), Ok(json!(true)));
        assert_eq!(render("{{ and params.yes (not params.no) }}"), Ok(json!(true)));
        assert_eq!(render("{{ gte params.n 3.0 }}"), Ok(json!(true)));
        assert_eq!(render("{{#if params.yes}}a{{else}}{{params.gone}}{{/if}}"), Ok(json!("a")));
        assert_eq!(render("{{#if params.no}}{{#if params.gone}}x{{/if}}{{else}}b{{/if}}"), Ok(json!("b")));
    }

    #[test]
    fn attacks_are_refused_with_their_place() {
        use FaultKind::{Forbidden, Syntax, TooLarge};
        let deep = "{{#if params.yes}}".repeat(20_000) + &"{{/if}}".repeat(20_000);
        let parentheses = format!("{{{{ not {} }}}}", "(not ".repeat(20_000));
        for (text, kind, start) in [
            ("a {{{ params.n }}}", Forbidden, 2),
            ("{{& params.n }}", Forbidden, 0),
            ("{{> page }}", Forbidden, 0),
            ("{{#> page }}{{/page}}", Forbidden, 0),
            ("{{#*inline \"a\"}}{{> a}}{{/inline}}", Forbidden, 0),
            ("{{* deco }}", Forbidden, 0),
            ("{{{{raw}}}}x{{{{/raw}}}}", Forbidden, 0),
            ("{{! comment }}", Forbidden, 0),
            ("{{#each params.list}}x{{/each}}", Forbidden, 0),
            ("{{#with params}}x{{/with}}", Forbidden, 0),
            ("{{ lookup params \"n\" }}", Forbidden, 3),
            ("{{ log params.n }}", Forbidden, 3),
            ("\\{{ params.n }}", Forbidden, 0),
            ("{{~ params.n ~}}", Forbidden, 0),
            ("{{ params.n", Syntax, 0),
            ("{{ }}", Syntax, 3),
            ("{{ ../params.n }}", Syntax, 3),
            ("{{ @root.params }}", Syntax, 3),
            ("{{ params.[n] }}", Syntax, 3),
            ("{{ params.n[0] }}", Syntax, 3),
            ("{{ this }} {{/if}}", Syntax, 11),
            ("{{#if params.yes}}", Syntax, 0),
            ("{{ eq params.n }}", Syntax, 3),
            (deep.as_str(), TooLarge, 0),
            (parentheses.as_str(), TooLarge, 3 + 4 + 8 * 5),
        ] {
            let fault = Template::parse(text).expect_err(&text[..text.len().min(40)]);
            let shown = &text[..text.len().min(40)];
            assert_eq!(fault.kind, kind, "{shown}: {fault}");
            if text.len() < 1_000 || kind == TooLarge && text.len() < 200_000 {
                assert_eq!(fault.start, start, "{shown}: {fault}");
            }
            assert!(fault.end > fault.start && fault.end <= text.len(), "{shown}: {fault:?}");
        }
    }

    #[test]
    fn names_and_steps_have_places() {
        let text = "é {{ steps.a.outputs.x }} {{#if params.yes}}{{ steps.a.outputs.y }}{{/if}}";
        let template = Template::parse(text).expect("a template");
        assert_eq!(template.steps(), [StepId::new("a")]);
        let places: Vec<&str> = template.names().iter().map(|name| &text[name.start..name.end]).collect();
        assert_eq!(places, ["steps.a.outputs.x", "params.yes", "steps.a.outputs.y"]);
    }

    proptest! {
        /// Whatever the scanner lets through is plain for Handlebars too (`assert_plain` panics otherwise), and renders the
        /// text around the values unchanged.
        #[test]
        fn the_scanner_and_handlebars_agree(text in "([a-z {}\\\\#/!&>*~^\"'\\[\\].é\n-]|\\{\\{ ?|\\}\\}|item|else|#if |/if|params.yes){0,14}") {
            if let Ok(template) = Template::parse(&text) {
                let _ = template.render(&scope());
                if !Template::is_in(&text) {
                    prop_assert_eq!(template.render(&scope()), Ok(Value::String(text)));
                }
            }
        }
    }
}
