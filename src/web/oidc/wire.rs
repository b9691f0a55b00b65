//! The way to a provider: protected or on this host, without redirects, with a limit on time and on length.

use std::pin::Pin;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use reqwest::{Client, Url, redirect};

use crate::model::identity_provider::protected;

/// How long a provider may take to be reached, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// The most bytes of an answer.
const LONGEST: usize = 1 << 20;

/// A client.
#[derive(Clone, Debug)]
pub struct Wire(Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl Wire {
    /// A client that trusts whom this host trusts.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, String> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A sign-in is rare: a connection that was kept may have died meanwhile.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        client
            .build()
            .map(Self)
            .map_err(|error| format!("the way to the identity provider cannot be set up: {}", explain(&error)))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let (head, body) = request.into_parts();
        let address = head.uri.to_string();
        if protected(&address).is_none() {
            return Err(NoAnswer("it wants to be asked without TLS".to_owned()));
        }
        let url = Url::parse(&address).map_err(|_| NoAnswer("it has an address that is none".to_owned()))?;
        let unheard = |error: reqwest::Error| NoAnswer(explain(&error.without_url()));
        let mut response = self.0.request(head.method, url).headers(head.headers).body(body).send().await.map_err(unheard)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unheard)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(NoAnswer("its answer does not end".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(bytes);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Wire {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
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
