//! One session with a broker's management API: identified before it acts, every request recorded, no connection reused.
//!
//! A connection out of a pool may have died, and then nobody knows what was sent: so each request has its own.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Url};
use serde_json::json;

use super::amqp::Wire;
use crate::connectors::http::install_tls;
use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::tls::Tls;
use crate::connectors::{ActionError, Call, Noted, Recorder, Target};
use crate::model::{Span, Value};

/// No answer of the API takes longer than this on a broker that is well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A broker whose identity was asserted, seen from one virtual host.
pub(super) struct Broker {
    client: Client,
    url: Url,
    user: String,
    password: String,
    vhost: String,
    identity: Value,
    wire: Wire,
    recorder: Recorder,
    patience: Patience,
}

/// Why a request has no answer that helps.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// No connection: nothing was sent.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// It was sent, at least in part, and nobody saw the end.
    #[error("no answer came: {0}")]
    NoAnswer(String),
    /// The broker refused it.
    #[error("it answered {0}: {1}")]
    Refused(u16, String),
}

impl Trouble {
    /// For a request that only reads.
    pub(super) fn reading(self, what: &str) -> ActionError {
        let forbidden = matches!(self, Self::Refused(401 | 403, _));
        let error = ActionError::untouched(format!("the broker cannot be asked for {what}: {self}"));
        if forbidden {
            return error.hint("Pointsman's account needs the tag `administrator` and a permission in the virtual host");
        }
        error
    }

    /// For a request that changes something, after `before` others did. A lost answer is in doubt.
    pub(super) fn changing(self, what: &str, before: usize) -> ActionError {
        let text = format!("{what} failed: {self}");
        match self {
            Self::NoAnswer(_) => ActionError::in_doubt(text),
            Self::NotSent(_) | Self::Refused(..) if before == 0 => ActionError::untouched(text),
            Self::NotSent(_) | Self::Refused(..) => ActionError::touched(text),
        }
    }
}

impl Broker {
    /// Reads the settings of `target`, asks who the broker is, and asserts that.
    pub(super) async fn open(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let settings = &target.settings;
        let url =
            Url::parse(settings.text("url")?).map_err(|error| ActionError::untouched(format!("`url` is no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ActionError::untouched("`url` must begin with `http://` or `https://` and name a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ActionError::untouched("`url` must hold no user: give `user` and `password`"));
        }
        let tls = Tls::of(settings, &call.base_dir)?;
        let connect_within = settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration();
        install_tls();
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(connect_within)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        match (&tls, url.scheme()) {
            (Tls::On { config, .. }, "https") => builder = builder.tls_backend_preconfigured((**config).clone()),
            (Tls::Off, "https") => {
                return Err(ActionError::untouched("`url` begins with `https://`, and `tls` is not given or off")
                    .hint("give `tls: { mode: verify-full }`, with `ca` where the authority is your own"));
            }
            (Tls::On { .. } | Tls::Off, _) => {}
        }
        let client = builder.build().map_err(|error| ActionError::untouched(format!("no HTTP client: {error}")))?;
        let user = settings.text("user")?.to_owned();
        let password = settings.opt_text("password")?.unwrap_or_default().to_owned();
        let vhost = settings.opt_text("vhost")?.unwrap_or("/").to_owned();
        let patience = Patience::of(call);
        let wire = Wire::of(settings.text("amqp")?, &vhost, connect_within, &tls, call)?;
        let mut broker =
            Self { client, url, user, password, vhost, identity: Value::Null, wire, recorder: call.recorder.clone(), patience };
        broker.identify(target).await?;
        Ok(broker)
    }

    async fn identify(&mut self, target: &Target) -> Result<(), ActionError> {
        let overview = self.read(&["overview"], "").await.map_err(|trouble| trouble.reading("its name"))?;
        let of = |key: &str| overview[key].as_str().unwrap_or_default().to_owned();
        self.identity = json!({
            "cluster_name": of("cluster_name"), "node": of("node"), "version": of("rabbitmq_version"), "vhost": self.vhost,
        });
        for (key, expected) in target.settings.map("identity")? {
            let found = &self.identity[&key];
            if *found != expected {
                return Err(ActionError::untouched(format!(
                    "{} is another broker: its {key} is {found}, the target says {expected}",
                    self.url.host_str().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    /// Who the broker is.
    pub(super) fn identity(&self) -> Value {
        self.identity.clone()
    }

    /// The virtual host of the target.
    pub(super) fn vhost(&self) -> &str {
        &self.vhost
    }

    /// The account that Pointsman itself uses.
    pub(super) fn own_user(&self) -> &str {
        &self.user
    }

    /// Its password, for AMQP.
    pub(super) fn own_password(&self) -> &str {
        &self.password
    }

    /// The way over AMQP.
    pub(super) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Where statements and progress are noted.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Reads something that must be there.
    pub(super) async fn read(&self, path: &[&str], query: &str) -> Result<Value, Trouble> {
        self.recorded(Method::GET, path, query, None).await
    }

    /// Reads something that may be absent.
    pub(super) async fn read_if_there(&self, path: &[&str]) -> Result<Option<Value>, Trouble> {
        match self.read(path, "").await {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Refused(404, _)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Reads without a record: for looks that repeat and are summed up by their caller.
    pub(super) async fn read_silently(&self, path: &[&str], query: &str) -> Result<Value, Trouble> {
        self.exchange(Method::GET, self.address(path, query), None).await
    }

    /// Puts something; what is put holds no secret.
    pub(super) async fn put(&self, path: &[&str], body: &Value) -> Result<(), Trouble> {
        self.recorded(Method::PUT, path, "", Some(body)).await.map(|_| ())
    }

    /// Deletes something. Whether it was there.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<bool, Trouble> {
        match self.recorded(Method::DELETE, path, "", None).await {
            Ok(_) => Ok(true),
            Err(Trouble::Refused(404, _)) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// A request as the record shows it.
    pub(super) fn shown(&self, method: &Method, path: &[&str], query: &str, body: Option<&Value>) -> String {
        let address = self.address(path, query);
        let mut text = format!("{method} {}", address.path());
        if let Some(query) = address.query() {
            text.push_str(&format!("?{query}"));
        }
        if let Some(body) = body {
            text.push_str(&format!(" {body}"));
        }
        text
    }

    fn address(&self, path: &[&str], query: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Names are data: a slash in one is encoded, as the API asks for it.
            segments.pop_if_empty().push("api").extend(path);
        }
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    async fn recorded(&self, method: Method, path: &[&str], query: &str, body: Option<&Value>) -> Result<Value, Trouble> {
        let begun = Instant::now();
        let (shown, is_look) = (self.shown(&method, path, query, body), method == Method::GET);
        let result = self.exchange(method, self.address(path, query), body).await;
        let end = match &result {
            Ok(Value::Array(rows)) => format!("ok, {} entries", rows.len()),
            Ok(_) => "ok".to_owned(),
            Err(trouble) => trouble.to_string(),
        };
        let noted: Noted = if is_look { Recorder::question } else { Recorder::statement };
        noted(&self.recorder, &shown, begun.elapsed(), &end);
        result
    }

    async fn exchange(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Trouble> {
        let patience = self.patience.at_most(ANSWER_WITHIN);
        patience.check().map_err(|stopped: Stopped| Trouble::NotSent(stopped.to_string()))?;
        tokio::select! {
            answer = self.send(method, url, body) => answer,
            // The future is dropped in the middle: what was sent may have arrived.
            stopped = patience.over() => Err(Trouble::NoAnswer(stopped.to_string())),
        }
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Trouble> {
        let mut request = self.client.request(method.clone(), url).basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        if method == Method::DELETE {
            request = request.header("x-reason", "pointsman: connections are closed for a cutover");
        }
        let request = request.build().map_err(|error| Trouble::NotSent(explain(&error.without_url())))?;
        let response = self.client.execute(request).await.map_err(|error| {
            let error = error.without_url();
            if error.is_connect() || error.is_builder() {
                Trouble::NotSent(explain(&error))
            } else {
                Trouble::NoAnswer(explain(&error))
            }
        })?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| Trouble::NoAnswer(explain(&error.without_url())))?;
        if !(200..300).contains(&status) {
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            let reason = answer["reason"].as_str().map_or_else(|| answer["reason"].to_string(), str::to_owned);
            return Err(Trouble::Refused(status, reason));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Trouble::Refused(status, format!("the answer is no JSON: {error}")))
    }
}

/// An error with its causes: "error sending request" alone helps nobody.
fn explain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
