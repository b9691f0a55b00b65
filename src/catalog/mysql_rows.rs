//! Rows of MySQL and MariaDB: reading them, and deleting a known number of them.

use super::{ActionSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

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
            ParamSpec::default(
                "bind",
                ParamType::Map(&ParamType::Any),
                "{}",
                "the values of `:name` parameters in the statement",
            ),
            ParamSpec::default(
                "expect",
                ParamType::Map(&ParamType::Condition),
                "{}",
                "conditions on the columns of the first row",
            ),
            ParamSpec::optional("rows", ParamType::Condition, "a condition on how many rows there are"),
        ],
        outputs: &[
            OutputSpec { name: "row_count", doc: "how many rows there are" },
            OutputSpec { name: "first", doc: "the first row by column name; null when there is none" },
            OutputSpec { name: "rows", doc: "the first 100 rows" },
        ],
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
        params: &[
            ParamSpec::required("table", ParamType::Text, "the table, as `database.table`"),
            ParamSpec::required("where", ParamType::Map(&ParamType::Condition), "conditions by column; at least one"),
            ParamSpec::required("rows", ParamType::Condition, "how many rows it must delete, exactly or as a bound"),
        ],
        outputs: &[OutputSpec { name: "rows", doc: "how many rows it deleted" }],
        repeat: Repeat::Unknown,
        has_probe: true,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
];
