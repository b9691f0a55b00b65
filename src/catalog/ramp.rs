//! Keys that every switch in shares has in common: the ramp, the dwell and the gate.

use super::{ParamSpec, ParamType, http};

const HTTP: ParamSpec =
    ParamSpec::optional("http", ParamType::TextOrSecret, "an address whose answer is a value, such as an error rate");
const HEADERS: ParamSpec =
    ParamSpec::default("headers", ParamType::Map(&ParamType::TextOrSecret), "{}", "headers to send with `http`");
const JSON: ParamSpec = ParamSpec::optional(
    "json",
    ParamType::Text,
    "where the value is in the answer, by dotted path; the whole answer when left out",
);
const LOOK: ParamSpec =
    ParamSpec::optional("look", ParamType::Object(http::LOOK), "a request whose answer must be as expected, instead of `http`");
const BELOW: ParamSpec = ParamSpec::optional("below", ParamType::Any, "the value must be below this number");
const AT_MOST: ParamSpec = ParamSpec::optional("at_most", ParamType::Any, "the value must be at or below this number");
const ABOVE: ParamSpec = ParamSpec::optional("above", ParamType::Any, "the value must be above this number");
const AT_LEAST: ParamSpec = ParamSpec::optional("at_least", ParamType::Any, "the value must be at or above this number");
const EQUALS: ParamSpec = ParamSpec::optional("equals", ParamType::Any, "the value must be this");
const EVERY: ParamSpec = ParamSpec::default("every", ParamType::Duration, "\"1s\"", "the pause between two samples");
const CONSECUTIVE: ParamSpec =
    ParamSpec::default("consecutive", ParamType::Integer, "3", "how many samples in a row must be good at the end of the dwell");
const FAIL_LIMIT: ParamSpec = ParamSpec::default("fail_limit", ParamType::Integer, "1", "how many bad samples fail it");
const UNDECIDED: ParamSpec = ParamSpec::optional(
    "undecided_for",
    ParamType::Duration,
    "how long after the dwell it may wait for samples that are missing; as long as the dwell when left out. Then it fails",
);
const REQUESTS: ParamSpec = ParamSpec::optional(
    "requests",
    ParamType::Integer,
    "how many requests of the new side decide; with `stat` and a bound b it is 3/b when left out",
);
const RATE: ParamSpec = ParamSpec::optional(
    "requests_per_second",
    ParamType::Integer,
    "how many requests a second all sides get together; a dwell too short for `requests` of them is then refused",
);

/// The shares, in order.
pub(super) const RAMP: ParamSpec = ParamSpec::default(
    "ramp",
    ParamType::List(&ParamType::Percent),
    "[\"100%\"]",
    "the shares of the new side, rising and ending with 100%",
);
/// How long each share stays.
pub(super) const DWELL: ParamSpec =
    ParamSpec::default("dwell", ParamType::Duration, "\"0s\"", "how long each share stays, the last too");

/// The gate of a proxy that counts by side.
pub(super) const COUNTING_GATE: ParamSpec = ParamSpec::optional(
    "gate",
    ParamType::Object(&[
        HTTP,
        HEADERS,
        JSON,
        LOOK,
        ParamSpec::optional(
            "stat",
            ParamType::OneOf(&["5xx", "econ", "eresp"]),
            "a counter of the proxy's own, as a share of the requests that reached the new side since the stage began: answers \
             with 500 and above, failed connections, broken answers",
        ),
        BELOW,
        AT_MOST,
        ABOVE,
        AT_LEAST,
        EQUALS,
        EVERY,
        CONSECUTIVE,
        FAIL_LIMIT,
        UNDECIDED,
        REQUESTS,
        RATE,
    ]),
    "what is asked while a share stays; when it fails, everything goes back at once",
);

/// The gate of a proxy that counts nothing by side.
pub(super) const GATE: ParamSpec = ParamSpec::optional(
    "gate",
    ParamType::Object(&[
        HTTP,
        HEADERS,
        JSON,
        LOOK,
        BELOW,
        AT_MOST,
        ABOVE,
        AT_LEAST,
        EQUALS,
        EVERY,
        CONSECUTIVE,
        FAIL_LIMIT,
        UNDECIDED,
    ]),
    "what is asked while a share stays; when it fails, everything goes back at once",
);
