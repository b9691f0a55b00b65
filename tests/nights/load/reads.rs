//! Reads: requests over kept-alive connections at an even rate, each answer held against what the catalogue says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Crew, Rate};

/// What the readers saw.
#[derive(Clone, Default)]
pub struct Reads(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    answered: BTreeMap<String, usize>,
    errors: Vec<Wrong>,
}

/// A read that did not get what it asked for.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Zero when nobody answered.
    pub status: u16,
    /// Who answered, as the answer says.
    pub side: String,
    pub why: String,
}

/// One answer.
struct Answer {
    status: u16,
    side: String,
    body: String,
}

impl Reads {
    /// How many reads a side answered rightly.
    pub fn by(&self, side: &str) -> usize {
        self.0.lock().unwrap().answered.get(side).copied().unwrap_or_default()
    }

    /// How many were answered rightly at all.
    pub fn answered(&self) -> usize {
        self.0.lock().unwrap().answered.values().sum()
    }

    pub fn errors(&self) -> Vec<Wrong> {
        self.0.lock().unwrap().errors.clone()
    }

    fn write(&self, product: u32, answer: Result<Answer, String>) {
        let mut seen = self.0.lock().unwrap();
        let wrong = match answer {
            Ok(answer) if answer.status == 200 && answer.body.starts_with(&format!("{{\"product\":{product},")) => {
                *seen.answered.entry(answer.side).or_default() += 1;
                return;
            }
            Ok(answer) => Wrong { status: answer.status, side: answer.side, why: answer.body },
            Err(why) => Wrong { status: 0, side: String::new(), why },
        };
        seen.errors.push(wrong);
    }
}

/// Puts readers to work at a port.
pub fn read(port: u16, rate: &Rate, reads: &Reads) -> Crew {
    let (rate, reads) = (rate.clone(), reads.clone());
    Crew::start(vec![async move |stop: Arc<AtomicBool>| {
        let pause = Duration::from_secs(1) * rate.clients / rate.per_second;
        join_all((0..rate.clients).map(|number| client(number, port, pause, reads.clone(), stop.clone()))).await;
    }])
}

async fn client(number: u32, port: u16, pause: Duration, reads: Reads, stop: Arc<AtomicBool>) {
    const LONGEST: Duration = Duration::from_secs(30);
    let mut connection = None;
    let mut next = tokio::time::interval(pause);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in number.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        next.tick().await;
        let product = count % 20 + 1;
        let answer = tokio::time::timeout(LONGEST, read_once(&mut connection, port, product)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer".to_owned()));
        if answer.is_err() {
            connection = None;
        }
        reads.write(product, answer);
    }
}

async fn read_once(connection: &mut Option<TcpStream>, port: u16, product: u32) -> Result<Answer, String> {
    let stream = match connection {
        Some(open) => open,
        None => connection.insert(TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?),
    };
    let request = format!("GET /catalogue/{product}.json HTTP/1.1\r\nHost: shop\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let got = stream.read(&mut chunk).await.map_err(|error| error.to_string())?;
        if got == 0 {
            return Err("the connection ended before the answer did".to_owned());
        }
        text.extend_from_slice(&chunk[..got]);
        if let Some(answer) = whole(&String::from_utf8_lossy(&text)) {
            return Ok(answer);
        }
    }
}

/// An answer, once all of it is there.
fn whole(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Answer { status, side: header("x-side").unwrap_or_default(), body: body.to_owned() })
}
