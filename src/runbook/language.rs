//! Every key of the language, version 1.

use super::shape::{Form, Key, Table};

/// The version of the language that this program reads.
pub const VERSION: u32 = 1;

/// The types of public keys that a roster takes, as OpenSSH writes them.
pub const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A whole runbook.
pub static RUNBOOK: Table = Table {
    what: "a runbook",
    example: "{ pointsman: 1, runbook: my-night, steps: { … } }",
    open: false,
    keys: &[
        Key::required("pointsman", Form::Version, "the version of the language; always 1"),
        Key::required("runbook", Form::Name, "the name of this runbook; the names of its runs begin with it"),
        Key::optional("title", Form::Text, "what it does, for people"),
        Key::optional("owner", Form::Name, "its author, a person of the roster; gates may exclude them"),
        Key::optional("environment", Form::Text, "where it acts: whoever approves a protected gate types this name"),
        Key::optional("params", Form::Blocks(&PARAM, 0), "values that whoever starts a run chooses"),
        Key::optional("window", Form::Block(&WINDOW), "when a run may act"),
        Key::optional("roster", Form::Text, "the path of the roster file, from the folder of the runbook"),
        Key::optional("witness", Form::Block(&WITNESS), "who outside this host has to have seen the record before a gate opens"),
        Key::optional("targets", Form::Blocks(&TARGET, 0), "the systems that steps act on"),
        Key::optional("move", Form::Block(&MOVE), "from where to where; the built-in interlocks speak about it"),
        Key::optional("interlocks", Form::Blocks(&INTERLOCK, 0), "safety rules of its own, each by its name"),
        Key::optional("defaults", Form::Block(&DEFAULTS), "what steps have that do not say otherwise"),
        Key::required("steps", Form::Blocks(&STEP, 1), "the way forward"),
        Key::optional("finally", Form::Blocks(&FINAL_STEP, 0), "steps that always run at the end, also after rollback or abort"),
        Key::optional("rollback", Form::Block(&ROLLBACK), "the way back; without it, what ran is undone in reverse order"),
    ],
};

/// One entry of `params`.
pub static PARAM: Table = Table {
    what: "a parameter",
    example: "{ type: string, default: pilot }",
    open: false,
    keys: &[
        TYPE,
        Key::optional("description", Form::Text, "what it means, for people"),
        Key::optional("default", Form::Any, "its value when nobody gives one"),
        ENUM,
        MINIMUM,
        MAXIMUM,
        MIN_LENGTH,
        MAX_LENGTH,
        MIN_ITEMS,
        MAX_ITEMS,
        Key::optional("items", Form::Block(&PARAM_ITEM), "what each item of the list is"),
    ],
};

/// `items` of a list parameter.
pub static PARAM_ITEM: Table = Table {
    what: "the items of a parameter",
    example: "{ type: string }",
    open: false,
    keys: &[
        TYPE,
        ENUM,
        MINIMUM,
        MAXIMUM,
        MIN_LENGTH,
        MAX_LENGTH,
        MIN_ITEMS,
        MAX_ITEMS,
        Key::optional("items", Form::Block(&PARAM_ITEM), "what each item of the list is"),
    ],
};

const TYPE: Key = Key::required(
    "type",
    Form::Word(&[
        ("string", "text"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "`true` or `false`"),
        ("array", "a list"),
        ("object", "a map"),
    ]),
    "its type, as in JSON Schema",
);
const ENUM: Key = Key::optional("enum", Form::Values, "the only values that it takes");
const MINIMUM: Key = Key::optional("minimum", Form::Number, "the least number");
const MAXIMUM: Key = Key::optional("maximum", Form::Number, "the greatest number");
const MIN_LENGTH: Key = Key::optional("minLength", Form::Count(0), "the least number of characters");
const MAX_LENGTH: Key = Key::optional("maxLength", Form::Count(0), "the greatest number of characters");
const MIN_ITEMS: Key = Key::optional("minItems", Form::Count(0), "the least number of items");
const MAX_ITEMS: Key = Key::optional("maxItems", Form::Count(0), "the greatest number of items");

/// `window`.
pub static WINDOW: Table = Table {
    what: "a window",
    example: "{ opens: 2026-11-21T00:00, closes: 2026-11-21T06:00, time_zone: Asia/Shanghai }",
    open: false,
    keys: &[
        Key::required("opens", Form::LocalTime, "the first moment, as a local time: `2026-11-21T00:00`"),
        Key::required("closes", Form::LocalTime, "the last moment, as a local time: `2026-11-21T06:00`"),
        Key::required("time_zone", Form::TimeZone, "where that local time is, as an IANA name: `Asia/Shanghai`"),
    ],
};

/// `witness`.
pub static WITNESS: Table = Table {
    what: "a witness policy",
    example: "{ level: L2 }",
    open: false,
    keys: &[
        Key::required(
            "level",
            Form::Word(&[
                ("L2", "a witness on another host has signed a checkpoint"),
                ("L3", "a store that this host can add to and not change has a checkpoint"),
            ]),
            "how far outside this host a gate's checkpoint has to be seen; what the installation asks for is the least",
        ),
        Key::optional(
            "heartbeat",
            Form::Duration,
            "how old the newest checkpoint of an active run may be, from `1s` to `60s`; `60s` when none",
        ),
    ],
};

/// One entry of `targets`.
pub static TARGET: Table = Table {
    what: "a target",
    example: "{ connector: sqlite, path: shop.db }",
    open: true,
    keys: &[Key::required("connector", Form::Text, "what kind of system it is; the connector decides the other keys")],
};

/// `move`.
pub static MOVE: Table = Table {
    what: "a move",
    example: "{ from: old, to: new }",
    open: false,
    keys: &[
        Key::required("from", Form::Name, "the target that is left"),
        Key::required("to", Form::Name, "the target that is moved to"),
        Key::optional("entry", Form::Text, "where the traffic enters: a target, or `target/part`"),
        Key::optional(
            "clients_bear",
            Form::Duration,
            "how long clients can bear that nobody writes: the patience of their pools, queues and retries",
        ),
    ],
};

/// One entry of `interlocks`.
pub static INTERLOCK: Table = Table {
    what: "an interlock",
    example: "{ never: writes(old)=open and writes(new)=open }",
    open: false,
    keys: &[
        Key::optional("never", Form::Text, "what is true at no moment of a run"),
        Key::optional("before", Form::Text, "what a step requires when it starts: `switch requires agree(old, new) fresh 10m`"),
        Key::optional("always-ends", Form::Text, "what is true at every end of a run"),
    ],
};

/// `defaults`.
pub static DEFAULTS: Table = Table {
    what: "the defaults",
    example: "{ timeout: 2m }",
    open: false,
    keys: &[
        TIMEOUT,
        RETRY,
        ON_FAILURE,
        Key::optional("max_concurrent", Form::Count(1), "how many attempts of the whole run there are at the same time, at most"),
    ],
};

/// `retry`.
pub static RETRY_RULE: Table = Table {
    what: "a retry",
    example: "{ max_attempts: 3, backoff: 5s }",
    open: false,
    keys: &[
        Key::optional("max_attempts", Form::Count(1), "attempts in all; 1 means no retry"),
        Key::optional("backoff", Form::Duration, "the pause before the second attempt; it doubles with each further one"),
        Key::optional("max_elapsed", Form::Duration, "no attempt starts later than this after the first one started"),
    ],
};

/// `confirm` of a step and `decide` of the rollback.
pub static ROLE: Table = Table {
    what: "a decision",
    example: "{ role: commander }",
    open: false,
    keys: &[Key::required("role", Form::Name, "the role whose persons decide")],
};

const NEEDS: Key = Key::optional("needs", Form::Names, "the steps that must have succeeded or been skipped before it");
const ACTION: Key = Key::required("action", Form::Text, "what to do: `connector.verb`");
const MAY_ACT: Key = Key::optional("action", Form::Text, "what to do: `connector.verb`");
const TARGET_NAME: Key = Key::optional("target", Form::Name, "the target to do it to");
const WITH: Key = Key::optional("with", Form::Open, "how: the parameters of the action");
const WHEN: Key = Key::optional("when", Form::Condition, "a template that yields true or false; false skips the step");
const FOREACH: Key = Key::optional("foreach", Form::Items, "one step per item of a list; the item is `{{ item }}`");
const MAX_CONCURRENT: Key = Key::optional("max_concurrent", Form::Count(1), "how many items run at the same time, at most");
const TIMEOUT: Key = Key::optional("timeout", Form::Duration, "the time that one attempt may take");
const RETRY: Key = Key::optional("retry", Form::Block(&RETRY_RULE), "how often a failed attempt is tried again");
const ROLLBACK_WORD: (&str, &str) = ("rollback", "the run turns back; the default");
const HOLD_WORD: (&str, &str) = ("hold", "the step waits for a person");
const CONTINUE_WORD: (&str, &str) = ("continue", "the run goes on without the step and its dependents");
const ON_FAILURE: Key =
    Key::optional("on_failure", Form::Word(&[ROLLBACK_WORD, HOLD_WORD, CONTINUE_WORD]), "what a failure means for the run");
const ON_FAILURE_BACK: Key =
    Key::optional("on_failure", Form::Word(&[HOLD_WORD, CONTINUE_WORD]), "what a failure on the way back means");
const IN_DOUBT: Key = Key::optional(
    "in_doubt",
    Form::Word(&[
        ("probe", "look, read-only, and ask a person when the look cannot tell"),
        ("rerun", "run it again; needs `idempotent`"),
        ("ask", "ask a person"),
    ]),
    "what a crash in the middle of an attempt means",
);
const IDEMPOTENT: Key = Key::optional("idempotent", Form::Text, "why a second run of the step is harmless, in words");
const UNDO: Key =
    Key::optional("undo", Form::Undo, "the way back: `auto`, another action, `{ nothing: why }` or `{ impossible: why }`");
const POINT_OF_NO_RETURN: Key =
    Key::optional("point_of_no_return", Form::Text, "why nothing can be undone after this step, in words");
const OWNER: Key = Key::optional("owner", Form::Name, "the person who is responsible for it");
const CONFIRM: Key = Key::optional("confirm", Form::Block(&ROLE), "who must confirm it before its dependents start");
const PROTECTED: Key = Key::optional("protected", Form::Boolean, "whether retry, skip and resolve need two persons");
const EXPECT: Key = Key::optional("expect", Form::Expectations, "conditions on its outputs; a broken one fails the step");

/// A step of `steps`.
pub static STEP: Table = Table {
    what: "a step",
    example: "{ action: gate.hold, with: { duration: 5m } }",
    open: false,
    keys: &[
        NEEDS,
        ACTION,
        TARGET_NAME,
        WITH,
        WHEN,
        FOREACH,
        MAX_CONCURRENT,
        TIMEOUT,
        RETRY,
        ON_FAILURE,
        IN_DOUBT,
        IDEMPOTENT,
        UNDO,
        POINT_OF_NO_RETURN,
        OWNER,
        CONFIRM,
        PROTECTED,
        EXPECT,
    ],
};

/// A step of `finally`.
pub static FINAL_STEP: Table = Table {
    what: "a step of `finally`",
    example: "{ action: gate.hold, with: { duration: 5m } }",
    open: false,
    keys: &[NEEDS, ACTION, TARGET_NAME, WITH, WHEN, FOREACH, MAX_CONCURRENT, TIMEOUT, RETRY, IN_DOUBT, IDEMPOTENT, OWNER, EXPECT],
};

/// A step of `rollback.steps`.
pub static ROLLBACK_STEP: Table = Table {
    what: "a step of the rollback",
    example: "{ undo: everything }",
    open: false,
    keys: &[
        NEEDS,
        MAY_ACT,
        Key::optional("undo", Form::UndoScope, "instead of an action: the steps to undo, or `everything`"),
        TARGET_NAME,
        WITH,
        WHEN,
        FOREACH,
        MAX_CONCURRENT,
        TIMEOUT,
        RETRY,
        ON_FAILURE_BACK,
        IN_DOUBT,
        IDEMPOTENT,
        OWNER,
        CONFIRM,
        PROTECTED,
        EXPECT,
    ],
};

/// `undo` as another action.
pub static UNDO_CALL: Table = Table {
    what: "an undo",
    example: "{ action: command, with: { argv: [./reopen] } }",
    open: false,
    keys: &[ACTION, TARGET_NAME, WITH],
};

/// `rollback`.
pub static ROLLBACK: Table = Table {
    what: "the rollback",
    example: "{ decide: { role: commander } }",
    open: false,
    keys: &[
        Key::optional("decide", Form::Block(&ROLE), "who may order it by hand"),
        Key::optional("steps", Form::Blocks(&ROLLBACK_STEP, 0), "the way back as a branch of its own"),
    ],
};

/// A roster file.
pub static ROSTER: Table = Table {
    what: "a roster",
    example: "{ persons: { alice: { name: Alice Miller } } }",
    open: false,
    keys: &[
        Key::required("persons", Form::Blocks(&PERSON, 1), "the persons by the name that runbooks use"),
        Key::optional(
            "allowed_signers",
            Form::Text,
            "the file with the keys that sign, as OpenSSH reads it; principals are persons",
        ),
        Key::optional("revoked_keys", Form::Text, "a file with public keys that no longer count, one a line"),
        Key::optional(
            "consoles",
            Form::Texts,
            "login names under which a console runs; it is believed about who signed in there",
        ),
    ],
};

/// A profile: other targets for the same steps.
pub static PROFILE: Table = Table {
    what: "a profile",
    example: "{ targets: { old: { connector: sqlite, path: staging-old.db } } }",
    open: false,
    keys: &[
        Key::optional(
            "targets",
            Form::Blocks(&TARGET, 0),
            "every target of the runbook, elsewhere; relative paths start where its own do",
        ),
        Key::optional("params", Form::Open, "values of the runbook's parameters; what the command line gives wins"),
        Key::optional("environment", Form::Text, "where it acts: what a protected gate asks for; the name of the file when none"),
        Key::optional("window", Form::Block(&WINDOW), "when the rehearsal may act; at any time when none"),
    ],
};

/// One entry of `persons`.
pub static PERSON: Table = Table {
    what: "a person",
    example: "{ name: Alice Miller, roles: [commander] }",
    open: false,
    keys: &[
        Key::required("name", Form::Text, "the name as people say it"),
        Key::optional("roles", Form::Names, "what this person may decide"),
        Key::optional("local_users", Form::Texts, "login names on the executor's host that are this person"),
        Key::optional(
            "emails",
            Form::Texts,
            "the addresses under which this person commits to git; for gates that exclude the last editor",
        ),
        Key::optional("deputies", Form::Names, "who may decide in this person's roles when this person does not"),
        Key::optional("keys", Form::PublicKeys, "public keys, one line each as in an `authorized_keys` file"),
    ],
};
