//! Replication between MySQL or MariaDB servers: waiting, stopping, promoting, turning round.

use super::{ActionSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("mysql");
const EVERY: ParamSpec = ParamSpec::default("every", ParamType::Duration, "\"200ms\"", "the pause between two askings");
const WITHIN: ParamSpec = ParamSpec::required("within", ParamType::Duration, "how long it may take");
const NO_PROGRESS: ParamSpec =
    ParamSpec::default("no_progress_for", ParamType::Duration, "\"30s\"", "it fails when nothing moved for this long");
const CHANNEL: ParamSpec = ParamSpec::default(
    "channel",
    ParamType::Text,
    "\"\"",
    "the connection (MariaDB) or channel (MySQL) of a server with several sources; the unnamed one when left out",
);

const WAIT: ActionSpec = ActionSpec {
    name: "mysql.wait_replica",
    summary: "Waits until a replica has applied everything up to a fence; a replica that cannot get there fails at once",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "fence",
            ParamType::Text,
            "the last position of the source, such as `{{ steps.freeze-old.outputs.fence }}`",
        ),
        CHANNEL,
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "applied", doc: "the position that was applied, as GTIDs" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[WAIT];
