//! MySQL and MariaDB: one connector, the dialects told apart by the server.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::{ActionSpec, ConnectorSpec, ParamSpec, ParamType};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "mysql",
    summary: "A MySQL or MariaDB server",
    settings: &[
        ParamSpec::required(
            "url",
            ParamType::TextOrSecret,
            "`mysql://user@host:port/database`, without password and options; the port is 3306 when left out",
        ),
        PASSWORD,
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional("server_id", ParamType::Integer, "what `@@server_id` must answer"),
                ParamSpec::optional("server_uuid", ParamType::Text, "what `@@server_uuid` must answer; MariaDB has none"),
            ]),
            "{}",
            "how to tell that it is the right server, asserted in every session before it acts",
        ),
    ],
}];
