//! One session with one host, on a thread of its own: connected, the host recognised, logged in, and ended in time.
//!
//! The library blocks, and dropping one of its channels on another thread is not safe. So a verb's whole work runs on the
//! session's thread; the library is asked never to block, and every wait is a poll of the socket that ends with the patience.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, ErrorCode, MethodType, Session as Wire};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::address::{Address, Login};
use super::host::Host;
use super::host_key::Known;
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Call, Target};

/// The library has nothing yet.
const EAGAIN: ErrorCode = ErrorCode::Session(-37);
/// The longest poll: between two, a stop by the engine is noticed.
const SLICE: Duration = Duration::from_millis(50);

/// A session that is logged in. Lives and dies on one thread.
pub(super) struct Session {
    wire: Wire,
    socket: TcpStream,
    /// The fingerprint of the host's key.
    pub(super) fingerprint: String,
}

/// Why the wire failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The library says so.
    #[error("{0}")]
    Library(#[from] ssh2::Error),
    /// The socket says so.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The verb has to end.
    #[error("{0}")]
    Stopped(#[from] crate::connectors::patience::Stopped),
}

/// Does `work` with a session of `target`, on that session's thread. Ends with the call's patience, whatever the host does.
pub(in crate::connectors) async fn with_host<T, W>(call: &Call, target: &Target, work: W) -> Result<T, ActionError>
where
    T: Send + 'static,
    W: FnOnce(&Host) -> Result<T, ActionError> + Send + 'static,
{
    let (address, patience) = (Address::of(call, target)?, Patience::of(call));
    let begun = Instant::now();
    let permit = tokio::select! {
        permit = permit(&address) => permit,
        stopped = patience.over() => {
            return Err(ActionError::untouched(format!("all {} sessions with {} are busy: {stopped}", address.max_sessions, address.shown())));
        }
    };
    let limit = patience.at_most(address.connect_within);
    let places = tokio::select! {
        found = tokio::net::lookup_host((address.host.clone(), address.port)) => found
            .map(Iterator::collect::<Vec<_>>)
            .map_err(|error| ActionError::untouched(format!("{} cannot be found: {error}", address.shown())))?,
        stopped = limit.over() => return Err(ActionError::untouched(format!("{} cannot be found: {stopped}", address.shown()))),
    };
    let (tell, told) = oneshot::channel();
    let (recorder, waiting) = (call.recorder.clone(), patience.clone());
    let shown = address.shown();
    let attempt = (call.run.to_string(), call.step.to_string(), call.attempt);
    let thread = std::thread::Builder::new().name("ssh".to_owned()).spawn(move || {
        let _permit = permit;
        let opened = Session::open(&address, &places, &limit);
        let end = opened.as_ref().map_or_else(|error| error.message.clone(), |session| session.fingerprint.clone());
        recorder.question(&format!("ssh {}", address.shown()), begun.elapsed(), &end);
        let result = opened.and_then(|session| {
            let host = Host::new(session, address, recorder, waiting, attempt);
            work(&host)
        });
        // Nobody listens any more when the verb was dropped.
        let _ = tell.send(result);
    });
    thread.map_err(|error| ActionError::untouched(format!("no thread for a session: {error}")))?;
    // Every wait of the thread ends by itself; what the system could still hold up is a name service or an agent.
    let grace = patience.left() + Duration::from_millis(400);
    match tokio::time::timeout(grace, told).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ActionError::in_doubt(format!("the session with {shown} ended in a panic"))),
        Err(_) => Err(ActionError::in_doubt(format!("the session with {shown} does not end"))),
    }
}

/// Room for one more session with a host.
async fn permit(address: &Address) -> Option<OwnedSemaphorePermit> {
    type Rooms = HashMap<(String, usize), Arc<Semaphore>>;
    static ROOMS: Mutex<Option<Rooms>> = Mutex::new(None);
    let room = {
        let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (address.shown(), address.max_sessions);
        rooms.get_or_insert_default().entry(key).or_insert_with(|| Arc::new(Semaphore::new(address.max_sessions))).clone()
    };
    // The semaphore is never closed.
    room.acquire_owned().await.ok()
}

impl Session {
    fn open(address: &Address, places: &[SocketAddr], patience: &Patience) -> Result<Self, ActionError> {
        let known = Known::of(address)?;
        let mut last = ActionError::untouched(format!("{} has no address", address.shown()));
        for kind in known.kinds() {
            match Self::shake_hands(address, places, kind, patience) {
                Ok((wire, socket)) => match known.check(&wire, address) {
                    Ok(fingerprint) => {
                        let session = Self { wire, socket, fingerprint };
                        session.log_in(address, patience)?;
                        return Ok(session);
                    }
                    Err(error) => last = error,
                },
                // A host without a key of this kind. What was refused already says more.
                Err(WireError::Library(error)) if is_no_common_kind(&error) => {
                    if last.hint.is_none() {
                        last = ActionError::untouched(format!("{} has no host key of a known kind", address.shown()));
                    }
                }
                Err(error) => return Err(ActionError::untouched(format!("{} cannot be reached: {error}", address.shown()))),
            }
        }
        Err(last)
    }

    fn shake_hands(
        address: &Address,
        places: &[SocketAddr],
        kind: &str,
        patience: &Patience,
    ) -> Result<(Wire, TcpStream), WireError> {
        let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for place in places {
            patience.check()?;
            result = TcpStream::connect_timeout(place, patience.left().max(Duration::from_millis(1)).min(address.connect_within));
            if result.is_ok() {
                break;
            }
        }
        let socket = result?;
        socket.set_nodelay(true)?;
        let mut wire = Wire::new()?;
        wire.method_pref(MethodType::HostKey, kind)?;
        wire.set_tcp_stream(socket.try_clone()?);
        wire.set_blocking(false);
        let mut shaking = wire.clone();
        retry(&wire, &socket, patience, || shaking.handshake())?;
        Ok((wire, socket))
    }

    fn log_in(&self, address: &Address, patience: &Patience) -> Result<(), ActionError> {
        let refused =
            |error: WireError| ActionError::untouched(format!("{} does not let Pointsman in: {error}", address.shown()));
        match &address.login {
            Login::Key { path, passphrase } => {
                // Without this check the library says only that it cannot get the public key.
                std::fs::File::open(path)
                    .map_err(|error| ActionError::untouched(format!("the key {} cannot be read: {error}", path.display())))?;
                self.retry(patience, || self.wire.userauth_pubkey_file(&address.user, None, path, passphrase.as_deref()))
                    .map_err(refused)
            }
            Login::Agent { socket } => {
                let failed = |error: ssh2::Error| ActionError::untouched(format!("the ssh agent cannot be used: {error}"));
                let mut agent = self.wire.agent().map_err(failed)?;
                if let Some(path) = socket {
                    agent.set_identity_path(path).map_err(failed)?;
                }
                agent.connect().map_err(failed)?;
                agent.list_identities().map_err(failed)?;
                let mut last = ActionError::untouched("the ssh agent holds no key");
                for key in agent.identities().map_err(failed)? {
                    match self.retry(patience, || agent.userauth(&address.user, &key)) {
                        Ok(()) => return Ok(()),
                        Err(error) => last = refused(error),
                    }
                }
                Err(last)
            }
        }
    }

    /// The library's own session.
    pub(super) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Asks the library until it has an answer.
    pub(super) fn retry<T>(&self, patience: &Patience, ask: impl FnMut() -> Result<T, ssh2::Error>) -> Result<T, WireError> {
        retry(&self.wire, &self.socket, patience, ask)
    }

    /// Waits until the socket moves, at most for a slice.
    pub(super) fn wait(&self, patience: &Patience) -> Result<(), WireError> {
        wait(&self.wire, &self.socket, patience)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nothing that the library still wants to say may hold anybody up.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn retry<T>(
    wire: &Wire,
    socket: &TcpStream,
    patience: &Patience,
    mut ask: impl FnMut() -> Result<T, ssh2::Error>,
) -> Result<T, WireError> {
    loop {
        match ask() {
            Err(error) if error.code() == EAGAIN => wait(wire, socket, patience)?,
            result => return Ok(result?),
        }
    }
}

fn wait(wire: &Wire, socket: &TcpStream, patience: &Patience) -> Result<(), WireError> {
    patience.check()?;
    let flags = match wire.block_directions() {
        BlockDirections::None | BlockDirections::Inbound => PollFlags::POLLIN,
        BlockDirections::Outbound => PollFlags::POLLOUT,
        BlockDirections::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
    };
    let span = patience.left().min(SLICE).max(Duration::from_millis(1));
    let timeout = PollTimeout::from(u8::try_from(span.as_millis()).unwrap_or(u8::MAX));
    match poll(&mut [PollFd::new(socket.as_fd(), flags)], timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(WireError::Socket(error.into())),
    }
}

/// Whether the two sides have no kind of host key in common: the library's "unable to exchange encryption keys".
fn is_no_common_kind(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-5 | -8))
}
