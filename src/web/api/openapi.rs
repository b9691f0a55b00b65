//! The description of the API (OpenAPI 3.1), made from the routes themselves.

use serde_json::{Map, json};

use crate::model::Value;
use crate::web::access::Access;
use crate::web::problem::Problem;
use crate::web::routes::{Route, routes};

/// The description.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman console",
            "version": "1",
            "description": "Runs, orders and signed decisions over the records of one installation. Changing requests carry the \
                `Origin` of the console, the cookie of a session and its word in `X-Pointsman-CSRF`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "pointsman", "description": "`__Host-pointsman` where the console is reached through TLS" },
                "csrf": { "type": "apiKey", "in": "header", "name": "X-Pointsman-CSRF" },
                "collector": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let changes = route.method != axum::http::Method::GET;
    let security = match (route.access, changes) {
        (Access::Anybody, _) => json!([]),
        (Access::Viewer | Access::Operator, false) => json!([{ "session": [] }]),
        (Access::Viewer | Access::Operator, true) => json!([{ "session": [], "csrf": [] }]),
        (Access::Collector, _) => json!([{ "collector": [] }, { "session": [] }]),
    };
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> =
        names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect();
    let problem = json!({
        "description": "Refused: what was wrong, as a problem (RFC 9457)",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let done = match (route.answer, route.path) {
        (Some(name), _) => json!({ "description": "Done", "content": json_of(name) }),
        (None, path) if path.ends_with("/events") => json!({
            "description": "`patch` with the number of its last record as id; `reset` where everything has to be asked for anew",
            "content": { "text/event-stream": { "schema": { "type": "string" } } },
        }),
        (None, path) if path.starts_with("/api/v1/oidc/") => {
            json!({ "description": "To the provider, to the console, or to its sign-in page, which says why not" })
        }
        (None, _) => json!({ "description": "Done" }),
    };
    let status = match route.path {
        path if path.starts_with("/api/v1/oidc/") => "303",
        _ if route.answer == Some("Started") => "201",
        _ => "200",
    };
    let mut operation = json!({
        "summary": route.summary,
        "x-access": route.access.word(),
        "security": security,
        "responses": { status: done, "default": problem },
    });
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(name) = route.body {
        operation["requestBody"] = json!({ "required": true, "content": json_of(name) });
    }
    operation
}

fn json_of(name: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } })
}

/// An object whose keys all have to be there, but for those that end with `?`.
fn object(about: &str, keys: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = keys.iter().map(|(key, _)| *key).filter(|key| !key.ends_with('?')).collect();
    let properties: Map<String, Value> =
        keys.iter().map(|(key, schema)| (key.trim_end_matches('?').to_owned(), schema.clone())).collect();
    json!({ "type": "object", "description": about, "required": required, "properties": properties })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn schemas() -> Value {
    let any = json!({ "type": "object" });
    let moment = json!({ "type": "string", "format": "date-time" });
    let yes = json!({ "type": "boolean" });
    let number = json!({ "type": "integer" });
    let codes: Vec<&str> = Problem::CODES.iter().map(|(code, _)| *code).collect();
    let user = json!({ "type": ["object", "null"], "properties": { "name": text(), "person": text_or_null(), "may": { "enum": ["view", "operate"] } } });
    let provider = json!({ "type": ["object", "null"], "properties": { "name": text(), "start": text() } });
    let step = |rest: &str| json!({ "type": "object", "description": format!("about one step{rest}"), "required": ["step"] });
    let orders = json!({
        "description": "One order, under its name; the same as on the command line",
        "oneOf": [
            { "const": "continue" },
            { "type": "object", "maxProperties": 1, "minProperties": 1, "additionalProperties": false, "properties": {
                "approve": step(" and `note`"), "reject": step(" and `reason`"), "report": step(" and `answers`"), "retry": step(""),
                "skip": step(" and `reason`"), "resolve": step(", `finding` and `seen`"), "withdraw": step(""),
                "break_glass": step(" and `reason`"),
                "pause": { "required": ["reason"] }, "rollback": { "required": ["reason"] }, "abort": { "required": ["reason"] },
                "submit": { "required": ["statement", "signature", "words"] },
            } },
        ],
    });
    json!({
        "Session": object("Who is signed in", &[("user", user), ("csrf", text_or_null()), ("mode", json!({ "enum": ["local", "users", "provider"] })), ("provider", provider), ("version", text()), ("now", moment.clone())]),
        "SignIn": object("`user` and `password`, or `ticket`", &[("user?", text()), ("password?", text()), ("ticket?", text())]),
        "Runs": object("Every run, the newest first, each as `pointsman status --json` lists it", &[("runs", list(any.clone())), ("now", moment.clone())]),
        "Night": object("Where a run stands; docs/console.md tells what is in it", &[("seq", number.clone()), ("run", text()), ("runbook", text()), ("steps", list(any.clone())), ("graph", any.clone())]),
        "Replay": object("When each record is due (`due`), what is worth going to, stretches of time with a name, and the run behind its first record", &[("due", list(moment)), ("marks", list(any.clone())), ("stretches", list(any.clone())), ("night", json!({ "$ref": "#/components/schemas/Night" }))]),
        "Moment": object("What changes of a `Night`, as it was behind a record: all of it where `since` is null, else only what changed from that record on", &[("seq", number), ("since", json!({ "type": ["integer", "null"] })), ("steps", list(any.clone())), ("log", list(any.clone()))]),
        "Runbooks": object("What can be started", &[("runbooks", list(object("A runbook", &[("path", text()), ("name", text()), ("title", text_or_null()), ("params", list(any.clone()))])))]),
        "Start": object("A runbook and its parameters", &[("runbook", text()), ("params?", any.clone())]),
        "Started": object("The run", &[("run", text())]),
        "Nothing": object("An empty object", &[]),
        "Orders": object("An order", &[("order", orders)]),
        "Answer": object("What the run says to it", &[("answer", json!({ "enum": ["accepted", "already_done", "not_applicable", "forbidden"] })), ("why", text_or_null()), ("executor", yes.clone())]),
        "Gate": object("What is being decided", &[("run", text()), ("step", text()), ("lines", list(list(object("A part of a line", &[("text", text()), ("tone", text())])))), ("protected", yes.clone()), ("signed", yes.clone()), ("can_sign", yes), ("roles", list(text())), ("words", text_or_null())]),
        "Deciding": object("What is to be signed", &[("decision", text()), ("role?", text()), ("person?", text()), ("deputy_for?", text())]),
        "Statement": object("The exact text to sign", &[("statement", text()), ("digest", text()), ("approver", text()), ("words", text_or_null()), ("sign_command", text()), ("passkeys", json!({ "type": ["object", "null"] }))]),
        "NewPasskey": object("A new passkey", &[("person", text()), ("public_key", text())]),
        "KeyLine": object("What belongs into the roster's `allowed_signers`", &[("line", text())]),
        "Signature": object("A statement, and `signature` (an armoured SSH signature) or `assertion` (a passkey's answer)", &[("statement", text()), ("signature?", text()), ("assertion?", json!({ "type": "object" })), ("words?", text()), ("note?", text())]),
        "Problem": object("What was wrong", &[("type", text()), ("title", text()), ("status", json!({ "type": "integer" })), ("code", json!({ "enum": codes })), ("detail", text())]),
    })
}
