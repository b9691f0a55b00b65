//! Rows of MySQL and MariaDB: reading them, and deleting a known number of them.

use super::rows::{ANSWER, BIND, DELETED, EXPECT, ROWS, TO_DELETE, WHERE};
use super::{ActionSpec, Nature, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("mysql");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "mysql.query",
        summary: "Reads rows in a read-only transaction, and holds them to conditions",
        nature: Nature::ReadOnly,
        target: TARGET,
        params: &[
            ParamSpec::required(
                "sql",
                ParamType::Program,
                "one SELECT or SHOW; templates are refused in it, values arrive through `bind`",
            ),
            BIND,
            EXPECT,
            ROWS,
        ],
        outputs: ANSWER,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "mysql.delete",
        summary: "Deletes the rows that conditions choose; rolled back when their number is not as expected",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[ParamSpec::required("table", ParamType::Text, "the table, as `database.table`"), WHERE, TO_DELETE],
        outputs: DELETED,
        repeat: Repeat::Unknown,
        has_probe: true,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
];
