//! Where a host is, who logs in there, and by which key it is recognised: a target's settings, taken apart.

use std::path::PathBuf;
use std::time::Duration;

use crate::connectors::{ActionError, Call, Target};
use crate::model::Span;

/// The settings of one target.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) login: Login,
    pub(super) trust: Trust,
    pub(super) connect_within: Duration,
    /// The words before every program.
    pub(super) prefix: Vec<String>,
    pub(super) max_sessions: usize,
    /// Where attempts are kept at the host; the account's home when none.
    pub(super) run_dir: Option<String>,
}

/// How Pointsman shows who it is.
#[derive(Clone)]
pub(super) enum Login {
    /// By a private key in a file.
    Key { path: PathBuf, passphrase: Option<String> },
    /// By whatever the agent holds, reached through this socket or through `SSH_AUTH_SOCK`.
    Agent { socket: Option<PathBuf> },
}

/// How the host shows who it is. There is no third way.
#[derive(Clone)]
pub(super) enum Trust {
    /// A file of known hosts.
    KnownHosts(PathBuf),
    /// One key: `SHA256:…`, or a key line.
    Pinned(String),
}

impl Address {
    pub(super) fn of(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let settings = &target.settings;
        let path = |key: &str| settings.opt_text(key).map(|text| text.map(|text| call.base_dir.join(text)));
        let login = match (path("key")?, settings.flag("agent")?) {
            (Some(path), false) => Login::Key { path, passphrase: settings.opt_text("passphrase")?.map(str::to_owned) },
            (None, true) => Login::Agent { socket: path("agent_socket")? },
            (Some(_), true) => return Err(ActionError::untouched("the target gives both `key` and `agent`: give one")),
            (None, false) => return Err(ActionError::untouched("the target needs `key` or `agent: true`")),
        };
        let trust = match (path("known_hosts")?, settings.opt_text("host_key")?) {
            (Some(file), None) => Trust::KnownHosts(file),
            (None, Some(key)) => Trust::Pinned(key.trim().to_owned()),
            _ => return Err(ActionError::untouched("the target needs `known_hosts` or `host_key`, and not both")),
        };
        let whole = |key: &str, default: i64| settings.opt_integer(key).map(|number| number.unwrap_or(default));
        let prefix: &[&str] = if settings.flag("sudo")? { &["sudo", "-n", "--"] } else { &[] };
        Ok(Self {
            host: settings.text("host")?.to_owned(),
            port: u16::try_from(whole("port", 22)?).map_err(|_| ActionError::untouched("`port` is no port"))?,
            user: settings.text("user")?.to_owned(),
            login,
            trust,
            connect_within: settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration(),
            prefix: prefix.iter().map(|word| (*word).to_owned()).collect(),
            max_sessions: usize::try_from(whole("max_sessions", 4)?).unwrap_or(1).max(1),
            run_dir: settings.opt_text("run_dir")?.map(str::to_owned),
        })
    }

    /// For people: `user@host:port`.
    pub(super) fn shown(&self) -> String {
        format!("{}@{}:{}", self.user, self.host, self.port)
    }
}
