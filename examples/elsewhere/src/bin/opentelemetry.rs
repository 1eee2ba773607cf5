//! Records the route and, optionally, the user of each request in OpenTelemetry spans.
//!
//! ```console
//! $ cargo run --bin opentelemetry                     # or with RECORD_USER_IDS=1
//! ```
//!
//! The program prints a token and a `curl` command, and writes each span to the standard output. In production, replace
//! the exporter with the one from `opentelemetry-otlp`.
//!
//! The attributes have the names of the OpenTelemetry semantic conventions for HTTP server spans:
//!
//! | attribute | value |
//! |---|---|
//! | `http.request.method` | the method, or `_OTHER` if it is not a standard method |
//! | `http.route` | the route, as in `/users/{id}` |
//! | `http.response.status_code` | the status |
//! | `error.type` | the status, for a server error |
//! | `enduser.id` | the user's `sub`, only if `RECORD_USER_IDS` is `1` |
//!
//! **Spans contain neither the path nor the query,** which can contain personal data and tokens. `enduser.id` is
//! personal data, so it is not recorded by default.
//!
//! The crate's log lines are recorded as events in the span, so a span shows why its request was rejected.
#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{Method, Response},
    routing::get,
};
use axum_cognito::{CognitoAuth, CognitoClaims, UserPool, testing::FakeUserPool};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tower_http::trace::TraceLayer;
use tracing::{Span, Subscriber, field::Empty, info_span};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// The standard methods. Clients can send any other method name, which must not become an attribute value.
const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// Opens the span of a request.
///
/// `otel.name` and `otel.kind` set the span's name and kind. A span without a matched route is named after its method
/// only, so the number of names is bounded.
fn request_span(request: &Request) -> Span {
    let method = if METHODS.contains(request.method()) { request.method().as_str() } else { "_OTHER" };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let name = format!("{} {}", if method == "_OTHER" { "HTTP" } else { method }, route.unwrap_or_default());
    info_span!(
        "request",
        otel.name = name.trim_end(),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
        enduser.id = Empty,
    )
}

/// Records the status. Only server errors make the span an error, as the conventions require for servers.
fn record_status<B>(response: &Response<B>, _: Duration, span: &Span) {
    let status = response.status();
    // `tracing-opentelemetry` exports an `i64` as an integer, as the conventions require, but a `u16` as a string.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        span.record("otel.status_code", "ERROR");
    }
}

/// Records the user of each request with a valid token. Add this check before other checks, so that their events belong
/// to a span with the user.
fn recording_user_ids(auth: CognitoAuth) -> CognitoAuth {
    auth.custom_check(|claims, _| {
        Span::current().record("enduser.id", claims.sub());
        Ok(())
    })
}

fn app(pool: UserPool, record_user_ids: bool) -> Router {
    let auth = CognitoAuth::new(pool);
    let auth = if record_user_ids { recording_user_ids(auth) } else { auth };
    let trace = TraceLayer::new_for_http().make_span_with(request_span).on_request(()).on_response(record_status);
    Router::new()
        .route("/users/{id}", get(async |claims: CognitoClaims| claims.username().unwrap_or("a machine").to_owned()))
        .layer(auth)
        .layer(trace.on_failure(())) // added last, so it is outermost
}

/// Sends spans to the provider. The attributes about threads and source lines are omitted, because they describe only
/// this program.
fn subscriber(provider: &SdkTracerProvider) -> impl Subscriber + Send + Sync + use<> {
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("elsewhere"))
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry().with(EnvFilter::new("info,axum_cognito=debug")).with(layer)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider =
        SdkTracerProvider::builder().with_simple_exporter(opentelemetry_stdout::SpanExporter::default()).build();
    subscriber(&provider).init();
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let record_user_ids = env::var("RECORD_USER_IDS").is_ok_and(|value| value == "1");
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("TOKEN={}", pool.access_token("alice").sign());
    println!("curl -i http://127.0.0.1:3000/users/7 -H \"authorization: Bearer $TOKEN\"");
    Ok(axum::serve(listener, app(pool.user_pool(), record_user_ids)).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Body;
    use opentelemetry::{
        Value,
        trace::{SpanKind, Status},
    };
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
    use tower::ServiceExt;
    use tracing::Dispatch;

    use super::*;

    /// Sends a request and returns its span.
    async fn span_of(app: Router, request: Request) -> SpanData {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let guard = subscriber(&provider).set_default();
        drop(app.oneshot(request).await.unwrap());
        drop(guard);
        let mut spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }

    fn attributes(span: &SpanData) -> BTreeMap<&str, String> {
        span.attributes.iter().map(|pair| (pair.key.as_str(), pair.value.to_string())).collect()
    }

    fn events(span: &SpanData) -> Vec<&str> {
        span.events.iter().map(|event| &*event.name).collect()
    }

    // The program has only one test, because `tracing` caches the enabled call sites for the whole process.
    #[tokio::test]
    async fn span_has_the_conventional_attributes_and_the_user_only_on_request() {
        // Without a second subscriber, `tracing` could cache a call site as disabled.
        let _second = Dispatch::new(tracing_subscriber::registry());
        let fake = FakeUserPool::shared();
        let bearer = |token: String| format!("Bearer {token}");
        let alice = || bearer(fake.access_token("alice").claim("sub", "sub-of-alice").sign());
        let expired = || bearer(fake.access_token("alice").claim("sub", "sub-of-alice").expired().sign());
        let unprotected = || Router::new().route("/", get(async |_: CognitoClaims| ()));
        let unprotected =
            unprotected().layer(TraceLayer::new_for_http().make_span_with(request_span).on_response(record_status));
        let (plain, with_user) = (app(fake.user_pool(), false), app(fake.user_pool(), true));
        let users = ("http.route", "/users/{id}");
        let status = |status| ("http.response.status_code", status);
        let method = |method| ("http.request.method", method);
        let user = ("enduser.id", "sub-of-alice");
        let uri = "/users/secret-id?q=secret-query";
        for (app, verb, uri, token, name, expected) in [
            (&plain, "GET", uri, alice(), "GET /users/{id}", vec![method("GET"), users, status("200")]),
            (&with_user, "GET", uri, alice(), "GET /users/{id}", vec![method("GET"), users, status("200"), user]),
            (&with_user, "GET", uri, expired(), "GET /users/{id}", vec![method("GET"), users, status("401")]),
            (
                &with_user,
                "GET",
                uri,
                "Bearer a b".to_owned(),
                "GET /users/{id}",
                vec![method("GET"), users, status("400")],
            ),
            (&plain, "SECRET", uri, alice(), "HTTP /users/{id}", vec![method("_OTHER"), users, status("405")]),
            (&plain, "GET", "/secret", alice(), "GET", vec![method("GET"), status("404")]),
            (
                &unprotected,
                "GET",
                "/",
                alice(),
                "GET /",
                vec![method("GET"), ("http.route", "/"), status("500"), ("error.type", "500")],
            ),
        ] {
            let request = Request::builder().method(verb).uri(uri).header("authorization", &token);
            let span = span_of(app.clone(), request.body(Body::empty()).unwrap()).await;
            assert_eq!((&*span.name, span.span_kind.clone()), (name, SpanKind::Server));
            let expected: BTreeMap<_, _> = expected.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
            assert_eq!(attributes(&span), expected, "{name}");
            let mut attributes = span.attributes.iter();
            let status =
                attributes.find(|pair| pair.key.as_str() == "http.response.status_code").map(|pair| &pair.value);
            assert!(matches!(status, Some(Value::I64(_))), "{status:?}");
            let is_error = expected.contains_key("error.type");
            assert_eq!(matches!(span.status, Status::Error { .. }), is_error, "{:?}", span.status);
            let everything = format!("{span:?}");
            assert!(!everything.to_lowercase().contains("secret"), "{everything}");
            assert!(!everything.contains(token.rsplit(' ').next().unwrap()) || token == "Bearer a b", "{everything}");
            if expected.get("http.response.status_code").is_some_and(|status| status == "401") {
                assert_eq!(events(&span), ["rejected a token"]);
            }
        }
    }
}
