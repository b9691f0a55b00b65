//! PostgreSQL.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::{ActionSpec, ConnectorSpec, ParamSpec, ParamType};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "postgres",
    summary: "One database of a PostgreSQL server",
    settings: &[
        ParamSpec::required("url", ParamType::Text, "`postgres://user@host:port/database`, without a password"),
        PASSWORD,
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional(
                    "system_identifier",
                    ParamType::Text,
                    "what `SELECT system_identifier FROM pg_control_system()` must answer, asserted in every session before it acts",
                ),
                ParamSpec::optional("in_recovery", ParamType::Boolean, "whether the server must be a standby"),
            ]),
            "{}",
            "how to tell that it is the right server",
        ),
    ],
}];
