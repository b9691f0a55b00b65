//! One request to a collector, and what its answer means: taken, come back later, or never.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, redirect};

use super::Setting;
use super::message::request;
use crate::connectors::http::{explain, install_tls};
use crate::views::trace::Span;

/// What is read of an answer. A good one has a few bytes.
const LONGEST: usize = 64 << 10;

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Every span was taken.
    Taken,
    /// Some were not, and never will be.
    Partly {
        /// How many.
        rejected: u64,
        /// What the collector said.
        why: String,
    },
    /// Not now.
    Later {
        /// When it may be tried again, where the collector says so.
        after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// Never.
    Refused(String),
}

/// Sends spans to one collector.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    setting: Setting,
}

impl Sender {
    /// Gets ready; connects to nobody yet.
    ///
    /// # Errors
    /// When the certificate cannot be read or TLS cannot be set up.
    pub fn new(setting: Setting) -> Result<Self, String> {
        install_tls();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &setting.certificate {
            let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            let found = reqwest::Certificate::from_pem_bundle(&text);
            let found = found.map_err(|error| format!("{} holds no certificate: {}", path.display(), explain(&error)))?;
            builder = builder.tls_certs_merge(found);
        }
        let client = builder.build().map_err(|error| format!("no request can be made: {}", explain(&error)))?;
        Ok(Self { client, setting })
    }

    /// Where it sends to, for people.
    pub fn place(&self) -> &str {
        self.setting.url.as_str()
    }

    /// Sends these spans, once, and waits for the answer no longer than `within`.
    pub async fn send(&self, spans: &[Span], within: Duration) -> Reply {
        let body = request(spans, &self.setting.resource).encode_to_vec();
        let request = self
            .client
            .post(self.setting.url.clone())
            .headers(self.setting.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))
            .timeout(self.setting.timeout.min(within))
            .body(body);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => Reply::Later { after: None, why: explain(&error.without_url()) },
        }
    }
}

async fn read(response: Response) -> Reply {
    let status = response.status();
    let after = retry_after(response.headers());
    if status.is_success() {
        return match body(response).await {
            Ok(bytes) => partial(&bytes),
            // It was taken or not, and the same spans under the same ids do no harm.
            Err(why) => Reply::Later { after: None, why },
        };
    }
    match status.as_u16() {
        429 | 502 | 503 | 504 => Reply::Later { after, why: format!("it answered {status}") },
        _ => Reply::Refused(format!("it answered {status}")),
    }
}

fn partial(bytes: &[u8]) -> Reply {
    let Ok(answer) = ExportTraceServiceResponse::decode(bytes) else {
        // It said yes; what else it said is not for us.
        return Reply::Taken;
    };
    match answer.partial_success {
        Some(part) if part.rejected_spans > 0 => {
            Reply::Partly { rejected: u64::try_from(part.rejected_spans).unwrap_or(0), why: part.error_message }
        }
        Some(_) | None => Reply::Taken,
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error.without_url()))? {
        if bytes.len() + chunk.len() > LONGEST {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `Retry-After`, as seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let millis = at.as_millisecond().saturating_sub(jiff::Timestamp::now().as_millisecond());
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let after = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(after("Fri, 31 Dec 2100 23:59:59 GMT").unwrap() > Duration::from_secs(3_600));
        assert_eq!(after("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
