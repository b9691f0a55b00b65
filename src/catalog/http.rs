//! HTTP: requests that change something, requests that only look, and notices.

use super::{ActionSpec, ConnectorSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const URL: ParamSpec = ParamSpec::required("url", ParamType::TextOrSecret, "the address, with `http://` or `https://`");
const LOOKING_METHOD: ParamSpec =
    ParamSpec::default("method", ParamType::OneOf(&["GET", "HEAD"]), "\"GET\"", "the method; only those that look");
const HEADERS: ParamSpec =
    ParamSpec::default("headers", ParamType::Map(&ParamType::TextOrSecret), "{}", "headers to send; values are never recorded");
const EXPECT: ParamSpec = ParamSpec::default(
    "expect",
    ParamType::Object(&[
        ParamSpec::optional("status", ParamType::Condition, "the status; 200 to 299 when left out"),
        ParamSpec::default("headers", ParamType::Map(&ParamType::Condition), "{}", "conditions on headers of the answer"),
        ParamSpec::default(
            "json",
            ParamType::Map(&ParamType::Condition),
            "{}",
            "conditions on the answer as JSON, by dotted path such as `data.items.0.state`",
        ),
        ParamSpec::optional("text", ParamType::Condition, "a condition on the answer as text"),
    ]),
    "{}",
    "what the answer must be",
);
const FOLLOW: ParamSpec =
    ParamSpec::default("redirects", ParamType::Integer, "0", "how many redirects to follow; a redirect is an answer when 0");
const PER_REQUEST: ParamSpec =
    ParamSpec::default("answer_within", ParamType::Duration, "\"10s\"", "how long one request may take, with its answer");

/// The keys of a request that only looks, also used inside `wait.until` and as proof and probe of other actions.
pub(super) const LOOK: &[ParamSpec] = &[URL, LOOKING_METHOD, HEADERS, EXPECT, FOLLOW, PER_REQUEST];

const OUTPUTS: &[OutputSpec] = &[
    OutputSpec { name: "status", doc: "the status" },
    OutputSpec { name: "headers", doc: "the headers of the answer, names in lower case" },
    OutputSpec { name: "body", doc: "the answer as text, redacted, at most 64 KiB" },
    OutputSpec { name: "json", doc: "the answer as JSON, null when it is none" },
];

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "http.request",
        summary: "Sends one HTTP request that may change something",
        nature: Nature::Mutating,
        target: TargetRule::None,
        params: &[
            URL,
            ParamSpec::default(
                "method",
                ParamType::OneOf(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
                "\"POST\"",
                "the method",
            ),
            HEADERS,
            ParamSpec::optional("json", ParamType::Any, "the body, sent as JSON"),
            ParamSpec::optional("body", ParamType::Text, "the body, sent as it is"),
            EXPECT,
            FOLLOW,
            PER_REQUEST,
            ParamSpec::optional("prove", ParamType::Object(LOOK), "a request that looks, whose answer proves the effect"),
            ParamSpec::optional(
                "probe",
                ParamType::Object(LOOK),
                "a request that looks, for after a crash: as expected is applied, any other answer is not applied",
            ),
        ],
        outputs: OUTPUTS,
        repeat: Repeat::Unknown,
        has_probe: false,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
    ActionSpec {
        name: "http.check",
        summary: "Sends one HTTP request that only looks, and holds the answer to conditions",
        nature: Nature::ReadOnly,
        target: TargetRule::None,
        params: &[
            URL,
            LOOKING_METHOD,
            HEADERS,
            EXPECT,
            FOLLOW,
            PER_REQUEST,
            ParamSpec::optional(
                "until",
                ParamType::Object(&super::builtin::POLL),
                "ask again until the answer is as expected, instead of once",
            ),
        ],
        outputs: OUTPUTS,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "notify.webhook",
        summary: "Tells a chat or a pager, by posting `{\"text\": …}`",
        nature: Nature::Notify,
        target: TargetRule::None,
        params: &[URL, ParamSpec::required("text", ParamType::Text, "what to tell"), HEADERS, PER_REQUEST],
        outputs: &[OutputSpec { name: "status", doc: "the status of the answer" }],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
