//! Bad responses from the endpoint never replace good keys, and each kind is reported.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum_cognito::{
    Verifier,
    keys::{FetchErrorKind as Kind, HttpKeySource},
    testing::ManualClock,
};
use tokio::time::sleep;
use tracing_subscriber::filter::LevelFilter;

use crate::{
    endpoint::{Endpoint, Mode},
    log::Log,
    support::*,
};

/// One verifier with its endpoint, used for all responses.
struct Bench {
    endpoint: Endpoint,
    clock: ManualClock,
    verifier: Verifier,
    token: String,
    key_ids: Vec<String>,
}

impl Bench {
    /// Creates a verifier with this fetch timeout. Only timeout tests use a short one, because good fetches take longer
    /// on a busy machine.
    async fn new(fetch_timeout: Duration) -> Self {
        let endpoint = Endpoint::start(Mode::good(&fake().jwks_json())).await;
        let clock = ManualClock::starting_now();
        let pool = fake().user_pool().jwks_url(endpoint.url()).unwrap();
        let verifier =
            Verifier::builder().pool(pool).clock(clock.clone()).fetch_timeout(fetch_timeout).build().unwrap();
        eventually_ready(&verifier).await;
        let key_ids = status(&verifier).key_ids;
        assert_eq!(key_ids.len(), 2);
        Self { endpoint, clock, verifier, token: genuine(&fake()), key_ids }
    }

    /// Triggers the next fetch and waits until it completes.
    async fn refresh(&self) {
        let before = status(&self.verifier).fetches;
        self.clock.advance(HOUR * 2);
        assert!(self.verifier.check(&self.token).is_ok());
        eventually("the fetch", || status(&self.verifier).fetches > before).await;
    }

    /// Fetches this response and then a good one. Returns the first fetch's failure message, if it failed.
    async fn try_out(&self, name: &str, mode: Mode, expected: Option<Kind>) -> Option<String> {
        self.endpoint.set(mode);
        self.refresh().await;
        let after = status(&self.verifier);
        assert!(self.verifier.check(&self.token).is_ok(), "{name}: the good keys stay in use");
        match expected {
            Some(kind) => {
                let failure = after.last_failure.as_ref().unwrap_or_else(|| panic!("{name}: no failure"));
                assert!(after.consecutive_failures >= 1, "{name}: {after:?}");
                assert_eq!(failure.kind, kind, "{name}: {}", failure.message);
                assert!(failure.message.len() < 200, "{name}: {}", failure.message);
                assert_eq!(after.key_ids, self.key_ids, "{name}");
                assert!(after.ready);
            }
            None => assert_eq!(after.consecutive_failures, 0, "{name}: {:?}", after.last_failure),
        }
        self.endpoint.set(Mode::good(&fake().jwks_json()));
        for _ in 0..20 {
            self.refresh().await;
            if status(&self.verifier).consecutive_failures == 0 {
                return expected.and_then(|_| Some(after.last_failure?.message));
            }
        }
        panic!("{name}: no recovery: {:?}", status(&self.verifier));
    }
}

#[tokio::test]
async fn bad_response_is_told_apart_and_replaces_no_keys() {
    let bench = Bench::new(MINUTE).await;
    let good = fake().jwks_json();
    let ok = |headers: &str, body: &str| Mode::answer("200 OK", headers, body);
    let status = |line: &str| Mode::answer(line, "content-type: application/json\r\n", &good);
    let raw = |text: &str| Mode::Raw(text.as_bytes().to_vec());
    let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    let many = |count: usize| format!("{{\"keys\":[{}]}}", vec!["{}"; count].join(","));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{good}\r\n0\r\n\r\n",
        good.len()
    );
    let mut messages_by_name = BTreeMap::new();
    for (name, mode, expected) in [
        ("no content type", ok("", &good), None),
        ("wrong content type", ok("content-type: text/html\r\n", &good), None),
        ("no length", Mode::unmeasured(&good), None),
        ("chunked", raw(&chunked), None),
        ("100 before 200", raw(&format!("HTTP/1.1 100 Continue\r\n\r\n{}", text(ok("", &good)))), None),
        ("as long as allowed", ok("", &padded(256 * 1024)), None),
        ("hangs up", Mode::HangUp, Some(Kind::Body)),
        ("not HTTP", raw("220 mail.test ESMTP\r\n"), Some(Kind::Body)),
        ("a head without end", raw(&format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20))), Some(Kind::Body)),
        ("201", status("201 Created"), Some(Kind::Status)),
        ("204", raw("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"), Some(Kind::Status)),
        ("206", status("206 Partial Content"), Some(Kind::Status)),
        ("unrequested 304", status("304 Not Modified"), Some(Kind::Status)),
        ("400", status("400 Bad Request"), Some(Kind::Status)),
        ("403", status("403 Forbidden"), Some(Kind::Status)),
        ("404", status("404 Not Found"), Some(Kind::Status)),
        ("429", status("429 Too Many Requests"), Some(Kind::Status)),
        ("500", status("500 Internal Server Error"), Some(Kind::Status)),
        ("503", status("503 Service Unavailable"), Some(Kind::Status)),
        ("HTML", ok("content-type: text/html\r\n", "<html>sign in to the Wi-Fi</html>"), Some(Kind::NotJson)),
        ("empty", ok("", ""), Some(Kind::NotJson)),
        ("cut off before its length", raw(&text(ok("", &good))[..400]), Some(Kind::Body)),
        ("cut off without a length", Mode::unmeasured(&good[..good.len() - 1]), Some(Kind::NotJson)),
        ("compressed", ok("content-encoding: gzip\r\n", "\u{1f}\u{8b}\u{8}"), Some(Kind::NotJson)),
        ("byte order mark", ok("", &format!("\u{feff}{good}")), Some(Kind::NotJson)),
        ("two documents", ok("", &format!("{good}{good}")), Some(Kind::NotJson)),
        ("{}", ok("", "{}"), Some(Kind::NoKeys)),
        ("null", ok("", "null"), Some(Kind::NoKeys)),
        ("an array", ok("", "[]"), Some(Kind::NoKeys)),
        (
            "keys in an array",
            ok("", &format!("[{}]", good.trim_start_matches("{\"keys\":").trim_end_matches('}'))),
            Some(Kind::NoKeys),
        ),
        ("keys a long string", ok("", &format!("{{\"keys\":\"{}\"}}", "k".repeat(200_000))), Some(Kind::NoKeys)),
        ("keys null", ok("", r#"{"keys":null}"#), Some(Kind::NoKeys)),
        ("keys empty", ok("", r#"{"keys":[]}"#), Some(Kind::NoKeys)),
        ("keys an object", ok("", r#"{"keys":{}}"#), Some(Kind::NoKeys)),
        ("an error as JSON", ok("", r#"{"message":"User pool does not exist."}"#), Some(Kind::NoKeys)),
        ("no usable key", ok("", r#"{"keys":[{"kty":"EC"},1,null]}"#), Some(Kind::NoUsableKeys)),
        ("as many as allowed, all broken", ok("", &many(256)), Some(Kind::NoUsableKeys)),
        ("one more", ok("", &many(257)), Some(Kind::TooManyKeys)),
        ("thousands", ok("", &many(60_000)), Some(Kind::TooManyKeys)),
        ("a byte too long", ok("", &padded(256 * 1024 + 1)), Some(Kind::TooLarge)),
        ("far too long", ok("", &padded(8 << 20)), Some(Kind::TooLarge)),
        ("endless", Mode::Endless, Some(Kind::TooLarge)),
    ] {
        let message = bench.try_out(name, mode, expected).await;
        messages_by_name.extend(message.map(|message| (name, message)));
    }
    eventually("no connection is left", || bench.endpoint.open_connections() == 0).await;

    // Failures with the same kind have different messages.
    let names =
        ["HTML", "empty", "cut off without a length", "two documents", "{}", "keys null", "keys empty", "403", "500"];
    let messages: BTreeSet<_> = names.map(|name| &messages_by_name[name]).into();
    assert_eq!(messages.len(), names.len(), "{messages_by_name:#?}");
}

#[tokio::test]
async fn slow_response_is_a_timeout() {
    let bench = Bench::new(Duration::from_millis(400)).await;
    let good = Mode::good(&fake().jwks_json());
    for (name, mode) in [
        ("hangs", Mode::Hang),
        ("drips", Mode::Drip(Duration::from_millis(5), good.clone().into_bytes())),
        ("late", Mode::Slow(SECOND * 30, good.into_bytes())),
    ] {
        bench.try_out(name, mode, Some(Kind::Timeout)).await;
    }
    eventually("no connection is left", || bench.endpoint.open_connections() == 0).await;
}

fn text(mode: Mode) -> String {
    String::from_utf8(mode.into_bytes()).unwrap()
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let bench = Bench::new(MINUTE).await;
    let elsewhere = Endpoint::start(Mode::good(&fake().jwks_json())).await;
    let itself = format!("{}?other", bench.endpoint.url());
    let targets = [elsewhere.url(), elsewhere.tls_url(), "/other".to_owned(), itself, "file:///etc".into()];
    for code in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "300 Choose"] {
        for target in &targets {
            let mode = Mode::answer(code, &format!("location: {target}\r\n"), &fake().jwks_json());
            bench.try_out(&format!("{code} to {target}"), mode, Some(Kind::Redirect)).await;
        }
    }
    let requests = bench.endpoint.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET /.well-known/jwks.json HTTP")), "{requests:#?}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn refused_connection_is_a_connect_error() {
    let mut bench = Bench::new(MINUTE).await;
    bench.endpoint.go_down().await;
    bench.refresh().await;
    assert_eq!(status(&bench.verifier).last_failure.unwrap().kind, Kind::Connect);
}

#[tokio::test]
async fn plain_bytes_instead_of_tls_are_a_tls_failure() {
    let good = Mode::good(&fake().jwks_json());
    for (name, mode, kind) in [
        ("an HTTP response", good, Kind::Tls),
        ("a closed connection", Mode::Raw(Vec::new()), Kind::Tls),
        ("a reset", Mode::HangUp, Kind::Connect),
    ] {
        let endpoint = Endpoint::start(mode).await;
        let pool = fake().user_pool().jwks_url(endpoint.tls_url()).unwrap();
        let error = patient(pool).build().unwrap().ready().await.unwrap_err();
        let cause = error.pools().next().unwrap().2;
        assert_eq!(cause.kind(), kind, "{name}: {cause}");
    }
}

/// The connection does not outlive the fetch.
#[tokio::test]
async fn hanging_tls_handshake_is_a_timeout() {
    let endpoint = Endpoint::start(Mode::Hang).await;
    let pool = fake().user_pool().jwks_url(endpoint.tls_url()).unwrap();
    let verifier = Verifier::builder().pool(pool).fetch_timeout(Duration::from_millis(200)).build().unwrap();
    let error = verifier.ready().await.unwrap_err();
    assert_eq!(error.pools().next().unwrap().2.kind(), Kind::Timeout);
    drop(verifier);
    eventually("the connection's end", || endpoint.open_connections() == 0).await;
}

#[tokio::test]
async fn no_connection_stays_open_after_a_fetch() {
    let keep = text(Mode::good(&fake().jwks_json())).replace("connection: close\r\n", "");
    let endpoint = Endpoint::start(Mode::Keep(keep.into_bytes())).await;
    let source = HttpKeySource::new(endpoint.url()).unwrap();
    let verifier = patient(fake().user_pool().key_source(source)).build().unwrap();
    verifier.ready().await.unwrap();
    sleep(Duration::from_millis(20)).await;
    eventually("the connection's end", || endpoint.open_connections() == 0).await;
    assert!(endpoint.connections() > 0);
}

/// The proxy resolves the endpoint's host name.
#[tokio::test]
async fn keys_are_fetched_through_the_configured_proxy() {
    let proxy = Endpoint::start(Mode::good(&fake().jwks_json())).await;
    let origin = proxy.url().replace("/.well-known/jwks.json", "").replace("http://", "http://user:secret@");
    let source = HttpKeySource::dangerous_http("http://keys.test/jwks.json").unwrap().proxy(origin).unwrap();
    let verifier = patient(fake().user_pool().key_source(source)).build().unwrap();
    verifier.ready().await.unwrap();
    assert!(verifier.check(&genuine(&fake())).is_ok());
    let request = &proxy.requests()[0];
    assert!(request.starts_with("GET http://keys.test/jwks.json HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic "), "{request}");
}

/// The query is sent to the endpoint but redacted in errors, logs and `status()`.
#[tokio::test]
async fn a_query_is_sent_and_never_shown() {
    let mut endpoint = Endpoint::start(Mode::good(&fake().jwks_json())).await;
    let url = format!("{}?sig=secret", endpoint.url());
    let pool = || fake().user_pool().jwks_url(&url).unwrap();
    let verifier = patient(pool()).build().unwrap();
    verifier.ready().await.unwrap();
    assert!(endpoint.requests()[0].starts_with("GET /.well-known/jwks.json?sig=secret "));
    endpoint.go_down().await;
    let log = Log::default();
    let guard = log.start(LevelFilter::DEBUG, || ());
    let failing = patient(pool()).build().unwrap();
    let error = failing.ready().await.unwrap_err();
    drop(guard);
    let status = serde_json::to_string(&failing.status()).unwrap();
    assert!(status.contains(&format!("{}?***", endpoint.url())), "{status}");
    for text in [status, format!("{error} {error:?} {:?} {:?}", pool(), failing.status()), log.take()] {
        assert!(!text.contains("secret"), "{text}");
    }
}

/// Without root certificates, the TLS client cannot be built. Plain HTTP works without the TLS client.
#[tokio::test]
async fn a_host_without_root_certificates_fetches_over_plain_http() {
    if std::env::var_os(WITHOUT_ROOTS).is_none() {
        let me = std::env::current_exe().unwrap();
        let child = tokio::process::Command::new(me)
            .args(["--exact", "answers::a_host_without_root_certificates_fetches_over_plain_http", "--nocapture"])
            .envs([("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent"), (WITHOUT_ROOTS, "1")])
            .output()
            .await
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    let endpoint = Endpoint::start(Mode::good(&fake().jwks_json())).await;
    let verifier = patient(fake().user_pool().jwks_url(endpoint.url()).unwrap()).build().unwrap();
    verifier.ready().await.unwrap();
    assert!(verifier.check(&genuine(&fake())).is_ok());

    let verifier = patient(fake().user_pool().jwks_url(endpoint.tls_url()).unwrap()).build().unwrap();
    let error = verifier.ready().await.unwrap_err();
    assert_eq!(error.pools().next().unwrap().2.kind(), Kind::Tls);
    let failure = status(&verifier).last_failure.unwrap();
    for text in [error.to_string(), failure.message] {
        for part in ["No CA certificates", "`ca-certificates`", "`root_certificates`"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

/// Marks the child process of the test above.
const WITHOUT_ROOTS: &str = "AXUM_COGNITO_TEST_WITHOUT_ROOTS";
