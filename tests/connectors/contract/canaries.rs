//! Canary secrets, for every action of the registry: each secret that an action or its targets are given is looked for in every
//! byte that is said: by the verbs when all is well, with a wrong password that is a canary, and when no server is there.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pointsman::catalog::{ActionSpec, ParamSpec, ParamType, connectors};
use pointsman::connectors::{Act, Call};
use pointsman::model::{Arguments, Object, Value};

use super::Case;
use crate::bench::{CANARY, attempt};

/// What a wrong password is. Nothing may say it, not even a server that quotes what it refused.
const WRONG: &str = "wr0ng-c4nary-passw0rd";

/// How long the verbs of one call have. What they do not get done they say too.
const HURRY: Duration = Duration::from_secs(2);
/// How long one verb is listened to.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drives the action of a case as it is, with wrong secrets, and without its servers, and searches all that was said.
pub async fn hold(spec: &ActionSpec, case: &mut Case) {
    listen();
    let step = "canary";
    let target = case.call.target.as_ref().map(|target| target.name.to_string());
    let params = object(&case.call.params);
    let mut secrets = vec![CANARY.to_owned(), WRONG.to_owned()];
    secrets_of(&params, spec.params, &mut secrets);
    for there in case.bench.targets_mut() {
        secrets_of(&object(&there.settings), settings_of(&there.connector), &mut secrets);
    }
    // A password that a test wrote as it wrote its user's name can be told from nothing.
    secrets.retain(|secret| secret.len() >= 8 && secret.contains(|c: char| c.is_ascii_digit() || c == '-'));
    let mut searched = Searched { name: spec.name, forms: secrets.iter().flat_map(|secret| forms(secret)).collect(), bytes: 0 };

    let call = case.bench.hurried_call(step, target.as_deref(), Value::Object(params.clone()), &secrets, 2 * HURRY);
    drive(&*case.action, &call, &mut searched).await;

    let wrong = spoiled(&params, spec.params);
    for there in case.bench.targets_mut() {
        there.settings = Arguments::new(spoiled(&object(&there.settings), settings_of(&there.connector)));
    }
    let call = case.bench.hurried_call(step, target.as_deref(), Value::Object(wrong.clone()), &secrets, HURRY);
    drive(&*case.action, &call, &mut searched).await;

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for there in case.bench.targets_mut() {
        let mut settings = nowhere(&Value::Object(object(&there.settings)), port).as_object().unwrap().clone();
        if settings_of(&there.connector).iter().any(|setting| setting.name == "connect_within") {
            settings.insert("connect_within".to_owned(), "1s".into());
        }
        there.settings = Arguments::new(settings);
    }
    let call = case.bench.hurried_call(step, target.as_deref(), nowhere(&Value::Object(wrong), port), &secrets, HURRY);
    drive(&*case.action, &call, &mut searched).await;

    let notes = case.bench.notes();
    searched.text(&format!("{notes:?}"));
    searched.text(&LOGGED.lock().unwrap_or_else(PoisonError::into_inner).join("\n"));
    assert!(searched.bytes > 200, "{} said next to nothing: {} bytes", spec.name, searched.bytes);
}

/// Every verb once, whatever it answers.
async fn drive(action: &dyn Act, call: &Call, searched: &mut Searched) {
    let mut said = async |what: &str, verb: &mut (dyn Future<Output = String> + Unpin)| {
        if let Ok(text) = tokio::time::timeout(PATIENCE, verb).await {
            searched.text(&format!("{what}: {text}"));
        }
    };
    said("inspect", &mut Box::pin(async { format!("{:?}", action.inspect(call).await) })).await;
    let mut snapshot = Value::Null;
    let mut capture = Box::pin(async { action.capture(call).await });
    if let Ok(captured) = tokio::time::timeout(PATIENCE, &mut capture).await {
        said("capture", &mut Box::pin(async { format!("{captured:?}") })).await;
        snapshot = captured.unwrap_or_default();
    }
    said("attempt", &mut Box::pin(async { format!("{:?}", attempt(action, call).await) })).await;
    said("probe", &mut Box::pin(async { format!("{:?}", action.probe(call, &snapshot).await) })).await;
    said("undo", &mut Box::pin(async { format!("{:?}", action.undo(call, &snapshot).await) })).await;
}

/// What is looked for, and in how much.
struct Searched {
    name: &'static str,
    forms: Vec<String>,
    bytes: usize,
}

impl Searched {
    fn text(&mut self, text: &str) {
        for form in &self.forms {
            assert!(!text.contains(form.as_str()), "{} said {form}: {text}", self.name);
        }
        self.bytes += text.len();
    }
}

/// The forms in which a secret could stand in a text: as it is, in hex, and inside of a longer text in base64.
fn forms(secret: &str) -> Vec<String> {
    let inside = |before: usize| {
        let whole = BASE64.encode([&[0; 2][..before], secret.as_bytes()].concat());
        whole[(before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6].to_owned()
    };
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let upper = hex.to_uppercase();
    (0..3).map(inside).chain([secret.to_owned(), hex, upper]).collect()
}

fn object(arguments: &Arguments) -> Object {
    arguments.names().filter_map(|name| Some((name.to_owned(), arguments.get(name)?.clone()))).collect()
}

fn settings_of(connector: &str) -> &'static [ParamSpec] {
    connectors().find(|spec| spec.name == connector).map_or(&[], |spec| spec.settings)
}

/// The values that are secrets by their type.
fn secrets_of(values: &Object, specs: &[ParamSpec], found: &mut Vec<String>) {
    fn inside(value: &Value, kind: ParamType, found: &mut Vec<String>) {
        match (kind, value) {
            (ParamType::Secret, Value::String(secret)) => found.push(secret.clone()),
            (ParamType::List(kind), Value::Array(items)) => items.iter().for_each(|item| inside(item, *kind, found)),
            (ParamType::Map(kind), Value::Object(map)) => map.values().for_each(|item| inside(item, *kind, found)),
            (ParamType::Object(specs), Value::Object(map)) => secrets_of(map, specs, found),
            _ => {}
        }
    }
    for spec in specs {
        if let Some(value) = values.get(spec.name) {
            inside(value, spec.kind, found);
        }
    }
}

/// The same values with every secret a wrong one, also where none was given.
fn spoiled(values: &Object, specs: &[ParamSpec]) -> Object {
    fn inside(value: &Value, kind: ParamType) -> Value {
        match (kind, value) {
            (ParamType::Secret, _) => Value::from(WRONG),
            (ParamType::List(kind), Value::Array(items)) => items.iter().map(|item| inside(item, *kind)).collect(),
            (ParamType::Map(ParamType::TextOrSecret), Value::Object(map)) => {
                let mut map = map.clone();
                map.insert("X_CANARY".to_owned(), WRONG.into());
                Value::Object(map)
            }
            (ParamType::Map(kind), Value::Object(map)) => {
                Value::Object(map.iter().map(|(key, item)| (key.clone(), inside(item, *kind))).collect())
            }
            (ParamType::Object(specs), Value::Object(map)) => Value::Object(spoiled(map, specs)),
            _ => value.clone(),
        }
    }
    let mut spoiled = values.clone();
    for spec in specs {
        let secret = matches!(spec.kind, ParamType::Secret);
        if let Some(value) = values.get(spec.name).or(secret.then_some(&Value::Null)) {
            spoiled.insert(spec.name.to_owned(), inside(value, spec.kind));
        }
    }
    spoiled
}

/// The same values with every place of a server one that nobody listens at.
fn nowhere(value: &Value, port: u16) -> Value {
    match value {
        Value::String(text) => {
            let (head, rest) = text.rsplit_once(':').unwrap_or((text, ""));
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits >= 4 { Value::from(format!("{head}:{port}{}", &rest[digits..])) } else { value.clone() }
        }
        Value::Array(items) => items.iter().map(|item| nowhere(item, port)).collect(),
        Value::Object(map) => {
            let moved = |(key, item): (&String, &Value)| match (key.as_str(), item) {
                ("port", Value::Number(_)) => (key.clone(), Value::from(port)),
                ("socket", Value::String(path)) => (key.clone(), Value::from(format!("{path}.gone"))),
                _ => (key.clone(), nowhere(item, port)),
            };
            Value::Object(map.iter().map(moved).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// What was logged that holds a canary, in any form: the program prints what `POINTSMAN_LOG` asks for, and somebody may ask for all.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens to everything that this process and its libraries log.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| Ear);
        // Where another test was first, its subscriber stays.
        let _ = tracing::subscriber::set_global_default(subscriber.finish());
    });
}

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        if [CANARY, WRONG].iter().flat_map(|secret| forms(secret)).any(|form| text.contains(&form)) {
            LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(text.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    for said in [WRONG.to_owned(), BASE64.encode(format!("ops:{WRONG}")), BASE64.encode(format!("root:{WRONG}!"))] {
        assert!(forms(WRONG).iter().any(|form| said.contains(form)), "{said}");
    }
    let values = serde_json::json!({ "password": "given", "tls": {}, "port": 5432, "url": "http://a:8080/x", "user": "a" });
    let settings = settings_of("postgres");
    let mut found = Vec::new();
    secrets_of(values.as_object().unwrap(), settings, &mut found);
    assert_eq!(found, ["given"]);
    let spoiled = Value::Object(spoiled(values.as_object().unwrap(), settings));
    assert_eq!((spoiled["password"].as_str(), spoiled["user"].as_str()), (Some(WRONG), Some("a")));
    let nowhere = nowhere(&spoiled, 1);
    assert_eq!((nowhere["port"].as_u64(), nowhere["url"].as_str()), (Some(1), Some("http://a:1/x")));
}
