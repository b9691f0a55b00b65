//! The little HTTP that a witness speaks: one kind of request with a short body, on this host.
//!
//! A checkpoint is signed by the log and its answer by the witness, so nobody on the way can forge either. It listens on the
//! loopback all the same: between two hosts an SSH tunnel (`ssh -L`) or a proxy with TLS says who may ask.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::witness::{Answer, Witness};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of a request's or answer's head, and of its body.
const LONGEST_HEAD: u64 = 8 << 10;
const LONGEST_BODY: u64 = 128 << 10;
/// How many are served at the same time; who comes later waits.
const MOST: usize = 16;

const PATH: &str = "/add-checkpoint";

/// Answers requests until the process ends.
///
/// # Errors
/// When nobody can be listened to any more.
pub fn serve(listener: &TcpListener, witness: Witness) -> io::Result<()> {
    let witness = Arc::new(Mutex::new(witness));
    let mut served: Vec<thread::JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        served.retain(|thread| !thread.is_finished());
        if served.len() >= MOST {
            let _ = served.remove(0).join();
        }
        let witness = witness.clone();
        served.push(thread::spawn(move || {
            if let Err(error) = answer(&stream, &witness) {
                tracing::debug!("a request to the witness came to nothing: {error}");
            }
        }));
    }
    Ok(())
}

fn answer(stream: &TcpStream, witness: &Mutex<Witness>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (first, body) = read(stream)?;
    let (status, text, kind) = match first.split(' ').collect::<Vec<_>>().as_slice() {
        ["POST", path, _] if path.trim_end_matches('/').ends_with(PATH) => {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
            let answer = match witness.lock() {
                Ok(mut witness) => witness.add_checkpoint(&body, time).map_err(|error| error.to_string()),
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
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reason(status),
        text.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

/// Sends a body to a witness and gives the status and the body of its answer.
///
/// # Errors
/// When it cannot be reached, or does not answer in time.
pub fn ask(address: SocketAddr, prefix: &str, body: &str) -> io::Result<(u16, String)> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {}{PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        prefix.trim_end_matches('/'),
        body.len()
    );
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(body.as_bytes())?;
    let (first, body) = read(&stream)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no answer of HTTP"))
}

/// The first line and the body of a message.
fn read(stream: &TcpStream) -> io::Result<(String, String)> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut reader = BufReader::new(stream);
    let mut head = (&mut reader).take(LONGEST_HEAD);
    let mut first = String::new();
    head.read_line(&mut first)?;
    let mut len = None;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(invalid("the message ends in its head"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                let value: u64 = value.trim().parse().map_err(|_| invalid("the length is no number"))?;
                if len.replace(value).is_some_and(|before| before != value) {
                    return Err(invalid("two lengths"));
                }
            }
            Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                return Err(invalid("a body with a length is expected"));
            }
            Some(_) => {}
            None => return Err(invalid("a line of the head is none")),
        }
    }
    let len = len.unwrap_or(0);
    if len > LONGEST_BODY {
        return Err(invalid("the body is too long"));
    }
    let mut body = vec![0; usize::try_from(len).map_err(|_| invalid("the body is too long"))?];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(|_| invalid("the body is no text"))?;
    Ok((first.trim_end().to_owned(), body))
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        _ => "Internal Server Error",
    }
}
