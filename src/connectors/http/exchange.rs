//! One request and its answer. What matters most is told apart: never sent, or sent and no answer seen.

use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};

use super::answer::{Answer, Expectation};
use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::{ActionError, Call, Noted, Recorder};
use crate::model::{Arguments, Object, Span, Value};

/// What is read of a body; conditions on JSON need the whole of it.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// A request, ready to be sent, and what its answer must be.
#[derive(Clone)]
pub(in crate::connectors) struct Order {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    redirects: usize,
    within: Duration,
    pub(in crate::connectors) expect: Expectation,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) enum Trouble {
    /// No connection: nothing was sent.
    NotSent(String),
    /// The time was up before a connection stood: nothing was sent.
    Stopped(Stopped),
    /// It was sent, at least in part, and nobody saw the end.
    NoAnswer(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "nothing was sent: {why}"),
            Self::Stopped(stopped) => write!(f, "nothing was sent: {stopped}"),
            Self::NoAnswer(why) => write!(f, "no answer came: {why}"),
        }
    }
}

impl Order {
    /// Reads the keys of a request. The errors carry no value: an address may be a secret.
    pub(in crate::connectors) fn of(params: &Arguments) -> Result<Self, ActionError> {
        let url = Url::parse(params.text("url")?).map_err(|e| ActionError::untouched(format!("`url` is no address: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ActionError::untouched("`url` must begin with `http://` or `https://` and name a host"));
        }
        let method = params.opt_text("method")?.unwrap_or("GET");
        let mut headers = HeaderMap::new();
        for (name, value) in params.map("headers")? {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let wrong = || ActionError::untouched(format!("the header `{name}` cannot be sent"));
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
        }
        let redirects = params.opt_integer("redirects")?.unwrap_or(0);
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| ActionError::untouched("`method` is no method"))?,
            url,
            headers,
            body: None,
            redirects: usize::try_from(redirects).map_err(|_| ActionError::untouched("`redirects` must not be negative"))?,
            within: params.opt_span("answer_within")?.unwrap_or(Span::from_secs(10)).as_duration(),
            expect: Expectation::of(params)?,
        })
    }

    /// The keys under `key`, as a request that only looks.
    pub(in crate::connectors) fn nested(params: &Arguments, key: &str) -> Result<Option<Self>, ActionError> {
        params.get(key).map(|_| Self::of(&Arguments::new(params.map(key)?))).transpose()
    }

    /// With another method.
    pub(super) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With this body, sent as JSON.
    pub(super) fn json(mut self, body: &Value) -> Self {
        self.headers.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// With this body, as it is.
    pub(super) fn text(mut self, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self
    }

    /// For people and for the record: no user, no password, and the names of the headers without their values.
    pub(in crate::connectors) fn shown(&self) -> String {
        let mut url = self.url.clone();
        // Only an address without a host refuses these, and such a one has neither.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut text = format!("{} {url}", self.method);
        if !self.headers.is_empty() {
            let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
            text.push_str(&format!(" (headers {})", names.join(", ")));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!(" with {} bytes", body.len()));
        }
        text
    }

    /// Where it goes, without the path: for addresses that are secrets as a whole.
    pub(super) fn shown_host(&self) -> String {
        format!("{} {}://{}/…", self.method, self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    /// Sends it and reads the answer, and records that as `shown`.
    pub(in crate::connectors) async fn send(&self, call: &Call, patience: &Patience, shown: &str) -> Result<Answer, Trouble> {
        let begun = Instant::now();
        let patience = patience.at_most(self.within);
        let result = match patience.check() {
            Err(stopped) => Err(Trouble::Stopped(stopped)),
            Ok(()) => tokio::select! {
                answer = self.exchange(patience.left()) => answer,
                // The future is dropped in the middle: what was sent may have arrived.
                stopped = patience.over() => Err(Trouble::NoAnswer(stopped.to_string())),
            },
        };
        let result = result.map_err(|trouble| match trouble {
            Trouble::NotSent(why) => Trouble::NotSent(call.recorder.redact(&why)),
            Trouble::NoAnswer(why) => Trouble::NoAnswer(call.recorder.redact(&why)),
            Trouble::Stopped(stopped) => Trouble::Stopped(stopped),
        });
        let end =
            result.as_ref().map_or_else(ToString::to_string, |answer| format!("{}, {} bytes", answer.status, answer.body.len()));
        let noted: Noted = if self.method.is_safe() { Recorder::question } else { Recorder::statement };
        noted(&call.recorder, shown, begun.elapsed(), &end);
        result
    }

    async fn exchange(&self, left: Duration) -> Result<Answer, Trouble> {
        let policy = if self.redirects == 0 { redirect::Policy::none() } else { redirect::Policy::limited(self.redirects) };
        install_tls();
        // A client of its own: a connection out of a pool may have died, and then nobody knows what was sent.
        let client = Client::builder()
            .redirect(policy)
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(left)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Trouble::NotSent(explain(&error)))?;
        let mut request = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let request = request.build().map_err(|error| Trouble::NotSent(explain(&error.without_url())))?;
        let mut response = client.execute(request).await.map_err(|error| {
            let error = error.without_url();
            if error.is_connect() || error.is_builder() {
                Trouble::NotSent(explain(&error))
            } else {
                Trouble::NoAnswer(explain(&error))
            }
        })?;
        let status = response.status().as_u16();
        let mut headers = Object::new();
        for (name, value) in response.headers() {
            headers.insert(name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes())));
        }
        let (mut bytes, mut is_cut) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::NoAnswer(explain(&error.without_url())))? {
            let room = LONGEST_BODY - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                is_cut = true;
                break;
            }
        }
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), is_cut })
    }
}

/// An error with its causes: "error sending request" alone helps nobody.
pub(crate) fn explain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// One TLS provider for the whole process; whoever came first stays.
pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
