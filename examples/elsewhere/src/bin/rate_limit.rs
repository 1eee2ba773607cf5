//! Limits the rate of requests for each user, with `tower_governor`.
//!
//! ```console
//! $ cargo run --bin rate_limit
//! ```
//!
//! The program prints two tokens and a command that sends ten requests within a second. The first five requests get
//! 200, and the others get 429 with `Retry-After`. The other user and anonymous requests are not affected, because each
//! has a quota of its own.
//!
//! - **Verification comes first.** `CognitoAuth` is the outer layer, so a request uses a user's quota only if the
//!   request's token is valid. A request with a forged token is counted by its address, so it cannot use up another
//!   user's quota.
//! - **The key is the pool and `sub`.** `sub` is unique only within a pool. A machine has its client ID as `sub`, so
//!   all instances of a client share a quota.
//! - **Anonymous requests are counted by the address of the connection.** Behind a load balancer, a connection has the
//!   load balancer's address. Read the client's address only from the header that your load balancer sets, because
//!   clients can send any other header. In IPv6, a client usually has a /64 network for its own use, so the whole
//!   network shares one quota.
//!
//! The quotas are in memory, so each server has its own. With `n` servers, a user can send `n` times as many requests.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Request, Response, StatusCode, header},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, OptionalClaims, UserPoolId, middleware::AuthRejectionKind, testing::FakeUserPool,
};
use tokio::{net::TcpListener, time::sleep};
use tower_governor::{GovernorError, GovernorLayer, governor::GovernorConfigBuilder, key_extractor::KeyExtractor};

/// The number of requests that a caller can send at once.
const BURST: u32 = 5;
/// The time after which a caller who has used the whole quota can send one more request.
const PERIOD: Duration = Duration::from_secs(1);
/// The interval at which callers with a full quota are removed to free memory.
const CLEAN_UP: Duration = Duration::from_secs(60);

/// The caller who owns a quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    /// A user or a machine with a valid token.
    Account { pool: UserPoolId, sub: String },
    /// The network of a request without a valid token.
    Network(IpAddr),
}

/// Finds the [`Caller`] of a request.
#[derive(Clone)]
struct ByCaller;

impl KeyExtractor for ByCaller {
    type Key = Caller;

    fn extract<B>(&self, request: &Request<B>) -> Result<Caller, GovernorError> {
        match CognitoClaims::from_extensions(request.extensions()) {
            Ok(claims) => Ok(Caller::Account { pool: claims.pool().clone(), sub: claims.sub().to_owned() }),
            // No layer has verified the request, so the order of the layers is wrong. Limiting all users by address
            // would hide this mistake.
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingLayer => {
                Err(GovernorError::UnableToExtractKey)
            }
            Err(_) => {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
                peer.map(|peer| Caller::Network(network(peer.0.ip()))).ok_or(GovernorError::UnableToExtractKey)
            }
        }
    }
}

/// Returns an IPv4 address unchanged, and the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Builds the application. A caller who has used the whole quota can send one more request after each `period`. The
/// builder's `per_second` sets the same period in seconds, so `per_second(5)` allows one request in five seconds.
fn app(auth: CognitoAuth, period: Duration) -> Result<Router, &'static str> {
    let limits = GovernorConfigBuilder::default().key_extractor(ByCaller).period(period).burst_size(BURST).finish();
    let limits = limits.ok_or("expected a period and a burst above zero")?;
    let limiter = Arc::downgrade(limits.limiter());
    tokio::spawn(async move {
        // The task ends when the application is dropped.
        while let Some(limiter) = limiter.upgrade() {
            limiter.retain_recent();
            drop(limiter);
            sleep(CLEAN_UP).await;
        }
    });
    Ok(Router::new()
        .route("/", get(async |OptionalClaims(claims): OptionalClaims| if claims.is_some() { "user" } else { "guest" }))
        .layer(GovernorLayer::new(limits).error_handler(|error| response(&error)))
        .layer(auth)) // added last, so it is the outer layer
}

/// Returns the response of a request that the limiter rejects.
fn response(error: &GovernorError) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return with_status(StatusCode::INTERNAL_SERVER_ERROR, "{}");
    };
    let mut response = with_status(StatusCode::TOO_MANY_REQUESTS, r#"{"title":"Too Many Requests","status":429}"#);
    // `wait_time` is rounded down to whole seconds, so a client that waits exactly `wait_time` can be too early.
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_time.saturating_add(1)));
    response
}

fn with_status(status: StatusCode, problem: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(problem));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let app = app(CognitoAuth::new(pool.user_pool()), PERIOD)?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("ALICE={}\nBOB={}", pool.access_token("alice").sign(), pool.access_token("bob").sign());
    println!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do curl -i http://127.0.0.1:3000/ -H \"authorization: Bearer $ALICE\"; done"
    );
    println!("curl -i http://127.0.0.1:3000/ -H \"authorization: Bearer $BOB\"");
    println!("curl -i http://127.0.0.1:3000/");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}

#[cfg(test)]
mod tests {
    use axum_cognito::Verifier;
    use tower::ServiceExt;

    use super::*;

    /// Sends a request and returns its status and `Retry-After`.
    async fn send(app: &Router, address: &str, token: Option<&str>) -> (u16, Option<u64>) {
        let mut request = Request::get("/").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let response = app.clone().oneshot(request).await.unwrap();
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        (response.status().as_u16(), retry_after)
    }

    /// Sends requests until the quota is used up.
    async fn use_up(app: &Router, address: &str, token: Option<&str>) {
        for _ in 0..=100 {
            if send(app, address, token).await.0 == 429 {
                return;
            }
        }
        panic!("there is no limit");
    }

    #[tokio::test]
    async fn each_caller_has_its_own_quota() {
        let (pool, other) = (FakeUserPool::new(), FakeUserPool::with_ids("eu-west-1_Other", "2otherclient"));
        let verifier = Verifier::builder().pool(pool.user_pool()).pool(other.user_pool()).build().unwrap();
        let period = Duration::from_secs(3600); // long enough for a slow machine
        let app = app(CognitoAuth::from(verifier), period).unwrap();

        let alice = pool.access_token("alice").claim("sub", "a1").sign();
        for _ in 0..BURST {
            assert_eq!(send(&app, "192.0.2.1", Some(&alice)).await, (200, None));
        }
        let (status, retry_after) = send(&app, "192.0.2.1", Some(&alice)).await;
        assert_eq!(status, 429);
        assert!(retry_after.is_some_and(|seconds| (3590..=3601).contains(&seconds)), "{retry_after:?}");

        let forged = pool.access_token("alice").claim("sub", "a1").signed_with_wrong_key().sign();
        let renewed = pool.access_token("alice").claim("sub", "a1").sign();
        use_up(&app, "192.0.2.7", None).await;
        use_up(&app, "2001:db8::1", None).await;
        let table = [
            ("the same user at another address", "192.0.2.2", Some(renewed), 429),
            ("another user at the same address", "192.0.2.1", Some(pool.access_token("bob").sign()), 200),
            ("the same sub in another pool", "192.0.2.1", Some(other.access_token("x").claim("sub", "a1").sign()), 200),
            ("a machine", "192.0.2.1", Some(pool.machine_token().sign()), 200),
            ("an anonymous request at the user's address", "192.0.2.1", None, 200),
            ("a forged token of the user", "192.0.2.3", Some(forged.clone()), 200),
            ("the same anonymous address", "192.0.2.7", None, 429),
            ("a forged token at that address", "192.0.2.7", Some(forged), 429),
            ("the same address, mapped to IPv6", "::ffff:192.0.2.7", None, 429),
            ("another anonymous address", "192.0.2.8", None, 200),
            ("another address of the same IPv6 network", "2001:db8::ffff", None, 429),
            ("an address of another IPv6 network", "2001:db8:0:1::1", None, 200),
        ];
        for (name, address, token, status) in table {
            assert_eq!(send(&app, address, token.as_deref()).await.0, status, "{name}");
        }
    }

    /// A caller who waits as long as `Retry-After` says is not rejected again.
    #[tokio::test]
    async fn retry_after_is_never_too_short() {
        let pool = FakeUserPool::new();
        let app = app(CognitoAuth::new(pool.user_pool()), PERIOD).unwrap();
        use_up(&app, "192.0.2.1", None).await;
        let (status, retry_after) = send(&app, "192.0.2.1", None).await;
        assert!(status == 200 || retry_after == Some(1), "{status} {retry_after:?}");
    }

    #[tokio::test]
    async fn a_limiter_outside_the_verification_is_an_error() {
        let pool = FakeUserPool::new();
        let limits = GovernorConfigBuilder::default().key_extractor(ByCaller).finish().unwrap();
        let app = Router::new()
            .route("/", get(async || "ok"))
            .layer(CognitoAuth::new(pool.user_pool()))
            .layer(GovernorLayer::new(limits).error_handler(|error| response(&error)));
        assert_eq!(send(&app, "192.0.2.1", Some(&pool.access_token("alice").sign())).await.0, 500);
    }
}
