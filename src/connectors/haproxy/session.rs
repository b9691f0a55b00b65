//! One session with one HAProxy process: opened, identified, recorded, and ended in time.
//!
//! The session is interactive (`prompt`), because then the question who this is and every change are one connection: a
//! reload between the two hands the socket to another process and ends this session, instead of answering for it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::{ActionError, Call, Noted, Recorder, Target};
use crate::model::{Arguments, Span, Value};

/// Where a process listens for commands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Address {
    Tcp(String),
    Unix(PathBuf),
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open, identified session.
pub(super) struct Session {
    /// The address as the target writes it.
    pub(super) address: String,
    wire: Box<dyn Wire>,
    recorder: Recorder,
    patience: Patience,
    /// Who the process says it is.
    pub(super) process: Process,
}

/// What a process says about itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Process {
    pub(super) node: String,
    pub(super) description: String,
    pub(super) version: String,
    pub(super) pid: u64,
    pub(super) uptime_s: u64,
}

/// Why a command has no good answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum AskError {
    /// HAProxy answered, and refused.
    #[error("HAProxy refused it: {0}")]
    Refused(String),
    /// The connection ended, or the time was up, before the answer came.
    #[error("no answer came: {0}")]
    Lost(String),
}

impl From<AskError> for ActionError {
    fn from(error: AskError) -> Self {
        Self::untouched(error.to_string())
    }
}

impl From<Stopped> for AskError {
    fn from(stopped: Stopped) -> Self {
        Self::Lost(stopped.to_string())
    }
}

/// What ends every answer of an interactive session.
const PROMPT: &str = "\n> ";

/// The longest answer that is read. A map with a million entries is about 60 MB.
const LONGEST: usize = 256 * 1024 * 1024;

impl Address {
    fn parse(text: &str) -> Result<Self, ActionError> {
        let explain = || {
            ActionError::untouched(format!("`{text}` is no address of a runtime API"))
                .hint("write `tcp://host:port` or `unix:///path/of/the.sock`")
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return if rest.contains(':') && !rest.contains('/') { Ok(Self::Tcp(rest.to_owned())) } else { Err(explain()) };
        }
        text.strip_prefix("unix://").filter(|path| path.starts_with('/')).map(|path| Self::Unix(path.into())).ok_or_else(explain)
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Wire>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// The addresses of a target, as they are written. Every process must be named: each has a state of its own.
pub(super) fn addresses(target: &Target) -> Result<Vec<String>, ActionError> {
    let mut all = target.settings.texts("addresses")?;
    all.extend(target.settings.opt_text("address")?.map(str::to_owned));
    if all.is_empty() {
        return Err(ActionError::untouched("the target needs `address`, or `addresses` with one of every process"));
    }
    for (at, address) in all.iter().enumerate() {
        Address::parse(address)?;
        if all[..at].contains(address) {
            return Err(ActionError::untouched(format!("the address `{address}` stands twice in the target")));
        }
    }
    Ok(all)
}

impl Session {
    /// Connects to the process behind `address`, the one at `index` of the target, and asserts who it is.
    pub(super) async fn open(call: &Call, target: &Target, index: usize, address: &str) -> Result<Self, ActionError> {
        let patience = Patience::of(call);
        let within = target.settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration();
        let failed = |why: String| ActionError::untouched(format!("{address} cannot be reached: {why}"));
        let place = Address::parse(address)?;
        let connecting = patience.at_most(within);
        let wire = tokio::select! {
            wire = place.connect() => wire.map_err(|error| failed(error.to_string()))?,
            stopped = connecting.over() => return Err(failed(stopped.to_string())),
        };
        let (address, recorder) = (address.to_owned(), call.recorder.clone());
        let mut session = Self { address, wire, recorder, patience: connecting, process: Process::default() };
        let shake = async |session: &mut Self| -> Result<String, AskError> {
            session.exchange("prompt").await?;
            // The default of ten seconds would end the session in the middle of a dwell.
            session.exchange("set timeout cli 3600").await?;
            session.ask("show info").await
        };
        let info = shake(&mut session).await.map_err(|error| failed(error.to_string()))?;
        session.process = Process::parse(&info);
        session.patience = patience;
        session.process.assert(&session.address, index, &Arguments::new(target.settings.map("identity")?))?;
        Ok(session)
    }

    /// Asks something that changes nothing.
    pub(super) async fn ask(&mut self, command: &str) -> Result<String, AskError> {
        self.recorded(command, Recorder::question).await
    }

    /// Sends a command that changes something: HAProxy answers nothing when it did it.
    pub(super) async fn change(&mut self, command: &str) -> Result<(), AskError> {
        let answer = self.recorded(command, Recorder::statement).await?;
        if answer.trim().is_empty() { Ok(()) } else { Err(AskError::Refused(answer.trim().to_owned())) }
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    async fn recorded(&mut self, command: &str, noted: Noted) -> Result<String, AskError> {
        let begun = Instant::now();
        let result = self.exchange(command).await;
        let end = match &result {
            Ok(answer) if answer.trim().is_empty() => "ok".to_owned(),
            Ok(answer) if answer.len() < 100 => answer.trim().to_owned(),
            Ok(answer) => format!("{} lines", answer.trim().lines().count()),
            Err(error) => error.to_string(),
        };
        noted(&self.recorder, &format!("{}: {command}", self.address), begun.elapsed(), &end);
        result
    }

    async fn exchange(&mut self, command: &str) -> Result<String, AskError> {
        self.patience.check()?;
        let lost = |error: std::io::Error| AskError::Lost(error.to_string());
        let patience = self.patience.clone();
        let wire = &mut self.wire;
        let talk = async {
            wire.write_all(format!("{command}\n").as_bytes()).await.map_err(lost)?;
            wire.flush().await.map_err(lost)?;
            let mut answer = Vec::new();
            let mut chunk = [0; 16 * 1024];
            while !answer.ends_with(PROMPT.as_bytes()) {
                match wire.read(&mut chunk).await.map_err(lost)? {
                    0 => return Err(AskError::Lost("the process closed the connection".to_owned())),
                    read => answer.extend_from_slice(&chunk[..read]),
                }
                if answer.len() > LONGEST {
                    return Err(AskError::Lost(format!("the answer is longer than {LONGEST} bytes")));
                }
            }
            answer.truncate(answer.len() - PROMPT.len());
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        tokio::select! {
            answer = talk => answer,
            stopped = patience.over() => Err(stopped.into()),
        }
    }
}

impl Process {
    fn parse(info: &str) -> Self {
        let find = |key: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.map_or_else(String::new, |value| value.trim().to_owned())
        };
        Self {
            node: find("node"),
            description: find("description"),
            version: find("Version"),
            pid: find("Pid").parse().unwrap_or_default(),
            uptime_s: find("Uptime_sec").parse().unwrap_or_default(),
        }
    }

    fn assert(&self, address: &str, index: usize, expected: &Arguments) -> Result<(), ActionError> {
        let wrong = |what: &str, found: &str, wanted: &str| {
            ActionError::untouched(format!("{address} is another process: its {what} is `{found}`, the target says `{wanted}`"))
        };
        if self.pid == 0 || self.version.is_empty() {
            return Err(ActionError::untouched(format!("{address} does not answer `show info` as HAProxy does")));
        }
        if let Some(wanted) = expected.opt_text("description")?.filter(|wanted| *wanted != self.description) {
            return Err(wrong("description", &self.description, wanted));
        }
        if let Some(wanted) = expected.opt_text("version")?.filter(|wanted| !self.version.starts_with(*wanted)) {
            return Err(wrong("version", &self.version, wanted));
        }
        let nodes = expected.texts("nodes")?;
        match nodes.get(index) {
            None if !nodes.is_empty() => {
                Err(ActionError::untouched("`identity.nodes` must name one node for every address, in their order"))
            }
            Some(wanted) if *wanted != self.node => Err(wrong("node", &self.node, wanted)),
            Some(_) | None => Ok(()),
        }
    }

    /// For identities and snapshots.
    pub(super) fn to_value(&self, address: &str) -> Value {
        json!({
            "address": address, "node": self.node, "description": self.description, "version": self.version, "pid": self.pid,
        })
    }
}

/// How long HAProxy may take to show what was just sent, or to end sessions that were shut.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
