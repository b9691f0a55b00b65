//! Keys that the targets of several connectors have in common.

use super::{ParamSpec, ParamType};

/// How a connection is protected.
pub(super) const TLS: ParamSpec = ParamSpec::optional(
    "tls",
    ParamType::Object(&[
        ParamSpec::default(
            "mode",
            ParamType::OneOf(&["off", "verify-ca", "verify-full"]),
            "\"verify-full\"",
            "`verify-ca` checks the chain and not the server's name, for servers that are reached by address",
        ),
        ParamSpec::optional("ca", ParamType::Text, "a PEM file with the authorities to trust; the system's when left out"),
        ParamSpec::optional("cert", ParamType::Text, "a PEM file with the client's certificate"),
        ParamSpec::optional("key", ParamType::Text, "a PEM file with the client's private key"),
    ]),
    "encrypts the connection; relative paths start at the runbook's folder",
);

/// How long it may take to connect.
pub(super) const CONNECT_WITHIN: ParamSpec =
    ParamSpec::default("connect_within", ParamType::Duration, "\"5s\"", "how long one attempt to connect may take");

/// The password of the account that Pointsman uses.
pub(super) const PASSWORD: ParamSpec = ParamSpec::optional("password", ParamType::Secret, "the account's password");
