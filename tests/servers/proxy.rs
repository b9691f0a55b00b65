//! A TCP proxy with faults: between Pointsman and a server it cuts, delays, or swallows. It counts the faults that fired.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// They pass.
    None,
    /// Every chunk waits this long in each direction.
    Latency(Duration),
    /// New connections are closed, open ones are cut at once.
    Cut,
    /// Bytes are read and never handed on; connections stay open.
    Blackhole,
}

/// Where on its way an order is caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Before it reaches the server.
    Order,
    /// The server has carried it out, and its answer is on the way back.
    Answer,
}

/// What happens to the connection then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// It is cut.
    Cut,
    /// It stands still until the server closes it.
    Hold,
    /// The client is told this instead, and then it is cut.
    Say(&'static str),
}

/// A trap for the next order from a client that holds some text.
#[derive(Clone, Debug)]
struct Trap {
    text: String,
    at: At,
    then: Then,
}

/// The proxy, on a loopback port of its own.
pub struct Proxy {
    pub port: u16,
    fault: watch::Sender<Fault>,
    /// Cuts an answer after this many bytes from the server, once; 0 is never.
    cut_after: Arc<AtomicUsize>,
    trap: Arc<Mutex<Option<Trap>>>,
    fired: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy in front of a loopback port.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fault, watched) = watch::channel(Fault::None);
        let (cut_after, fired) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (cuts, count) = (cut_after.clone(), fired.clone());
        let trap = Arc::new(Mutex::new(None));
        let traps = trap.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (fault, cut_after, fired) = (watched.clone(), cuts.clone(), count.clone());
                let wire = Wire { fault, cut_after, trap: traps.clone(), caught: Mutex::new(None), fired };
                tokio::spawn(async move { wire.carry(client, server).await });
            }
        });
        Self { port, fault, cut_after, trap, fired }
    }

    /// From now on, for open and new connections.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Cuts a connection after `bytes` more bytes from the server, once.
    pub fn cut_after(&self, bytes: usize) {
        self.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Catches the next order that holds `text`, once. It counts as fired when it is caught.
    pub fn trap(&self, text: &str, at: At, then: Then) {
        *self.trap.lock().unwrap() = Some(Trap { text: text.to_owned(), at, then });
    }

    /// How many of the bytes of [`Proxy::cut_after`] are still to come.
    pub fn left(&self) -> usize {
        self.cut_after.load(Ordering::SeqCst)
    }

    /// How many connections were cut, refused or swallowed, and chunks delayed.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }
}

struct Wire {
    fault: watch::Receiver<Fault>,
    cut_after: Arc<AtomicUsize>,
    trap: Arc<Mutex<Option<Trap>>>,
    /// What is to happen to the next answer of this connection.
    caught: Mutex<Option<Then>>,
    fired: Arc<AtomicU64>,
}

impl Wire {
    async fn carry(self, client: TcpStream, server: u16) {
        if *self.fault.borrow() == Fault::Cut {
            self.fired.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut client_in, mut client_out) = client.into_split();
        let (mut server_in, mut server_out) = server.into_split();
        let mut fault = self.fault.clone();
        let caught = tokio::select! {
            caught = self.pump(&mut client_in, &mut server_out, false) => caught,
            caught = self.pump(&mut server_in, &mut client_out, true) => caught,
            _ = fault.wait_for(|fault| *fault == Fault::Cut) => {
                self.fired.fetch_add(1, Ordering::SeqCst);
                None
            }
        };
        if let Some(Then::Say(text)) = caught {
            let _ = client_out.write_all(text.as_bytes()).await;
        }
    }

    /// Whether an order is caught before it reaches the server; where its answer is meant, that is remembered.
    fn catch(&self, order: &[u8]) -> Option<Then> {
        let mut trap = self.trap.lock().unwrap();
        let found = trap.take_if(|trap| order.windows(trap.text.len()).any(|part| part == trap.text.as_bytes()))?;
        match found.at {
            At::Order => Some(found.then),
            At::Answer => {
                *self.caught.lock().unwrap() = Some(found.then);
                None
            }
        }
    }

    /// Carries one direction until it ends; what was caught, if a trap ended it.
    async fn pump(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, answers: bool) -> Option<Then> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let Ok(length @ 1..) = from.read(&mut buffer).await else { return None };
            let fault = *self.fault.borrow();
            match fault {
                Fault::None | Fault::Cut => {}
                Fault::Latency(span) => {
                    self.fired.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(span).await;
                }
                Fault::Blackhole => {
                    self.fired.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
            }
            let mut passed = length;
            let caught = if answers { self.caught.lock().unwrap().take() } else { self.catch(&buffer[..length]) };
            if let Some(then) = caught {
                self.fired.fetch_add(1, Ordering::SeqCst);
                // What is held goes nowhere; the end of either side ends both.
                while then == Then::Hold && matches!(from.read(&mut buffer).await, Ok(1..)) {}
                return Some(then);
            }
            if answers {
                let left = self.cut_after.load(Ordering::SeqCst);
                if left > 0 {
                    passed = left.min(length);
                    self.cut_after.store(left - passed, Ordering::SeqCst);
                    if left <= length {
                        let _ = to.write_all(&buffer[..passed]).await;
                        self.fired.fetch_add(1, Ordering::SeqCst);
                        return None;
                    }
                }
            }
            if to.write_all(&buffer[..passed]).await.is_err() {
                return None;
            }
        }
    }
}
