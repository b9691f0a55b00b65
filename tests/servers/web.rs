//! A small application behind a load balancer: it says its name, counts what it is asked, and fails or holds on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The application, on a loopback port of its own.
pub struct Web {
    pub name: String,
    pub port: u16,
    hits: Arc<AtomicU64>,
    is_failing: Arc<AtomicBool>,
    accepting: AbortHandle,
}

impl Web {
    /// An application that answers `name`. A request for `/hold` is answered with a body that never ends.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hits, is_failing) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, failing, text) = (hits.clone(), is_failing.clone(), name.to_owned());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(one(stream, text.clone(), count.clone(), failing.clone()));
            }
        });
        Self { name: name.to_owned(), port, hits, is_failing, accepting: accepting.abort_handle() }
    }

    /// How often it was asked.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    /// From now on it answers 500, or 200 again.
    pub fn fail(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    /// Nobody is accepted any more.
    pub fn stop(&self) {
        self.accepting.abort();
    }
}

async fn one(mut stream: TcpStream, name: String, hits: Arc<AtomicU64>, failing: Arc<AtomicBool>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
            request.extend_from_slice(&chunk[..read]);
        }
        hits.fetch_add(1, Ordering::SeqCst);
        let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
        request.clear();
        if path.starts_with("/hold") {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nX-Side: {name}\r\n\r\n{name}");
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(b".").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return;
        }
        let status = if failing.load(Ordering::SeqCst) { "500 Internal Server Error" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nX-Side: {name}\r\n\r\n{name}", name.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One request on a connection of its own: the status and the whole answer; none when nobody answered.
pub async fn get(port: u16, path: &str, headers: &str) -> Option<(u16, String)> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        Some((text.split(' ').nth(1)?.parse().ok()?, text))
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await.ok()?
}

/// Asks again and again until it is dropped, `every` so often, and counts the answers.
pub struct Traffic {
    asking: AbortHandle,
    ok: Arc<AtomicU64>,
    bad: Arc<AtomicU64>,
}

impl Traffic {
    pub fn on(port: u16, every: Duration) -> Self {
        let (ok, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (good, wrong) = (ok.clone(), bad.clone());
        let asking = tokio::spawn(async move {
            loop {
                let is_good = get(port, "/", "").await.is_some_and(|(status, _)| status == 200);
                (if is_good { &good } else { &wrong }).fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(every).await;
            }
        });
        Self { asking: asking.abort_handle(), ok, bad }
    }

    /// How many answers were 200.
    pub fn ok(&self) -> u64 {
        self.ok.load(Ordering::SeqCst)
    }

    /// How many were something else, or nothing.
    pub fn bad(&self) -> u64 {
        self.bad.load(Ordering::SeqCst)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.asking.abort();
    }
}
