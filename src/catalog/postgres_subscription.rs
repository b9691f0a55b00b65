//! PostgreSQL: publications and subscriptions, with which a new side feeds the old one and the way back stays open.

use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("postgres");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const SOURCE: ParamSpec =
    ParamSpec::required("source", ParamType::Target, "the server that publishes, with the database of the publication");
const SLOT: OutputSpec = OutputSpec { name: "slot", doc: "the replication slot at the source; null where there was none" };

const PUBLICATION: ActionSpec = ActionSpec {
    name: "postgres.create_publication",
    summary: "Publishes tables, after a look at whether updates and deletes would still be accepted on them",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("publication", ParamType::Text, "its name"),
        ParamSpec::default("schemas", TEXTS, "[\"public\"]", "names or patterns of schemas"),
        ParamSpec::default(
            "tables",
            TEXTS,
            "[\"*\"]",
            "names or patterns, as `name` or `schema.name`; partitions belong to their table",
        ),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave out"),
        ParamSpec::default(
            "operations",
            ParamType::List(&ParamType::OneOf(&["insert", "update", "delete", "truncate"])),
            "[\"insert\", \"update\", \"delete\", \"truncate\"]",
            "what is published",
        ),
    ],
    outputs: &[OutputSpec { name: "tables", doc: "how many tables are published, each partition for itself" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("drops the publication where this step made it"),
    facts: &[],
};

const CONNECTION: ParamType = ParamType::Object(&[
    ParamSpec::optional("user", ParamType::Text, "the account at the source; it needs REPLICATION"),
    ParamSpec::optional(
        "host",
        ParamType::Text,
        "the source's address as the subscriber reaches it; that of the target when left out",
    ),
    ParamSpec::optional("port", ParamType::Integer, "its port as the subscriber reaches it; that of the target when left out"),
    ParamSpec::optional(
        "service",
        ParamType::Text,
        "an entry of the subscriber's `pg_service.conf`, instead of address and account",
    ),
    ParamSpec::optional("passfile", ParamType::Text, "a password file on the subscriber's host"),
    ParamSpec::optional(
        "password",
        ParamType::Secret,
        "the password, which the subscriber then stores and shows to its superusers; prefer `passfile`, `service` or a certificate",
    ),
    ParamSpec::optional(
        "sslmode",
        ParamType::OneOf(&["disable", "prefer", "require", "verify-ca", "verify-full"]),
        "how the subscriber protects its connection",
    ),
    ParamSpec::optional("sslrootcert", ParamType::Text, "the authority to trust, a file on the subscriber's host"),
    ParamSpec::optional("sslcert", ParamType::Text, "the certificate to show, a file on the subscriber's host"),
    ParamSpec::optional("sslkey", ParamType::Text, "its private key, a file on the subscriber's host"),
]);

const CREATE: ActionSpec = ActionSpec {
    name: "postgres.create_subscription",
    summary: "Makes a database follow a publication from now on, without a first copy, and waits until it streams",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("subscription", ParamType::Text, "its name"),
        SOURCE,
        ParamSpec::required("publication", ParamType::Text, "the publication at the source"),
        ParamSpec::required("connection", CONNECTION, "how the subscriber reaches the source"),
        ParamSpec::optional("slot", ParamType::Text, "the slot at the source; a name made of run and step when left out"),
        ParamSpec::default(
            "origin",
            ParamType::OneOf(&["none", "any"]),
            "\"none\"",
            "`none` takes only what was written at the source itself, so that changes cannot go round; before PostgreSQL 16 a source \
             that follows anybody with these tables is refused instead",
        ),
        ParamSpec::default("within", ParamType::Duration, "\"60s\"", "how long it may take until it streams"),
    ],
    outputs: &[SLOT, OutputSpec { name: "start", doc: "the position in the source's log from which it follows" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("drops the subscription and the slot that this step made, and proves that both are gone"),
    facts: &[FactEffect::Follows("{source}", "{target}")],
};

const DROP: ActionSpec = ActionSpec {
    name: "postgres.drop_subscription",
    summary: "Takes a subscription away, and its slot at the source",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("subscription", ParamType::Text, "its name"),
        SOURCE,
        ParamSpec::default(
            "unreachable",
            ParamType::OneOf(&["fail", "detach"]),
            "\"fail\"",
            "what to do where the source cannot be reached: `detach` drops the subscription alone and names the slot that is left",
        ),
    ],
    outputs: &[
        SLOT,
        OutputSpec { name: "slot_left", doc: "the slot that could not be dropped and holds the source's log; null when none" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Impossible("the slot is gone, and with it the place in the log: the copy would have to be made anew"),
    facts: &[],
};

const STOP: ActionSpec = ActionSpec {
    name: "postgres.stop_subscription",
    summary: "Keeps a subscription from applying more; its slot at the source keeps what comes",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[ParamSpec::required("subscription", ParamType::Text, "its name"), SOURCE],
    outputs: &[SLOT],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("enables it again where it was, and proves that its slot streams"),
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[PUBLICATION, CREATE, DROP, STOP];
