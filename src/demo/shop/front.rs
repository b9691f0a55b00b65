//! The shop's front: a page that says into which database the last order went, and a box for notices.
//!
//! A cutover is proven by what the application reports, not by the value of the switch that it should read.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{Folder, ShopError, Side};
use crate::model::Value;

/// What the front tells about the orders.
#[derive(Debug, Default)]
pub(super) struct Sales {
    orders: AtomicU64,
    last: AtomicU8,
}

impl Sales {
    pub(super) fn acknowledged(&self, side: Side) {
        self.last.store(1 + side as u8, Ordering::Release);
        self.orders.fetch_add(1, Ordering::AcqRel);
    }

    fn shown(&self) -> Value {
        let last = match self.last.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Side::Old.word()),
            _ => Some(Side::New.word()),
        };
        json!({ "shop": "open", "writes_to": last, "orders": self.orders.load(Ordering::Acquire) })
    }
}

/// The open front. It closes with the process.
#[derive(Debug)]
pub(super) struct Front;

/// How long a visitor may take to say what they want.
const VISIT: Duration = Duration::from_secs(5);
/// The longest notice that is taken.
const LONGEST: usize = 64 * 1024;

impl Front {
    /// Opens the front on a free port of this machine and leaves its address in the shop's folder.
    pub(super) fn open(folder: &Folder, sales: Arc<Sales>) -> Result<Self, ShopError> {
        let path = folder.front();
        let listener = TcpListener::bind("127.0.0.1:0").map_err(ShopError::file(&path))?;
        let address = listener.local_addr().map_err(ShopError::file(&path))?;
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, format!("http://{address}\n")).map_err(ShopError::file(&fresh))?;
        std::fs::rename(&fresh, &path).map_err(ShopError::file(&path))?;
        let desk = Arc::new(Desk { folder: folder.clone(), sales, box_lock: Mutex::new(()) });
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let desk = Arc::clone(&desk);
                thread::spawn(move || {
                    // A visitor who hangs up in the middle is no concern of the shop.
                    let _ = desk.serve(visitor);
                });
            }
        });
        Ok(Self)
    }
}

struct Desk {
    folder: Folder,
    sales: Arc<Sales>,
    box_lock: Mutex<()>,
}

impl Desk {
    fn serve(&self, mut visitor: TcpStream) -> std::io::Result<()> {
        visitor.set_read_timeout(Some(VISIT))?;
        visitor.set_write_timeout(Some(VISIT))?;
        let mut reader = BufReader::new(visitor.try_clone()?);
        let mut request = String::new();
        reader.by_ref().take(8 * 1024).read_line(&mut request)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.by_ref().take(8 * 1024).read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0).min(LONGEST);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, answer) = self.answer(request.trim(), &body)?;
        let answer = answer.to_string();
        write!(
            visitor,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn answer(&self, request: &str, body: &[u8]) -> std::io::Result<(&'static str, Value)> {
        if request.starts_with("GET /health ") {
            if self.folder.closed_sign().exists() {
                return Ok(("503 Service Unavailable", json!({ "shop": "closed" })));
            }
            return Ok(("200 OK", self.sales.shown()));
        }
        if request.starts_with("POST /notices ") {
            if self.folder.chat_down_sign().exists() {
                return Ok(("500 Internal Server Error", json!({ "error": "the notice box is broken" })));
            }
            self.keep(body)?;
            return Ok(("200 OK", json!({ "taken": true })));
        }
        Ok(("404 Not Found", json!({ "error": "there is /health and /notices" })))
    }

    fn keep(&self, body: &[u8]) -> std::io::Result<()> {
        let text = String::from_utf8_lossy(body).replace('\n', " ");
        let _one_at_a_time = self.box_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.notices())?;
        file.write_all(format!("{text}\n").as_bytes())
    }
}
