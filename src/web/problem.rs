//! What the API answers when it does not do what was asked: `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::EngineError;

/// An answer that is a refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{status} {code}: {detail}")]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $status:ident, $code:literal;)*) => {
        impl Problem { $(
            $(#[$doc])*
            pub fn $name(detail: impl Into<String>) -> Self {
                Self { status: StatusCode::$status, code: $code, detail: detail.into() }
            }
        )* }

        impl Problem {
            /// Every code that an answer can carry, with its status.
            pub const CODES: &[(&str, StatusCode)] = &[$(($code, StatusCode::$status)),*];
        }
    };
}

kinds! {
    /// The request is not one that can be understood.
    malformed, BAD_REQUEST, "malformed";
    /// Nobody is signed in.
    signed_out, UNAUTHORIZED, "signed-out";
    /// Somebody is, and may not do this.
    forbidden, FORBIDDEN, "forbidden";
    /// The request comes from another site, or does not carry what only our own pages know.
    cross_site, FORBIDDEN, "cross-site";
    /// The request names a host that this is not.
    wrong_host, MISDIRECTED_REQUEST, "wrong-host";
    /// There is no such thing.
    not_found, NOT_FOUND, "not-found";
    /// There is, and it is not asked for in this way.
    wrong_method, METHOD_NOT_ALLOWED, "wrong-method";
    /// It makes no sense now.
    conflict, CONFLICT, "conflict";
    /// The body is not JSON.
    not_json, UNSUPPORTED_MEDIA_TYPE, "not-json";
    /// It was understood, and something in it is wrong.
    unfit, UNPROCESSABLE_ENTITY, "unfit";
    /// Too many requests in too short a time.
    too_many, TOO_MANY_REQUESTS, "too-many";
    /// The console itself failed.
    broken, INTERNAL_SERVER_ERROR, "broken";
}

impl Problem {
    /// The code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::RunNotFound { .. } => Self::not_found(error.to_string()),
            EngineError::Unbegun => Self::conflict(error.to_string()),
            _ => Self::broken(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:pointsman:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("refused"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        (self.status, kind, body.to_string()).into_response()
    }
}
