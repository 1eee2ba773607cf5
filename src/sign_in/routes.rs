//! Implements the sign-in, callback and sign-out routes.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    attempt::Attempt,
    authorize::{authorization_url, logout_url},
    builder::SignIn,
    callback::{Callback, CallbackError, only_value},
    identity::{self, IdentityError},
    navigation::may_be_navigation,
    pages::{self, Page},
    recent,
    return_to::ReturnTo,
    same_origin,
    session::SessionData,
    settings::Settings,
    split::{self, Names},
    starting::{StartError, Started},
    token_endpoint::EndpointError,
};

/// The time limit for revoking a refresh token. A slow endpoint must not delay the sign-out.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(2);

impl SignIn {
    /// Returns the routes for sign-in, callback and sign-out.
    ///
    /// | route | effect |
    /// |---|---|
    /// | `GET /auth/sign-in?return_to=/path` | Starts a sign-in, and redirects to Cognito's managed login. |
    /// | `GET <path of the callback URL>` | Completes a sign-in: exchanges the code, verifies the tokens, starts a session, and redirects to `return_to`. The browser's previous session ends, and its refresh token is revoked. |
    /// | `POST /auth/sign-out` | Ends the session, revokes its refresh token, and redirects to Cognito's logout endpoint. |
    ///
    /// `return_to` must be a path of this application. Otherwise, the user returns to `/` after the sign-in. Sign-out
    /// requests from other origins get 403. If a sign-in fails, the browser shows a page that tells the user what to
    /// do. The status of the page is 503 during an outage, 429 in a sign-in loop, 500 if the session cannot be stored
    /// in cookies, and 400 in most other cases.
    ///
    /// The routes can be merged into the router before or after the layer of this [`SignIn`] is added. The layer does
    /// not load sessions for requests to these routes.
    ///
    /// ```
    /// use axum::Router;
    /// use axum_cognito::{sign_in::SignIn, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let domain = "https://app.auth.eu-west-1.amazoncognito.com";
    /// let sign_in = SignIn::builder(fake.user_pool(), domain, "https://app.example.com/auth/callback").build()?;
    /// let app: Router = Router::new().merge(sign_in.routes());
    /// # let _ = app;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let settings = &self.settings;
        let router = Router::new()
            .route(&settings.sign_in_path, get(sign_in).fallback(only_get))
            .route(&settings.callback_path, get(callback).fallback(only_get))
            .route(&settings.sign_out_path, post(sign_out).fallback(only_post));
        router.with_state(Arc::clone(settings))
    }
}

async fn only_get(State(settings): State<Arc<Settings>>) -> Response {
    Page::MethodNotAllowed("GET").response(&settings.sign_in_path)
}

async fn only_post(State(settings): State<Arc<Settings>>) -> Response {
    Page::MethodNotAllowed("POST").response(&settings.sign_in_path)
}

/// Starts a sign-in.
async fn sign_in(State(settings): State<Arc<Settings>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let started = start_sign_in(&settings, &method, &uri, &headers);
    started.unwrap_or_else(|page| page.response(&settings.sign_in_path))
}

fn start_sign_in(settings: &Settings, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Response, Page> {
    if !may_be_navigation(method, headers) {
        return Err(Page::NotNavigation);
    }
    let now = settings.clock.now();
    if recent::is_loop(&settings.sealer, headers, now) {
        tracing::warn!(
            "a browser signed in three times within a minute without sending a session back: check that the session \
             cookies are not too large, and that all instances have the same session keys"
        );
        return Err(Page::Loop);
    }
    let attempt = Attempt::start(return_to(settings, uri), now).map_err(|_| failed("no random numbers"))?;
    let cookies = attempt.cookies(&settings.sealer, headers).map_err(|_| failed("a cookie could not be encrypted"))?;
    let location = authorization_url(settings, &attempt);
    let location =
        HeaderValue::try_from(location).map_err(|_| failed("the authorization URL is not a header value"))?;
    Ok(pages::redirect(location, cookies))
}

/// Logs the reason why a sign-in could not start, and returns the page to show.
fn failed(reason: &'static str) -> Page {
    tracing::error!(reason, "a sign-in could not start");
    Page::Failed
}

/// Returns the query parameter `return_to`, or `/` if it is missing, is not a path of this application, or is the path
/// of one of these routes.
fn return_to(settings: &Settings, uri: &Uri) -> ReturnTo {
    let wanted = only_value(uri.query().unwrap_or_default(), "return_to").and_then(|path| ReturnTo::parse(&path));
    let own = [&settings.sign_in_path, &settings.callback_path, &settings.sign_out_path];
    let is_own = |wanted: &ReturnTo| {
        let path = wanted.resolved_path();
        own.iter().any(|own| path.as_deref() == Some(own.as_str()))
    };
    wanted.filter(|wanted| !is_own(wanted)).unwrap_or_else(ReturnTo::root)
}

/// Completes a sign-in. The attempt is used up even if the sign-in fails.
async fn callback(State(settings): State<Arc<Settings>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    // A HEAD request must not use up the code. axum routes HEAD requests to the GET handler.
    if method != Method::GET {
        return only_get(State(settings)).await;
    }
    let callback = Callback::parse(uri.query().unwrap_or_default());
    let used_up = callback.state.as_deref().and_then(Attempt::remove_cookie);
    let mut response = match complete_sign_in(&settings, &callback, &headers).await {
        Ok(response) => response,
        Err(page) => page.response(&settings.sign_in_path),
    };
    pages::add_cookies(&mut response, used_up);
    response
}

async fn complete_sign_in(
    settings: &Arc<Settings>,
    callback: &Callback,
    headers: &HeaderMap,
) -> Result<Response, Page> {
    let code = callback.code.as_deref().map_err(|error| denied(*error))?;
    let state = callback.state.as_deref().ok_or(Page::UnknownAttempt)?;
    let now = settings.clock.now();
    let attempt = Attempt::find(state, &settings.sealer, headers, now).ok_or(Page::UnknownAttempt)?;
    let tokens = settings.endpoint.exchange(code, &attempt.verifier).await.map_err(exchange_failed)?;
    let data = identity::signed_in(settings, tokens, &attempt.nonce_hash()).await.map_err(identity_failed)?;
    let Started { mut cookies, previous } =
        settings.sessions.start(settings, data, headers, now).await.map_err(start_failed)?;
    match previous {
        // The sign-in does not wait for the revocation.
        Some(previous) => drop(revoke(settings, &previous)),
        None => cookies.extend(recent::record(&settings.sealer, headers, now)),
    }
    Ok(pages::redirect(attempt.return_to.location(), cookies))
}

fn denied(error: CallbackError) -> Page {
    match error {
        CallbackError::Malformed => Page::MalformedCallback,
        CallbackError::Denied(code) => {
            tracing::info!(error = code.unwrap_or("unknown"), "Cognito ended a sign-in with an error");
            Page::Denied(code)
        }
    }
}

fn exchange_failed(error: EndpointError) -> Page {
    match error {
        EndpointError::InvalidGrant => {
            tracing::info!("Cognito rejected the code of a sign-in: expired, used or issued for another callback URL");
            Page::Rejected
        }
        EndpointError::Rejected(error) => {
            tracing::error!(error, "Cognito rejected the code exchange: check the client secret and the callback URL");
            Page::Rejected
        }
        EndpointError::Unavailable => {
            tracing::warn!("a sign-in failed because the token endpoint is unavailable");
            Page::Unavailable
        }
    }
}

fn identity_failed(error: IdentityError) -> Page {
    match error {
        IdentityError::Rejected(reason) => {
            tracing::warn!(reason, "a sign-in failed because Cognito's tokens were rejected");
            Page::Rejected
        }
        IdentityError::Unavailable => {
            tracing::warn!("a sign-in failed because the keys of the user pool are unavailable");
            Page::Unavailable
        }
    }
}

/// Returns the page to show if a session could not start. Store failures and oversized sessions have already been
/// logged.
fn start_failed(error: StartError) -> Page {
    match error {
        StartError::Store => Page::Unavailable,
        StartError::TooLarge => Page::Failed,
        StartError::Encryption => {
            tracing::error!("a sign-in failed because its session could not be encrypted");
            Page::Failed
        }
    }
}

/// Ends the session, then revokes its refresh token. The user is signed out even if the revocation fails.
async fn sign_out(State(settings): State<Arc<Settings>>, method: Method, headers: HeaderMap) -> Response {
    if !same_origin::is_allowed(&method, &headers, &settings.origin) {
        return Page::CrossSite.response(&settings.sign_in_path);
    }
    let now = settings.clock.now();
    let cookies = match settings.sessions.load_or_remove(&settings, &headers, now).await {
        Some(session) => {
            let removals = settings.sessions.end(&settings, &session, &headers, now).await;
            if let Some(revocation) = revoke(&settings, &session)
                && revocation.await.is_err()
            {
                tracing::warn!("the revocation of a refresh token was cancelled");
            }
            removals
        }
        None => split::remove_cookies(Names::of(&headers)),
    };
    match HeaderValue::try_from(logout_url(&settings)) {
        Ok(location) => pages::redirect(location, cookies),
        Err(_) => Page::Failed.response(&settings.sign_in_path),
    }
}

/// Revokes the refresh token of an ended session in a background task, which continues if the client disconnects.
fn revoke(settings: &Arc<Settings>, session: &SessionData) -> Option<JoinHandle<()>> {
    let token = session.refresh_token()?.to_owned();
    let settings = Arc::clone(settings);
    Some(tokio::spawn(async move {
        match timeout(REVOCATION_TIMEOUT, settings.endpoint.revoke(&token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(?error, "the refresh token of an ended session was not revoked"),
            Err(_) => tracing::warn!("the revocation of an ended session's refresh token timed out"),
        }
    }))
}

#[cfg(test)]
mod tests;
