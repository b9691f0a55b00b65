//! The shop's front: a page of health, a page of the last order as its customer sees it, and a box for notices.
//!
//! A cutover is proven by what the application reports, not by the value of the switch that it should read.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{Folder, Page, ShopError, Side, Trouble};
use crate::model::Value;

/// What the front tells about the orders.
#[derive(Debug, Default)]
pub(super) struct Sales(Mutex<Option<(u64, Side)>>);

impl Sales {
    pub(super) fn acknowledged(&self, order: u64, side: Side) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((order, side));
    }

    fn last(&self) -> Option<(u64, Side)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> Value {
        json!({ "shop": "open", "writes_to": self.last().map(|(_, side)| side.word()) })
    }

    fn last_order(&self) -> Value {
        json!({ "order": self.last().map(|(order, _)| order), "stored_in": self.last().map(|(_, side)| side.word()) })
    }
}

/// How long a visitor may take to say what they want.
const VISIT: Duration = Duration::from_secs(5);
/// How often a stuck page looks whether it still is.
const GLANCE: Duration = Duration::from_millis(20);
/// The longest notice that is taken.
const LONGEST: usize = 64 * 1024;

/// Opens the front on a free port of this machine and leaves its address in the shop's folder. It closes with the process.
pub(super) fn open(folder: &Folder, sales: Arc<Sales>) -> Result<(), ShopError> {
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
    Ok(())
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
        let asked = |line: &str, page: Page| request.starts_with(&format!("{line}{} ", page.word()));
        let page = if asked("GET /", Page::Health) {
            Page::Health
        } else if asked("GET /", Page::LastOrder) {
            Page::LastOrder
        } else if asked("POST /", Page::Notices) {
            Page::Notices
        } else {
            return Ok(("404 Not Found", json!({ "error": "there is /health, /last-order and /notices" })));
        };
        while self.folder.sign(page, Trouble::Stuck).exists() {
            thread::sleep(GLANCE);
        }
        if self.folder.sign(page, Trouble::Broken).exists() {
            return Ok(("503 Service Unavailable", json!({ "error": "this page is broken" })));
        }
        Ok((
            "200 OK",
            match page {
                Page::Health => self.sales.health(),
                Page::LastOrder => self.sales.last_order(),
                Page::Notices => {
                    self.keep(body)?;
                    json!({ "taken": true })
                }
            },
        ))
    }

    fn keep(&self, body: &[u8]) -> std::io::Result<()> {
        let text = String::from_utf8_lossy(body).replace('\n', " ");
        let _one_at_a_time = self.box_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.notices())?;
        file.write_all(format!("{text}\n").as_bytes())
    }
}
