//! A collector for tests: it takes traces as protobuf over HTTP, and misbehaves when it is told to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// How the collector answers one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It takes everything.
    Takes,
    /// This status, and in how many seconds to come back.
    Refuses(u16, Option<u64>),
    /// It takes all but so many.
    TakesNot(i64),
    /// It says nothing until the other side goes.
    Hangs,
    /// It ends the connection in the middle.
    Drops,
}

/// What it was sent.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Each request with its headers, in lower case, and how it was answered.
    pub requests: Vec<(String, Mood)>,
    /// The spans of the requests that were taken.
    pub spans: Vec<Span>,
    /// The resources of these.
    pub resources: Vec<Vec<(String, String)>>,
    /// What could not be read.
    pub wrong: Vec<String>,
}

/// The collector.
pub struct Collector {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Collector {
    /// It answers the first requests in these moods, and takes everything from then on.
    pub fn new(moods: &[Mood]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let moods = Arc::new(Mutex::new(VecDeque::from(moods.to_vec())));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, moods) = (shared.clone(), moods.clone());
                std::thread::spawn(move || serve(stream, &seen, &moods));
            }
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until what was sent is as `test` wants it.
    pub fn wait_until(&self, what: &str, test: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = self.seen();
            if test(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{what} never came: {:?}", seen.requests);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, moods: &Mutex<VecDeque<Mood>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((head, body)) = request(&mut reader) {
        let mood = moods.lock().unwrap().pop_front().unwrap_or(Mood::Takes);
        take(&mut seen.lock().unwrap(), head, &body, mood);
        let partial =
            |rejected_spans| ExportTracePartialSuccess { rejected_spans, error_message: "quota of the night".to_owned() };
        let (status, body, more) = match mood {
            Mood::Takes => (200, ExportTraceServiceResponse::default().encode_to_vec(), String::new()),
            Mood::TakesNot(count) => {
                let answer = ExportTraceServiceResponse { partial_success: Some(partial(count)) };
                (200, answer.encode_to_vec(), String::new())
            }
            Mood::Refuses(status, after) => {
                (status, b"not now".to_vec(), after.map_or_else(String::new, |after| format!("Retry-After: {after}\r\n")))
            }
            Mood::Hangs => {
                let _ = reader.read(&mut [0]);
                return;
            }
            Mood::Drops => return,
        };
        let head = format!(
            "HTTP/1.1 {status} so\r\nContent-Type: application/x-protobuf\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn take(seen: &mut Seen, head: String, body: &[u8], mood: Mood) {
    let head_lower = head.to_ascii_lowercase();
    if !head.starts_with("POST /v1/traces ") || !head_lower.contains("content-type: application/x-protobuf") {
        seen.wrong.push(head.clone());
    }
    match ExportTraceServiceRequest::decode(body) {
        Err(error) => seen.wrong.push(error.to_string()),
        Ok(request) if matches!(mood, Mood::Takes | Mood::TakesNot(_)) => {
            for found in request.resource_spans {
                let text = |value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>| {
                    use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue;
                    match value.and_then(|value| value.value) {
                        Some(StringValue(text)) => text,
                        other => format!("{other:?}"),
                    }
                };
                let resource = found.resource.unwrap_or_default().attributes;
                seen.resources.push(resource.into_iter().map(|pair| (pair.key, text(pair.value))).collect());
                seen.spans.extend(found.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        Ok(_) => {}
    }
    seen.requests.push((head_lower, mood));
}
