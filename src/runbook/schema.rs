//! The JSON Schemas of a runbook, of a roster and of a profile, for editors: made from the tables that lowering reads and from the
//! catalog, so that a key cannot be in one and not in the other.
//!
//! The schema checks shape. What depends on the rest of the document (names, templates, the graph) only `check` knows, and
//! a value that a template can yield is accepted wherever the catalog lets the run fill it in.

use serde_json::{Map, Value, json};

use super::language;
use super::shape::{Form, Key, Required, Table};
use crate::catalog::{self, ActionSpec, ParamSpec, ParamType, Presence};
use crate::model::Object;
use crate::model::condition::WORDS;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";
const DURATION: &str = "^\\s*(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?\\s*$";
const LOCAL_TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?$";
const TEMPLATE: &str = "\\{\\{";
const SPEAKS: &str = "\\S";

/// The JSON Schema of a runbook.
pub fn runbook_schema() -> Value {
    let mut definitions = Object::new();
    for (name, table) in [
        ("step", &language::STEP),
        ("final_step", &language::FINAL_STEP),
        ("rollback_step", &language::ROLLBACK_STEP),
        ("call", &language::UNDO_CALL),
    ] {
        let mut step = block(table);
        insert(&mut step, "allOf", json!([reference("action")]));
        definitions.insert(name.to_owned(), step);
    }
    refine_steps(&mut definitions);
    let mut action = json!({ "allOf": catalog::actions().map(with_of).collect::<Vec<_>>() });
    insert(&mut action, "properties/action/enum", catalog::actions().map(|action| action.name).collect());
    definitions.insert("action".to_owned(), action);
    definitions.insert("target".to_owned(), target());
    definitions.insert("parameter".to_owned(), block(&language::PARAM));
    definitions.insert("parameter_items".to_owned(), block(&language::PARAM_ITEM));
    definitions.insert("condition".to_owned(), condition(&json!({ "type": "number" }), &json!({ "type": "array" })));
    let late = |schema: Value| json!({ "anyOf": [schema, reference("template")] });
    let late_condition = condition(&late(json!({ "type": "number" })), &late(json!({ "type": "array" })));
    definitions.insert("late_condition".to_owned(), late_condition);
    definitions.insert("secret".to_owned(), secret());
    definitions.insert("template".to_owned(), json!({ "type": "string", "pattern": TEMPLATE }));
    document("A Pointsman runbook", "runbook.schema.json", block(&language::RUNBOOK), definitions)
}

/// The JSON Schema of a roster file.
pub fn roster_schema() -> Value {
    let mut definitions = Object::new();
    definitions.insert("person".to_owned(), block(&language::PERSON));
    document("The people of a Pointsman runbook", "people.schema.json", block(&language::ROSTER), definitions)
}

/// The JSON Schema of a profile.
pub fn profile_schema() -> Value {
    let mut definitions = Object::new();
    definitions.insert("target".to_owned(), target());
    definitions.insert("secret".to_owned(), secret());
    document("Other targets for a Pointsman runbook", "profile.schema.json", block(&language::PROFILE), definitions)
}

/// The text of a schema as it is stored in `schemas/`.
pub fn stored(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn target() -> Value {
    let mut target = block(&language::TARGET);
    insert(&mut target, "allOf", Value::Array(catalog::connectors().map(settings_of).collect()));
    insert(&mut target, "properties/connector/enum", catalog::connectors().map(|connector| connector.name).collect());
    target
}

fn document(title: &str, id: &str, body: Value, definitions: Object) -> Value {
    let mut schema = json!({ "$schema": DRAFT, "$id": id, "title": title });
    if let (Value::Object(schema), Value::Object(body)) = (&mut schema, body) {
        schema.extend(body);
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

/// What the tables cannot say: keys that need each other.
fn refine_steps(definitions: &mut Object) {
    for name in ["step", "final_step", "rollback_step"] {
        let Some(step) = definitions.get_mut(name) else { continue };
        let rerun = json!({ "properties": { "in_doubt": { "const": "rerun" } }, "required": ["in_doubt"] });
        push_all_of(step, json!({ "if": rerun, "then": { "required": ["idempotent"] } }));
        insert(step, "dependentRequired", json!({ "max_concurrent": ["foreach"] }));
    }
    if let Some(step) = definitions.get_mut("rollback_step") {
        let acts = json!({ "required": ["action"], "not": { "required": ["undo"] } });
        let nothing_else: Vec<Value> =
            ["action", "target", "with"].iter().map(|key| json!({ "not": { "required": [key] } })).collect();
        insert(step, "oneOf", json!([acts, { "required": ["undo"], "allOf": nothing_else }]));
    }
}

fn block(table: &Table) -> Value {
    let mut properties = Object::new();
    for key in table.keys {
        properties.insert(key.name.to_owned(), documented(form(key.form), key.doc));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    let required: Vec<&str> = table.keys.iter().filter(|key| key.required == Required::Yes).map(|key: &Key| key.name).collect();
    if !required.is_empty() {
        insert(&mut schema, "required", json!(required));
    }
    if !table.open {
        insert(&mut schema, "additionalProperties", Value::Bool(false));
    }
    schema
}

fn form(form: Form) -> Value {
    match form {
        Form::Version => json!({ "const": language::VERSION }),
        Form::Name => json!({ "type": "string", "pattern": NAME }),
        Form::Text | Form::TimeZone => json!({ "type": "string", "pattern": SPEAKS }),
        Form::Condition => json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": SPEAKS }] }),
        Form::Duration => json!({ "type": "string", "pattern": DURATION }),
        Form::Count(least) => json!({ "type": "integer", "minimum": least, "maximum": u32::MAX }),
        Form::Number => json!({ "type": "number" }),
        Form::Boolean => json!({ "type": "boolean" }),
        Form::Word(words) => json!({ "enum": words.iter().map(|(word, _)| word).collect::<Vec<_>>() }),
        Form::Names => json!({ "type": "array", "items": { "type": "string", "pattern": NAME }, "uniqueItems": true }),
        Form::LocalTime => json!({ "type": "string", "pattern": LOCAL_TIME }),
        Form::Any => json!({}),
        Form::Values => json!({ "type": "array", "minItems": 1, "uniqueItems": true }),
        Form::Texts => json!({ "type": "array", "items": { "type": "string", "pattern": SPEAKS } }),
        Form::PublicKeys => json!({ "type": "array", "items": { "type": "string", "pattern": key_line() } }),
        Form::Items => json!({ "anyOf": [{ "type": "array" }, reference("template")] }),
        Form::Open => json!({ "type": "object" }),
        Form::Expectations => json!({ "type": "object", "additionalProperties": reference("condition") }),
        Form::Block(table) => named(table).unwrap_or_else(|| block(table)),
        Form::Blocks(table, least) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "minProperties": least,
            "additionalProperties": named(table).unwrap_or_else(|| block(table)),
        }),
        Form::Undo => json!({ "anyOf": [
            { "const": "auto" },
            reference("call"),
            only("nothing", json!({ "type": "string", "pattern": SPEAKS })),
            only("impossible", json!({ "type": "string", "pattern": SPEAKS })),
        ] }),
        Form::UndoScope => json!({ "anyOf": [
            { "const": "everything" },
            { "type": "array", "items": { "type": "string", "pattern": NAME }, "minItems": 1, "uniqueItems": true },
        ] }),
    }
}

/// A public key as OpenSSH writes it, in one line.
fn key_line() -> String {
    let kinds: Vec<String> = language::KEY_TYPES.iter().map(|kind| kind.replace('.', "\\.")).collect();
    format!("^\\s*({})\\s+AAAA[A-Za-z0-9+/=]*(\\s[^\\n]*)?\\n?$", kinds.join("|"))
}

/// The definition of a table that has one.
fn named(table: &Table) -> Option<Value> {
    let definitions: [(&Table, &str); 7] = [
        (&language::STEP, "step"),
        (&language::FINAL_STEP, "final_step"),
        (&language::ROLLBACK_STEP, "rollback_step"),
        (&language::TARGET, "target"),
        (&language::PARAM, "parameter"),
        (&language::PARAM_ITEM, "parameter_items"),
        (&language::PERSON, "person"),
    ];
    definitions.iter().find(|(known, _)| std::ptr::eq(*known, table)).map(|(_, name)| reference(name))
}

/// `with` of one action, by its name.
fn with_of(action: &ActionSpec) -> Value {
    let mut then = json!({ "properties": { "with": documented(settings(action.params, &[]), action.summary) } });
    let must: Vec<&str> = match (action.params.iter().any(is_required), action.target) {
        (true, catalog::TargetRule::Required(_)) => vec!["with", "target"],
        (true, catalog::TargetRule::None) => vec!["with"],
        (false, catalog::TargetRule::Required(_)) => vec!["target"],
        (false, catalog::TargetRule::None) => vec![],
    };
    if !must.is_empty() {
        insert(&mut then, "required", json!(must));
    }
    json!({ "if": { "properties": { "action": { "const": action.name } }, "required": ["action"] }, "then": then })
}

/// The keys of a target of one connector.
fn settings_of(connector: &catalog::ConnectorSpec) -> Value {
    json!({
        "if": { "properties": { "connector": { "const": connector.name } }, "required": ["connector"] },
        "then": documented(settings(connector.settings, &["connector"]), connector.summary),
    })
}

fn settings(params: &[ParamSpec], others: &[&str]) -> Value {
    let mut properties: Object = others.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
    for param in params {
        let mut schema = documented(value(param.kind), param.doc);
        if let Presence::Default(text) = param.presence
            && let Ok(default) = serde_json::from_str(text)
        {
            insert(&mut schema, "default", default);
        }
        properties.insert(param.name.to_owned(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<&str> = params.iter().filter(|param| is_required(param)).map(|param| param.name).collect();
    if !required.is_empty() {
        insert(&mut schema, "required", json!(required));
    }
    schema
}

fn is_required(param: &ParamSpec) -> bool {
    param.presence == Presence::Required
}

/// The schema of a value that the catalog describes. A template may stand for any value but a secret or a program.
fn value(kind: ParamType) -> Value {
    let or_template = |schema: Value| json!({ "anyOf": [schema, reference("template")] });
    match kind {
        ParamType::Text | ParamType::Program => json!({ "type": "string" }),
        ParamType::Integer => or_template(json!({ "type": "integer" })),
        ParamType::Boolean => or_template(json!({ "type": "boolean" })),
        ParamType::Duration => or_template(json!({ "type": "string", "pattern": DURATION })),
        ParamType::Percent => or_template(json!({ "type": "string", "pattern": "^\\s*[0-9]{1,3}(\\.[0-9]{1,6})?\\s*%\\s*$" })),
        ParamType::Secret => reference("secret"),
        ParamType::TextOrSecret => json!({ "anyOf": [{ "type": "string" }, reference("secret")] }),
        ParamType::Target => or_template(json!({ "type": "string", "pattern": NAME })),
        ParamType::OneOf(words) => or_template(json!({ "enum": words })),
        ParamType::List(items) => or_template(json!({ "type": "array", "items": value(*items) })),
        ParamType::Map(values) => or_template(json!({ "type": "object", "additionalProperties": value(*values) })),
        ParamType::Object(keys) => or_template(settings(keys, &[])),
        ParamType::Condition => reference("late_condition"),
        ParamType::Any => json!({}),
    }
}

/// A condition whose operands are these where they are numbers or lists.
fn condition(number: &Value, list: &Value) -> Value {
    let operand = |word: &str| match word {
        "below" | "at_most" | "above" | "at_least" => number.clone(),
        "any_of" => list.clone(),
        _ => json!({}),
    };
    let words: Object = WORDS.iter().map(|word| ((*word).to_owned(), operand(word))).collect();
    json!({
        "description": "a plain value, which means equality, or exactly one of these words",
        "anyOf": [
            { "not": { "type": "object" } },
            { "type": "object", "properties": words, "additionalProperties": false, "minProperties": 1, "maxProperties": 1 },
        ],
    })
}

fn secret() -> Value {
    json!({
        "description": "a secret by its place; its value is read just before use and never stored",
        "anyOf": [
            only("env", json!({ "type": "string", "pattern": SPEAKS })),
            only("file", json!({ "type": "string", "pattern": SPEAKS })),
            only("command", json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })),
        ],
    })
}

/// A map with exactly this key.
fn only(key: &str, value: Value) -> Value {
    json!({ "type": "object", "properties": { (key): value }, "required": [key], "additionalProperties": false })
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn documented(mut schema: Value, doc: &str) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("description".to_owned(), Value::String(doc.to_owned()));
    }
    schema
}

/// Puts `value` at a path of keys such as `properties/action/enum`.
fn insert(schema: &mut Value, path: &str, value: Value) {
    let (folders, key) = path.rsplit_once('/').map_or((None, path), |(folders, key)| (Some(folders), key));
    let mut place = schema;
    for folder in folders.into_iter().flat_map(|folders| folders.split('/')) {
        let Value::Object(map) = place else { return };
        place = map.entry(folder).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Value::Object(map) = place {
        map.insert(key.to_owned(), value);
    }
}

fn push_all_of(schema: &mut Value, part: Value) {
    if let Some(Value::Array(parts)) = schema.get_mut("allOf") {
        parts.push(part);
    } else {
        insert(schema, "allOf", Value::Array(vec![part]));
    }
}
