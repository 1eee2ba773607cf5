//! The authorization endpoint.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use oauth2::url::Url;

use super::{
    client::AppClient,
    codes::Code,
    context::Context,
    cookie,
    faults::ManagedLoginFault,
    grant::{Grant, Login},
    login_page::error_page,
    parameters::Parameters,
    pkce,
};

/// A checked authorization request.
#[derive(Debug)]
pub(super) struct AuthorizationRequest {
    pub(super) redirect_url: String,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    scopes: Vec<String>,
    prompt: Option<Prompt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    /// Never shows a page.
    None,
    /// Always asks for the password.
    Login,
}

/// The error response to an authorization request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthorizationError {
    /// An error page, because the client or its redirect URL is wrong. A redirect could send the user to an attacker
    /// (RFC 6749 §4.1.2.1).
    Page(&'static str),
    /// An error that the client receives at its redirect URL.
    Redirect { redirect_url: String, error: &'static str, description: Option<&'static str>, state: Option<String> },
}

impl AuthorizationRequest {
    /// Checks the parameters of a request.
    pub(super) fn check(query: &str, client: &AppClient) -> Result<Self, AuthorizationError> {
        let parameters = Parameters::parse(query.as_bytes())
            .map_err(|_| AuthorizationError::Page("A parameter of the request occurs twice."))?;
        if parameters.get("client_id") != Some(&client.id) {
            return Err(AuthorizationError::Page("The user pool has no app client with this client_id."));
        }
        let redirect_url = parameters
            .get("redirect_uri")
            .filter(|url| client.callback_urls.contains(*url))
            .ok_or(AuthorizationError::Page("The redirect_uri is not a registered callback URL of the app client."))?;
        Self::read(redirect_url, &parameters, client).map_err(|error| AuthorizationError::Redirect {
            redirect_url: redirect_url.to_owned(),
            error,
            description: None,
            state: parameters.get("state").map(str::to_owned),
        })
    }

    /// Reads the parameters whose errors are reported to the client.
    fn read(redirect_url: &str, parameters: &Parameters, client: &AppClient) -> Result<Self, &'static str> {
        match parameters.get("response_type") {
            Some("code") => {}
            Some("token") => return Err("unauthorized_client"), // the implicit grant, which the app client does not allow
            _ => return Err("invalid_request"),
        }
        let challenge = parameters.get("code_challenge");
        match (challenge, parameters.get("code_challenge_method")) {
            (None, None) => {}
            (Some(challenge), Some("S256")) if pkce::is_challenge(challenge) => {}
            _ => return Err("invalid_request"),
        }
        Ok(Self {
            redirect_url: redirect_url.to_owned(),
            state: parameters.get("state").map(str::to_owned),
            nonce: parameters.get("nonce").map(str::to_owned),
            challenge: challenge.map(str::to_owned),
            scopes: client.scopes(parameters.get("scope")).ok_or("invalid_scope")?,
            prompt: prompt(parameters.get("prompt"))?,
        })
    }

    /// Redirects back to the client with a code.
    pub(super) fn accept(self, context: &Context, login: Login) -> Response {
        let grant = Grant::new(login, self.scopes);
        let (redirect_url, challenge, nonce) = (self.redirect_url.clone(), self.challenge, self.nonce);
        let code = Code { grant, redirect_url, challenge, nonce };
        let code = context.state().codes.issue(code, context.now());
        redirect(&self.redirect_url, &[("code", Some(&code)), ("state", self.state.as_deref())])
    }

    /// Redirects back to the client with an error.
    pub(super) fn reject(self, context: &Context, error: &'static str, description: Option<&'static str>) -> Response {
        let Self { redirect_url, state, .. } = self;
        AuthorizationError::Redirect { redirect_url, error, description, state }.respond(context)
    }
}

/// Reads the prompts. `select_account` and `consent` affect only other identity providers, so they are ignored.
fn prompt(prompts: Option<&str>) -> Result<Option<Prompt>, &'static str> {
    let mut result = None;
    for prompt in prompts.into_iter().flat_map(|prompts| prompts.split(' ')) {
        match prompt {
            // `none` excludes all other values (OpenID Connect Core 1.0 §3.1.2.1).
            "none" if prompts == Some("none") => result = Some(Prompt::None),
            "login" => result = Some(Prompt::Login),
            "select_account" | "consent" => {}
            _ => return Err("invalid_request"),
        }
    }
    Ok(result)
}

impl AuthorizationError {
    pub(super) fn respond(self, context: &Context) -> Response {
        match self {
            Self::Page(message) => error_page(message),
            Self::Redirect { redirect_url, error, description, state } => {
                let state = state.filter(|_| !context.has_fault(ManagedLoginFault::ErrorWithoutState));
                let parameters =
                    [("error", Some(error)), ("error_description", description), ("state", state.as_deref())];
                redirect(&redirect_url, &parameters)
            }
        }
    }
}

/// Handles `GET /oauth2/authorize`.
pub(super) async fn authorize(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let request = match AuthorizationRequest::check(&query, &context.client) {
        Ok(request) => request,
        Err(error) => return error.respond(&context),
    };
    if context.has_fault(ManagedLoginFault::AuthorizationError) {
        return request.reject(&context, "server_error", Some("<script>alert('trigger failed')</script>"));
    }
    let login = match request.prompt {
        Some(Prompt::Login) => None,
        _ => cookie::read(&headers).and_then(|cookie| context.state().logins.get(cookie, context.now()).cloned()),
    };
    match login {
        Some(login) => request.accept(&context, login),
        None if request.prompt == Some(Prompt::None) => request.reject(&context, "login_required", None),
        None => found(&format!("/login?{query}")),
    }
}

/// Redirects to a URL with additional parameters.
fn redirect(url: &str, parameters: &[(&str, Option<&str>)]) -> Response {
    let mut url = Url::parse(url).expect("registered URLs are absolute");
    let present = parameters.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    url.query_pairs_mut().extend_pairs(present);
    found(url.as_str())
}

/// Redirects with 302, as Cognito does.
pub(super) fn found(location: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store")]).into_response()
}
