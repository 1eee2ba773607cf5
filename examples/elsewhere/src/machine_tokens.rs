//! [`MachineTokens`]: access tokens for calls to other services, from the client credentials grant.

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oauth2::{
    AccessToken, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, RequestTokenError,
    Scope, TokenResponse, TokenUrl, basic::BasicClient, http::Response,
};
use tokio::{sync::OwnedMutexGuard, time::Instant};

/// The time limit of a request to the token endpoint.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The minimum time between a failed request and the next request.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The maximum size of a response, in bytes. A token has about 1 KiB.
const MAX_RESPONSE: usize = 64 * 1024;
/// A token is not used in its last seconds, because a call takes time and clocks differ.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// The shortest and the longest lifetime of an access token in Cognito.
const LIFETIMES: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(24 * 60 * 60));
/// A token of at most this age is kept even if the called service rejects it. See [`MachineTokens::forget`].
const FRESH: Duration = Duration::from_secs(60);

type OAuthClient = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Obtains access tokens with the client credentials grant (RFC 6749 §4.4) and caches them. Clones share the cache.
///
/// - Cognito charges for each token, so all callers share one token.
/// - At most one request is sent at a time, however many callers wait for it.
/// - After four fifths of the token's lifetime, the next call requests a new token in the background. If the request
///   fails, the old token stays in use until ten seconds before it expires.
/// - If there is no token and the request fails, all waiting callers get the error. Calls in the following second get
///   the same error without another request.
///
/// The token and the client secret are never logged.
#[derive(Clone)]
pub struct MachineTokens(Arc<Shared>);

struct Shared {
    oauth: OAuthClient,
    scopes: Vec<Scope>,
    http: reqwest::Client,
    state: Mutex<State>,
    /// Locked while a request is in flight, so that only one request is sent at a time.
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl MachineTokens {
    /// Creates a source of tokens for an app client with a secret. The first token is requested when it is needed.
    ///
    /// The token endpoint is `https://<domain>/oauth2/token`. Every scope must be a custom scope of a resource server,
    /// such as `orders/read`.
    ///
    /// # Errors
    /// [`TokenError::InvalidUrl`] if the URL is not valid, or if it uses plain HTTP with a host other than 127.0.0.1.
    /// Plain HTTP would reveal the secret to the network.
    pub fn new(url: &str, client_id: &str, client_secret: &str, scopes: &[&str]) -> Result<Self, TokenError> {
        Self::with_timeout(url, client_id, client_secret, scopes, TIMEOUT)
    }

    fn with_timeout(url: &str, id: &str, secret: &str, scopes: &[&str], limit: Duration) -> Result<Self, TokenError> {
        let url = TokenUrl::new(url.to_owned()).map_err(|_| TokenError::InvalidUrl("expected an absolute URL"))?;
        if url.url().scheme() != "https" && url.url().host_str() != Some("127.0.0.1") {
            return Err(TokenError::InvalidUrl("expected https"));
        }
        // A redirect could send the secret to another host.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(limit).build();
        let oauth = BasicClient::new(ClientId::new(id.to_owned()))
            .set_client_secret(ClientSecret::new(secret.to_owned()))
            .set_token_uri(url);
        Ok(Self(Arc::new(Shared {
            oauth,
            scopes: scopes.iter().map(|&scope| Scope::new(scope.to_owned())).collect(),
            http: http.map_err(|_| TokenError::Unavailable)?,
            state: Mutex::default(),
            gate: Arc::default(),
        })))
    }

    /// Returns a token for the header `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] if the token endpoint rejected the client, and [`TokenError::Unavailable`] if it did
    /// not respond.
    pub async fn token(&self) -> Result<AccessToken, TokenError> {
        self.token_at(Instant::now()).await
    }

    async fn token_at(&self, now: Instant) -> Result<AccessToken, TokenError> {
        let decision = self.state().decide(now);
        match decision {
            Decision::Done(result) => result,
            Decision::Refresh(token) => {
                // If the gate is locked, another caller has already started a request.
                if let Ok(permit) = Arc::clone(&self.0.gate).try_lock_owned() {
                    tokio::spawn(self.clone().request(now, permit));
                }
                Ok(token)
            }
            Decision::Wait => {
                let permit = Arc::clone(&self.0.gate).lock_owned().await;
                let decision = self.state().decide(now);
                match decision {
                    Decision::Done(result) => result,
                    Decision::Refresh(token) => Ok(token),
                    // The request runs in its own task, so it completes even if this caller is dropped.
                    Decision::Wait => {
                        tokio::spawn(self.clone().request(now, permit)).await.unwrap_or(Err(TokenError::Unavailable))
                    }
                }
            }
        }
    }

    /// Removes a token that the called service rejected with 401, so that the next call requests another one.
    ///
    /// The token stays if it was requested within the last minute. A service that rejects a new token will also reject
    /// the next one, for example because it does not accept this app client.
    pub fn forget(&self, rejected: &AccessToken) {
        self.state().forget(rejected, Instant::now());
    }

    async fn request(self, now: Instant, permit: OwnedMutexGuard<()>) -> Result<AccessToken, TokenError> {
        let result = self.exchange().await;
        if let Err(error) = &result {
            tracing::warn!(%error, "cannot obtain a machine token");
        }
        // In tests, `now` can be later than the current time.
        let result = self.state().completed(now, now.max(Instant::now()), result);
        drop(permit); // after the result is stored, so that the next caller finds it
        result
    }

    async fn exchange(&self) -> Result<(AccessToken, Duration), TokenError> {
        let Shared { oauth, scopes, http, .. } = &*self.0;
        let send = |request| send(http.clone(), request);
        let request = oauth.exchange_client_credentials().add_scopes(scopes.iter().cloned());
        let response = request.request_async(&send).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(response) => TokenError::Rejected(response.error().to_string()),
            _ => TokenError::Unavailable,
        })?;
        Ok((response.access_token().clone(), response.expires_in().unwrap_or(LIFETIMES.0)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request for the `oauth2` crate. A response of more than [`MAX_RESPONSE`] bytes is an error.
async fn send(http: reqwest::Client, request: HttpRequest) -> io::Result<HttpResponse> {
    let request = reqwest::Request::try_from(request).map_err(io::Error::other)?;
    let mut response = http.execute(request).await.map_err(io::Error::other)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(io::Error::other)? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(io::Error::other("the response is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    let mut copy = Response::new(body);
    *copy.status_mut() = response.status();
    *copy.headers_mut() = response.headers().clone();
    Ok(copy)
}

/// The cached token and the last failure.
#[derive(Default)]
struct State {
    issued: Option<Issued>,
    failed: Option<(Instant, TokenError)>,
}

struct Issued {
    token: AccessToken,
    /// The time at which the token was requested, which is no later than the time at which it was issued.
    at: Instant,
    lifetime: Duration,
}

#[derive(Debug)]
enum Decision {
    Done(Result<AccessToken, TokenError>),
    /// The caller gets this token, and another one is requested in the background.
    Refresh(AccessToken),
    /// The caller waits for a request to complete.
    Wait,
}

impl State {
    fn decide(&self, now: Instant) -> Decision {
        let failed = self.failed.as_ref().filter(|(at, _)| now < *at + RETRY_DELAY);
        let usable = self.issued.as_ref().filter(|issued| now + EXPIRY_MARGIN < issued.at + issued.lifetime);
        match (usable, failed) {
            (Some(issued), None) if now >= issued.at + issued.lifetime * 4 / 5 => {
                Decision::Refresh(issued.token.clone())
            }
            (Some(issued), _) => Decision::Done(Ok(issued.token.clone())),
            (None, Some((_, error))) => Decision::Done(Err(error.clone())),
            (None, None) => Decision::Wait,
        }
    }

    /// Stores the result of a request.
    fn completed(
        &mut self,
        sent: Instant,
        now: Instant,
        result: Result<(AccessToken, Duration), TokenError>,
    ) -> Result<AccessToken, TokenError> {
        match result {
            Ok((token, lifetime)) => {
                // With a limited lifetime, sums of times cannot overflow.
                let lifetime = lifetime.min(LIFETIMES.1);
                *self = Self { issued: Some(Issued { token: token.clone(), at: sent, lifetime }), failed: None };
                Ok(token)
            }
            Err(error) => {
                self.failed = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    fn forget(&mut self, rejected: &AccessToken, now: Instant) {
        self.issued.take_if(|issued| issued.token.secret() == rejected.secret() && now > issued.at + FRESH);
    }
}

/// The reason why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// The URL of the token endpoint is not valid.
    InvalidUrl(&'static str),
    /// The token endpoint rejected the request. The value is the endpoint's error code, such as `invalid_client` (RFC
    /// 6749 §5.2).
    Rejected(String),
    /// The token endpoint did not respond in time, or its response was not valid.
    Unavailable,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(reason) => write!(f, "the URL of the token endpoint is not valid: {reason}"),
            Self::Rejected(code) => write!(f, "the token endpoint rejected the app client: {code}"),
            Self::Unavailable => f.write_str("the token endpoint is unavailable"),
        }
    }
}

impl Error for TokenError {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::{
        Json, Router,
        http::StatusCode,
        response::{IntoResponse, Redirect},
        routing::post,
    };
    use serde_json::json;
    use tokio::{
        net::TcpListener,
        time::{sleep, timeout},
    };

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    /// The maximum time that a test waits for an expected event.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_token_is_used_refreshed_and_replaced_by_its_age() {
        let (sent, error) = (Instant::now(), TokenError::Unavailable);
        let issued = |seconds: u64| {
            let mut state = State::default();
            let token = (AccessToken::new("t".to_owned()), Duration::from_secs(seconds));
            state.completed(sent, sent, Ok(token)).unwrap();
            state
        };
        let failed = |mut state: State, at: Duration| {
            state.completed(sent + at, sent + at, Err(error.clone())).unwrap_err();
            state
        };
        let second = Duration::from_secs(1);
        let table = [
            ("no token", State::default(), MINUTE, "wait"),
            ("a new token", issued(3600), Duration::ZERO, "use"),
            ("just before the refresh", issued(3600), Duration::from_secs(48 * 60 - 1), "use"),
            ("after four fifths of the lifetime", issued(3600), 48 * MINUTE, "refresh"),
            ("in the last seconds", issued(3600), Duration::from_secs(60 * 60 - 10), "wait"),
            ("expired", issued(3600), 60 * MINUTE, "wait"),
            ("a shorter lifetime than the margin", issued(5), Duration::ZERO, "wait"),
            ("a lifetime above the maximum", issued(u64::MAX), 24 * 60 * MINUTE, "wait"),
            ("a failed refresh", failed(issued(3600), 50 * MINUTE), 50 * MINUTE, "use"),
            ("a second after a failed refresh", failed(issued(3600), 50 * MINUTE), 50 * MINUTE + second, "refresh"),
            ("a failure without a token", failed(State::default(), MINUTE), MINUTE, "fail"),
            ("a failure and an expired token", failed(issued(60), 2 * MINUTE), 2 * MINUTE, "fail"),
            ("a second after a failure", failed(State::default(), MINUTE), MINUTE + second, "wait"),
        ];
        for (name, state, age, expected) in table {
            let actual = match state.decide(sent + age) {
                Decision::Done(Ok(_)) => "use",
                Decision::Done(Err(_)) => "fail",
                Decision::Refresh(_) => "refresh",
                Decision::Wait => "wait",
            };
            assert_eq!(actual, expected, "{name}");
        }
    }

    #[test]
    fn a_rejected_token_is_forgotten_unless_it_is_new() {
        let (sent, token) = (Instant::now(), |text: &str| AccessToken::new(text.to_owned()));
        let table = [("t", 2 * MINUTE, true), ("t", MINUTE, false), ("another token", 2 * MINUTE, false)];
        for (rejected, age, forgotten) in table {
            let mut state = State::default();
            state.completed(sent, sent, Ok((token("t"), 60 * MINUTE))).unwrap();
            state.forget(&token(rejected), sent + age);
            assert_eq!(state.issued.is_none(), forgotten, "{rejected} {age:?}");
        }
    }

    /// A token endpoint that counts requests.
    struct Endpoint {
        url: String,
        requests: Arc<AtomicU32>,
        behavior: Arc<Mutex<Behavior>>,
    }

    #[derive(Clone, Copy)]
    enum Behavior {
        Issue,
        Hang,
        Fail,
        Redirect,
        Flood,
    }

    impl Endpoint {
        async fn start(behavior: Behavior) -> Self {
            let (requests, behavior) = (Arc::<AtomicU32>::default(), Arc::new(Mutex::new(behavior)));
            let (count, current) = (Arc::clone(&requests), Arc::clone(&behavior));
            let respond = async move || {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let behavior = *current.lock().unwrap();
                match behavior {
                    Behavior::Issue => {
                        let token = format!("token {number}");
                        Json(json!({ "access_token": token, "expires_in": 3600, "token_type": "Bearer" }))
                            .into_response()
                    }
                    Behavior::Hang => std::future::pending().await,
                    Behavior::Fail => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                    Behavior::Redirect => Redirect::temporary("/elsewhere").into_response(),
                    Behavior::Flood => " ".repeat(MAX_RESPONSE + 1).into_response(),
                }
            };
            let routes = Router::new().route("/token", post(respond.clone())).route("/elsewhere", post(respond));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/token", listener.local_addr().unwrap());
            tokio::spawn(async { axum::serve(listener, routes).await });
            Self { url, requests, behavior }
        }

        fn tokens(&self, limit: Duration) -> MachineTokens {
            MachineTokens::with_timeout(&self.url, "client", "secret", &["orders/read"], limit).unwrap()
        }

        fn requests(&self) -> u32 {
            self.requests.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn many_callers_cause_one_request_and_get_the_same_token() {
        let endpoint = Endpoint::start(Behavior::Issue).await;
        let tokens = endpoint.tokens(LONG);
        for result in futures_util::future::join_all((0..100).map(|_| tokens.token())).await {
            assert_eq!(result.unwrap().secret(), "token 0");
        }
        assert_eq!(endpoint.requests(), 1);
    }

    #[tokio::test]
    async fn a_refresh_makes_no_caller_wait_and_a_failed_refresh_keeps_the_token() {
        let endpoint = Endpoint::start(Behavior::Issue).await;
        let tokens = endpoint.tokens(LONG);
        let now = Instant::now();
        assert_eq!(tokens.token_at(now).await.unwrap().secret(), "token 0");

        *endpoint.behavior.lock().unwrap() = Behavior::Fail;
        assert_eq!(tokens.token_at(now + 50 * MINUTE).await.unwrap().secret(), "token 0");
        eventually(|| tokens.state().failed.is_some()).await;
        assert_eq!(tokens.token_at(now + 50 * MINUTE).await.unwrap().secret(), "token 0");
        assert_eq!(endpoint.requests(), 2, "the failure delays the next request");

        *endpoint.behavior.lock().unwrap() = Behavior::Issue;
        for _ in 0..10 {
            assert_eq!(tokens.token_at(now + 51 * MINUTE).await.unwrap().secret(), "token 0");
        }
        eventually(|| tokens.state().failed.is_none()).await;
        assert_eq!(tokens.token_at(now + 51 * MINUTE).await.unwrap().secret(), "token 2");
        assert_eq!(endpoint.requests(), 3, "the refreshes are one request");
    }

    async fn eventually(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !condition() {
            assert!(Instant::now() < deadline, "the condition never became true");
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn every_fault_of_the_endpoint_is_an_error_after_one_request() {
        for behavior in [Behavior::Hang, Behavior::Fail, Behavior::Redirect, Behavior::Flood] {
            let endpoint = Endpoint::start(behavior).await;
            let tokens = endpoint.tokens(Duration::from_secs(2));
            for result in futures_util::future::join_all((0..100).map(|_| tokens.token())).await {
                assert_eq!(result.unwrap_err(), TokenError::Unavailable);
            }
            assert_eq!(endpoint.requests(), 1);
        }
    }

    #[tokio::test]
    async fn a_request_completes_although_its_caller_is_dropped() {
        let endpoint = Endpoint::start(Behavior::Issue).await;
        let tokens = endpoint.tokens(LONG);
        assert!(timeout(Duration::ZERO, tokens.token()).await.is_err(), "the request did not take any time");
        eventually(|| tokens.state().issued.is_some()).await;
        assert_eq!(tokens.token().await.unwrap().secret(), "token 0");
    }

    #[test]
    fn the_secret_is_sent_over_https_only() {
        let table = [
            ("https://app.auth.eu-west-1.amazoncognito.com/oauth2/token", true),
            ("http://127.0.0.1:3000/oauth2/token", true),
            ("http://app.auth.eu-west-1.amazoncognito.com/oauth2/token", false),
            ("http://127.0.0.1.example.com/oauth2/token", false),
            ("app.auth.eu-west-1.amazoncognito.com", false),
        ];
        for (url, valid) in table {
            assert_eq!(MachineTokens::new(url, "client", "secret", &[]).is_ok(), valid, "{url}");
        }
    }
}
