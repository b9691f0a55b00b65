//! A small real HTTP/1.1 server whose answers a test chooses, with a record of what came in.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How one request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status line's rest, these header lines and this body.
    With(&'static str, &'static str, String),
    /// The request is read and the connection closed without a word.
    HangUp,
    /// The request is read and nothing ever comes.
    Silence,
    /// Half of the promised body comes, then the connection is closed.
    Half,
}

impl Reply {
    pub fn json(body: &str) -> Self {
        Self::With("200 OK", "Content-Type: application/json\r\n", body.to_owned())
    }
}

/// The requests that came in, whole.
pub type Seen = Arc<Mutex<Vec<String>>>;

/// Starts a server that answers request number n (from 0) with `reply(n)`; its address and what it saw.
pub async fn serve(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen: Seen = Seen::default();
    let (record, reply) = (seen.clone(), Arc::new(reply));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one(stream, record.clone(), reply.clone()));
        }
    });
    (address, seen)
}

async fn one(mut stream: TcpStream, seen: Seen, reply: Arc<impl Fn(usize) -> Reply>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
    }
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(String::from_utf8_lossy(&request).into_owned());
        seen.len() - 1
    };
    let answer = match reply(number) {
        Reply::With(status, headers, body) => {
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        }
        Reply::HangUp => return,
        Reply::Silence => std::future::pending().await,
        Reply::Half => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf".to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}
