//! The little HTTP that a witness speaks: one kind of request with a short body.
//!
//! A checkpoint is signed by the log and its answer by the witness, so nobody on the way can forge either. On the loopback it
//! is spoken as it is. Between two hosts it goes through TLS, and a token says who may ask.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::asked::Trusted;
use super::tls::protect;
pub use super::tls::{Certificate, HAS_TLS};
use super::token::{Token, Tokens};
use super::witness::{Answer, Witness};

/// How long a connection lasts, whatever either side does meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most bytes of a request's or answer's head, and of its body.
const LONGEST_HEAD: u64 = 8 << 10;
const LONGEST_BODY: u64 = 128 << 10;
/// How many are served at the same time; who comes later waits.
const MOST: usize = 16;

const PATH: &str = "/add-checkpoint";

/// Whom a witness lets in.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// What it shows to whoever asks; without it the connection is not protected.
    pub certificate: Option<Certificate>,
    /// The tokens of those who may ask; without any everybody may.
    pub tokens: Tokens,
}

/// Where a witness is asked, and how.
pub(super) struct Call<'a> {
    pub host: &'a str,
    pub port: u16,
    pub prefix: &'a str,
    /// By what its certificate is known; without it the connection is not protected.
    pub trusted: Option<&'a Trusted>,
    pub token: Option<&'a Token>,
}

/// Either end of a connection.
pub(super) trait Wire: Read + Write + Send {
    /// Says that nothing follows.
    fn close(&mut self) -> io::Result<()>;
}

/// Answers requests until the process ends.
///
/// # Errors
/// When nobody can be listened to any more.
pub fn serve(listener: &TcpListener, witness: Witness, door: &Door) -> io::Result<()> {
    let witness = Arc::new(Mutex::new(witness));
    let mut served: Vec<thread::JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        served.retain(|thread| !thread.is_finished());
        if served.len() >= MOST {
            let _ = served.remove(0).join();
        }
        let (witness, door) = (witness.clone(), door.clone());
        served.push(thread::spawn(move || {
            if let Err(error) = answer(stream, &witness, &door) {
                tracing::debug!("a request to the witness came to nothing: {error}");
            }
        }));
    }
    Ok(())
}

fn answer(stream: TcpStream, witness: &Mutex<Witness>, door: &Door) -> io::Result<()> {
    let mut wire = door.open(Timed::new(stream))?;
    let request = Message::read(&mut wire)?;
    let (status, text, kind) = match request.first.split(' ').collect::<Vec<_>>().as_slice() {
        _ if !door.tokens.take(request.authorization.as_deref()) => {
            (401, "this witness knows whoever asks it by a token\n".to_owned(), "text/plain")
        }
        ["POST", path, _] if path.trim_end_matches('/').ends_with(PATH) => {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
            let answer = match witness.lock() {
                Ok(mut witness) => witness.add_checkpoint(&request.body, time).map_err(|error| error.to_string()),
                Err(_) => Err("the witness is broken".to_owned()),
            };
            match answer {
                Ok(answer) => {
                    let kind = if matches!(answer, Answer::Behind(_)) { "text/x.tlog.size" } else { "text/plain; charset=utf-8" };
                    let (status, text) = answer.http();
                    (status, text, kind)
                }
                Err(why) => {
                    tracing::warn!("the witness could not answer: {why}");
                    (500, "the witness cannot write what it has seen\n".to_owned(), "text/plain")
                }
            }
        }
        [_, path, _] if path.ends_with(PATH) => (405, "POST a checkpoint\n".to_owned(), "text/plain"),
        _ => (404, "there is only add-checkpoint here\n".to_owned(), "text/plain"),
    };
    let known_by = if status == 401 { "WWW-Authenticate: Bearer\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{known_by}Connection: close\r\n\r\n",
        reason(status),
        text.len()
    );
    wire.write_all(format!("{head}{text}").as_bytes())?;
    wire.close()
}

/// Sends a body to a witness and gives the status and the body of its answer.
///
/// # Errors
/// When it cannot be reached, is not who it should be, or does not answer in time.
pub(super) fn ask(call: &Call<'_>, body: &str) -> io::Result<(u16, String)> {
    let Call { host, port, prefix, trusted, token } = call;
    let stream = Timed::new(connect(host, *port)?);
    let mut wire: Box<dyn Wire> = match trusted {
        Some(trusted) => protect(stream, host, trusted)?,
        None => Box::new(stream),
    };
    let head = format!(
        "POST {}{PATH} HTTP/1.1\r\nHost: {}:{port}\r\n{}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        prefix.trim_end_matches('/'),
        if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() },
        token.map(Token::header).unwrap_or_default(),
        body.len()
    );
    wire.write_all(format!("{head}{body}").as_bytes())?;
    wire.flush()?;
    let answer = Message::read(&mut wire)?;
    let status = answer.first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let no_answer = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer of HTTP");
    status.map(|status| (status, answer.body)).ok_or_else(no_answer)
}

/// Whether every address of a host is this host's own loopback.
pub(super) fn is_loopback(host: &str, port: u16) -> bool {
    let found = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    !found.is_empty() && found.iter().all(|address| address.ip().is_loopback())
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Door {
    /// The end of a connection that somebody has made. Who they are is asked when they have spoken.
    fn open(&self, stream: Timed) -> io::Result<Box<dyn Wire>> {
        match &self.certificate {
            Some(certificate) => certificate.protect(stream),
            None => Ok(Box::new(stream)),
        }
    }
}

/// A connection that ends at a moment. Whoever sends a byte now and then cannot hold it longer.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    fn new(stream: TcpStream) -> Self {
        Self { stream, end: Instant::now() + PATIENCE }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Wire for Timed {
    fn close(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// A request or an answer.
struct Message {
    first: String,
    authorization: Option<String>,
    body: String,
}

impl Message {
    fn read(wire: &mut dyn Read) -> io::Result<Self> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let mut reader = BufReader::new(wire);
        let mut head = (&mut reader).take(LONGEST_HEAD);
        let mut first = String::new();
        head.read_line(&mut first)?;
        let (mut len, mut authorization) = (None, None);
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Err(invalid("the message ends in its head"));
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a line of the head is none"))?;
            if name.eq_ignore_ascii_case("content-length") {
                let value: u64 = value.trim().parse().map_err(|_| invalid("the length is no number"))?;
                if len.replace(value).is_some_and(|before| before != value) {
                    return Err(invalid("two lengths"));
                }
            } else if name.eq_ignore_ascii_case("authorization") {
                if authorization.replace(value.trim().to_owned()).is_some() {
                    return Err(invalid("two tokens"));
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(invalid("a body with a length is expected"));
            }
        }
        let len = len.unwrap_or(0);
        if len > LONGEST_BODY {
            return Err(invalid("the body is too long"));
        }
        let mut body = vec![0; usize::try_from(len).map_err(|_| invalid("the body is too long"))?];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| invalid("the body is no text"))?;
        Ok(Self { first: first.trim_end().to_owned(), authorization, body })
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        _ => "Internal Server Error",
    }
}
