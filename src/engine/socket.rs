//! The local socket of a live run. The kernel says which user is at the other end; nobody types a name here.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as ClientStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use tokio_util::task::TaskTracker;

use super::message::{Reply, Request};
use super::{EngineError, Home, identity, logbook, notary};
use crate::journal::RunFolder;
use crate::model::{Actor, Roster};
use crate::run::{Answer, Command};

const NAME: &str = "socket";
/// An order is a line of at most this many bytes.
const LONGEST_LINE: u64 = 256 << 10;
/// A peer that says nothing for this long is hung up on.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long answers may take to get out once the executor lets go.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An order that came in, with its authenticated giver and the way back to them.
#[derive(Debug)]
pub(super) struct Incoming {
    pub command: Command,
    pub by: Actor,
    pub answer: oneshot::Sender<Answer>,
}

/// Listens in the run's folder until the returned guard is dropped.
pub(super) fn listen(
    home: &Home,
    folder: &RunFolder,
    roster: Option<Roster>,
    orders: UnboundedSender<Incoming>,
) -> Result<Listening, EngineError> {
    let desk = Arc::new(Desk { home: home.clone(), folder: folder.clone(), roster, orders });
    let folder = folder.path();
    let io = |attempted| EngineError::io(attempted, folder.join(NAME));
    let path = folder.join(NAME);
    // We hold the run's lock, so an old socket file is a dead executor's.
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("cannot remove the socket of an earlier executor")(error)),
    }
    let handle = File::open(folder).map_err(io("cannot open the folder of the run"))?;
    let listener = UnixListener::bind(short_path(&handle)).map_err(io("cannot listen on the socket of the run"))?;
    home.protect(&path)?;
    let talks = TaskTracker::new();
    let tracker = talks.clone();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tracker.spawn(serve(stream, desk.clone()));
        }
    });
    Ok(Listening { path, task, talks })
}

/// A socket that is listened on; dropping it ends that.
#[derive(Debug)]
pub(super) struct Listening {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
    talks: TaskTracker,
}

impl Listening {
    /// Takes no more orders, and lets the answers that are under way get out: the order that ends a run is answered too.
    pub(super) async fn finish(self) {
        self.task.abort();
        self.talks.close();
        if tokio::time::timeout(LAST_WORDS, self.talks.wait()).await.is_err() {
            tracing::debug!("a peer was still silent when the executor let go");
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        // A socket that stays behind is removed by the next executor.
        let _ = fs::remove_file(&self.path);
    }
}

/// What is needed to take an order.
#[derive(Debug)]
struct Desk {
    home: Home,
    folder: RunFolder,
    roster: Option<Roster>,
    orders: UnboundedSender<Incoming>,
}

async fn serve(stream: UnixStream, desk: Arc<Desk>) {
    let exchange = async {
        let uid = stream.peer_cred()?.uid();
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        AsyncBufReader::new(reading.take(LONGEST_LINE)).read_line(&mut line).await?;
        let reply = match serde_json::from_str::<Request>(&line) {
            Ok(request) => ask(request, uid, &desk).await,
            Err(error) => Reply::NotApplicable(format!("the order could not be read: {error}")),
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        writing.write_all(text.as_bytes()).await
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an order's connection broke"),
        Err(_) => tracing::debug!("an order's connection was silent and is closed"),
    }
}

async fn ask(request: Request, uid: u32, desk: &Arc<Desk>) -> Reply {
    let (claim, order) = (request.claim(), request.name());
    let command = notary::looked_up(request.order.into(), &desk.home, &desk.folder);
    let by = match identity::giver(&command, desk.roster.as_ref(), uid, &claim) {
        Ok(by) => by,
        Err(error) => {
            let (desk, why) = (desk.clone(), error.to_string());
            // The log may be large and the disk slow: no turn of the run waits for this.
            tokio::task::spawn_blocking(move || logbook::refused(&desk.home, &desk.folder, &order, uid, &why));
            return Reply::Forbidden(error.to_string());
        }
    };
    let (answer, answered) = oneshot::channel();
    let gone = || Reply::NotApplicable("the executor is letting go of the run; order it again".to_owned());
    if desk.orders.send(Incoming { command, by, answer }).is_err() {
        return gone();
    }
    answered.await.map_or_else(|_| gone(), Reply::from)
}

/// Sends an order to the executor of a live run; `None` when nobody listens.
pub(super) fn send(folder: &Path, request: &Request) -> Result<Option<Answer>, EngineError> {
    let Ok(handle) = File::open(folder) else { return Ok(None) };
    let Ok(mut stream) = ClientStream::connect(short_path(&handle)) else { return Ok(None) };
    let broken = |error: std::io::Error| EngineError::NoAnswer(error.to_string());
    stream.set_read_timeout(Some(PATIENCE * 3)).map_err(broken)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    let mut line = serde_json::to_string(request).map_err(|error| EngineError::NoAnswer(error.to_string()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(broken)?;
    let mut reply = String::new();
    BufReader::new(stream).take(LONGEST_LINE).read_line(&mut reply).map_err(broken)?;
    if reply.is_empty() {
        return Err(EngineError::NoAnswer("it hung up; `status` tells whether the order was recorded".to_owned()));
    }
    let reply: Reply = serde_json::from_str(&reply).map_err(|error| EngineError::NoAnswer(error.to_string()))?;
    Ok(Some(reply.into()))
}

/// The socket's path through an open folder: socket paths are limited to about 100 bytes, folders are not.
fn short_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}
