//! Every route of the console: one list, from which the router, the API's description and the tests of its guard are made.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use super::access::Access;
use super::api::{figures, gates, oidc, orders, replay, runbooks, runs, session, stream};
use super::assets;
use super::console::Console;
use super::guard::{Guard, guard};
use super::problem::Problem;

/// The most bytes of a body.
const LONGEST_BODY: usize = 256 << 10;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// How it is asked.
    pub method: Method,
    /// Its path, with `{names}`.
    pub path: &'static str,
    /// What it asks of whoever calls it.
    pub access: Access,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The name of the schema of its body, where it takes one.
    pub body: Option<&'static str>,
    /// The name of the schema of its answer, where that is JSON.
    pub answer: Option<&'static str>,
    handler: MethodRouter<Arc<Console>>,
}

macro_rules! route {
    ($method:ident $path:literal, $access:ident, $handler:expr, $summary:literal $(, body $body:literal)? $(, answer $answer:literal)?) => {
        Route {
            method: Method::$method,
            path: $path,
            access: Access::$access,
            summary: $summary,
            body: None::<&'static str>$(.or(Some($body)))?,
            answer: None::<&'static str>$(.or(Some($answer)))?,
            handler: on(MethodFilter::$method, $handler),
        }
    };
}

/// The routes.
pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        route!(GET "/api/v1/session", Anybody, session::show, "Who is signed in here", answer "Session"),
        route!(POST "/api/v1/session", Anybody, session::begin, "Signs in", body "SignIn", answer "Session"),
        route!(DELETE "/api/v1/session", Viewer, session::end, "Signs out"),
        route!(GET "/api/v1/oidc/start", Anybody, oidc::start, "Sends the browser to the identity provider"),
        route!(GET "/api/v1/oidc/callback", Anybody, oidc::callback, "Takes the browser back from the identity provider"),
        route!(GET "/api/v1/runs", Viewer, runs::list, "Every run, the newest first", answer "Runs"),
        route!(POST "/api/v1/runs", Operator, runbooks::start, "Starts a run", body "Start", answer "Started"),
        route!(GET "/api/v1/runs/{run}", Viewer, runs::show, "Where a run stands: all that the night screen shows", answer "Night"),
        route!(GET "/api/v1/runs/{run}/events", Viewer, stream::events, "What changes about a run, as server-sent events"),
        route!(GET "/api/v1/runs/{run}/replay", Viewer, replay::whole, "How the night of a run that is over goes, and its beginning", answer "Replay"),
        route!(GET "/api/v1/runs/{run}/replay/{seq}", Viewer, replay::at, "A run that is over as it was behind a record; with `?since=` an earlier one only what changed from there on", answer "Moment"),
        route!(POST "/api/v1/runs/{run}/orders", Operator, orders::give, "Gives an order to a run", body "Orders", answer "Answer"),
        route!(POST "/api/v1/runs/{run}/executor", Operator, runbooks::resume, "Takes up a run that no executor drives", body "Nothing", answer "Started"),
        route!(GET "/api/v1/runs/{run}/gates/{step}", Viewer, gates::show, "What is being decided at a step", answer "Gate"),
        route!(POST "/api/v1/runs/{run}/gates/{step}/statement", Operator, gates::statement, "The statement to sign for a decision", body "Deciding", answer "Statement"),
        route!(POST "/api/v1/runs/{run}/gates/{step}/signature", Operator, gates::signature, "Submits a signed decision", body "Signature", answer "Answer"),
        route!(GET "/api/v1/runbooks", Viewer, runbooks::list, "The runbooks that can be started", answer "Runbooks"),
        route!(POST "/api/v1/passkeys", Operator, gates::passkey, "Makes the line of `allowed_signers` for a new passkey", body "NewPasskey", answer "KeyLine"),
        route!(GET "/api/v1/openapi.json", Anybody, super::api::description, "This description"),
        route!(GET "/metrics", Collector, figures::metrics, "Figures for Prometheus"),
    ];
    routes.extend(assets::FILES.iter().map(|asset| Route {
        method: Method::GET,
        path: asset.path,
        access: Access::Anybody,
        summary: "A file of the pages",
        body: None,
        answer: None,
        handler: on(MethodFilter::GET, move || assets::serve(asset)),
    }));
    routes
}

/// The console as a service.
pub fn app(console: Arc<Console>) -> Router {
    let guarded = |access| from_fn_with_state(Guard { console: console.clone(), access }, guard);
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.handler.layer(guarded(route.access)));
    }
    // Even to hear that there is nothing, a request has to mean this host.
    let nothing = any(|| async { Problem::not_found("there is nothing here") });
    router
        .fallback_service(nothing.layer(guarded(Access::Anybody)).with_state(console.clone()))
        .method_not_allowed_fallback(|| async { Problem::wrong_method("this is not asked for in this way") })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(console)
}
