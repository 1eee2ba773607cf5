//! [`TokenEndpoint`]: requests to `/oauth2/token` and `/oauth2/revoke`.
//!
//! The `oauth2` crate writes the requests and reads the responses. This module sends the requests, and rejects
//! responses that a proxy may have sent instead of Cognito. No error of this module contains parts of a request or
//! response.

use std::{fmt, pin::Pin, time::Duration};

use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    RevocableToken, RevocationErrorResponseType, RevocationUrl, StandardErrorResponse, StandardTokenResponse,
    TokenResponse as _, TokenUrl,
    basic::{BasicErrorResponse, BasicErrorResponseType, BasicTokenIntrospectionResponse, BasicTokenType},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::http_client::{HttpClient, read_body};

/// The time limit of a request, from the connection to the end of the body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum length of a response, in bytes. The limit allows three tokens of the maximum length that a verifier
/// accepts by default.
const BODY_MAX: usize = 64 * 1024;

/// The unverified tokens of a response.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) id: Option<String>,
    pub(super) refresh: Option<String>,
}

/// The failure of a request to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointError {
    /// Cognito rejected the grant (`invalid_grant`): the code or refresh token was already used, has expired, or was
    /// revoked.
    InvalidGrant,
    /// Cognito rejected the request for another reason, for example a wrong client secret, or issued a token of an
    /// unknown type. The text is a known error code or a fixed description.
    Rejected(&'static str),
    /// The endpoint did not respond in time, or its response contains neither tokens nor an OAuth error.
    Unavailable,
}

/// The token endpoint and the revocation endpoint of one app client.
pub(super) struct TokenEndpoint {
    client: OAuthClient,
    token_url: Url,
    revocation_url: Url,
    http: HttpClient,
}

type OAuthClient = Client<
    BasicErrorResponse,
    TokenResponse,
    BasicTokenIntrospectionResponse,
    RevokedToken,
    StandardErrorResponse<RevocationErrorResponseType>,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointSet,
>;

type TokenResponse = StandardTokenResponse<IdToken, BasicTokenType>;

/// The `id_token`, which OpenID Connect adds to a token response (Core 1.0 §3.1.3.3). Unknown members are ignored.
#[derive(Deserialize, Serialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

/// Omits the token. The trait requires `Debug`.
impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").finish_non_exhaustive()
    }
}

/// A refresh token to revoke.
struct RevokedToken(RefreshToken);

impl RevocableToken for RevokedToken {
    fn secret(&self) -> &str {
        self.0.secret()
    }

    /// Omits `token_type_hint`, because only refresh tokens can be revoked. The AWS page "The token revocation
    /// endpoint" does not mention the parameter.
    fn type_hint(&self) -> Option<&str> {
        None
    }
}

impl TokenEndpoint {
    /// Creates the endpoints below the origin `domain`, such as `https://app.auth.eu-west-1.amazoncognito.com`.
    pub(super) fn new(
        domain: &Url,
        client_id: &str,
        client_secret: Option<&str>,
        redirect_url: RedirectUrl,
        http: HttpClient,
    ) -> Self {
        let (mut token_url, mut revocation_url) = (domain.clone(), domain.clone());
        token_url.set_path("/oauth2/token");
        revocation_url.set_path("/oauth2/revoke");
        let client = Client::new(ClientId::new(client_id.to_owned()))
            .set_auth_type(auth_type(client_id, client_secret))
            .set_redirect_uri(redirect_url)
            .set_token_uri(TokenUrl::from_url(token_url.clone()))
            .set_revocation_url(RevocationUrl::from_url(with_https(&revocation_url)));
        let client = match client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
            None => client,
        };
        Self { client, token_url, revocation_url, http }
    }

    /// Exchanges an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
    pub(super) async fn exchange(&self, code: &str, verifier: &str) -> Result<Tokens, EndpointError> {
        let request = self.client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        request.request_async(&self.at(&self.token_url)).await.map_err(of_grant).and_then(|response| tokens(&response))
    }

    /// Exchanges a refresh token for new tokens (RFC 6749 §6). The response contains a refresh token only if the app
    /// client uses refresh-token rotation.
    pub(super) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, EndpointError> {
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let request = self.client.exchange_refresh_token(&refresh_token);
        request.request_async(&self.at(&self.token_url)).await.map_err(of_grant).and_then(|response| tokens(&response))
    }

    /// Revokes a refresh token and the access tokens that were issued with it (RFC 7009).
    pub(super) async fn revoke(&self, refresh_token: &str) -> Result<(), EndpointError> {
        let token = RevokedToken(RefreshToken::new(refresh_token.to_owned()));
        let request = self.client.revoke_token(token).map_err(|_| EndpointError::Unavailable)?;
        request.request_async(&self.at(&self.revocation_url)).await.map_err(of_revocation)
    }

    fn at<'e>(&'e self, endpoint: &'e Url) -> Sender<'e> {
        Sender { endpoints: self, url: endpoint }
    }

    /// Sends a request to the token or revocation endpoint, and reads the response within [`TIMEOUT`].
    async fn send(&self, endpoint: &Url, request: HttpRequest) -> Result<HttpResponse, Unusable> {
        let response = tokio::time::timeout(TIMEOUT, self.send_without_limit(endpoint, request)).await;
        let response = response.unwrap_or(Err(Unusable("it did not respond in time")));
        if let Err(Unusable(reason)) = &response {
            // The level is `DEBUG`, because many refreshes fail during an outage. The callers log only one warning.
            tracing::debug!(endpoint = %endpoint, "the token endpoint is unavailable: {reason}");
        }
        response
    }

    async fn send_without_limit(&self, endpoint: &Url, request: HttpRequest) -> Result<HttpResponse, Unusable> {
        let client = self.http.client_for(endpoint).map_err(|error| Unusable(error.reason()))?;
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        if let Some(credentials) = headers.get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        let request = client.request(head.method, endpoint.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(|_| Unusable("it could not be reached"))?;
        check_readable(response.status(), response.headers())?;
        let mut readable = http::Response::new(Vec::new());
        *readable.status_mut() = response.status();
        *readable.headers_mut() = response.headers().clone();
        match read_body(response, BODY_MAX).await {
            Ok(Some(body)) => *readable.body_mut() = body,
            Ok(None) => return Err(Unusable("the response is longer than 64 KiB")),
            Err(_) => return Err(Unusable("the response was cut off")),
        }
        Ok(readable)
    }
}

/// Sends the requests that the `oauth2` crate writes.
///
/// If this type were a closure, the compiler could not prove that the futures of [`TokenEndpoint`] are `Send`.
struct Sender<'e> {
    endpoints: &'e TokenEndpoint,
    url: &'e Url,
}

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = Unusable;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unusable>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.endpoints.send(self.url, request))
    }
}

/// The reason why a request got no usable response.
#[derive(Debug)]
struct Unusable(&'static str);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unusable {}

/// Rejects responses that a proxy or firewall in front of Cognito may have sent. A response with 400 or 401 can end a
/// session, so its body must be JSON. No error status except 400 and 401 can end a session, because AWS does not
/// document the responses to throttled requests.
fn check_readable(status: StatusCode, headers: &HeaderMap) -> Result<(), Unusable> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED if is_json(headers) => Ok(()),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => Err(Unusable("its error response is not JSON")),
        StatusCode::TOO_MANY_REQUESTS => Err(Unusable("it limits the request rate (status 429)")),
        status if status.is_redirection() => Err(Unusable("it redirects, so the domain is probably wrong")),
        status if status.is_server_error() => Err(Unusable("it responded with a server error")),
        _ => Err(Unusable("it responded with an unexpected status, so the domain is probably wrong")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Reads the tokens of a response. The type of the access token must be `Bearer` (RFC 6749 §7.1).
fn tokens(response: &TokenResponse) -> Result<Tokens, EndpointError> {
    if *response.token_type() != BasicTokenType::Bearer {
        tracing::warn!("the token endpoint issued an access token whose type is not `Bearer`");
        return Err(EndpointError::Rejected("the token type is not `Bearer`"));
    }
    Ok(Tokens {
        access: response.access_token().secret().clone(),
        id: response.extra_fields().id_token.clone(),
        refresh: response.refresh_token().map(|token| token.secret().clone()),
    })
}

/// Converts the error of a token request. The details of the error are dropped, because they contain the response body.
fn of_grant(error: RequestTokenError<Unusable, BasicErrorResponse>) -> EndpointError {
    match error {
        RequestTokenError::ServerResponse(response) => error_of(response.error()),
        _ => EndpointError::Unavailable,
    }
}

fn of_revocation(
    error: RequestTokenError<Unusable, StandardErrorResponse<RevocationErrorResponseType>>,
) -> EndpointError {
    match error {
        RequestTokenError::ServerResponse(response) => match response.error() {
            RevocationErrorResponseType::UnsupportedTokenType => EndpointError::Rejected("unsupported_token_type"),
            RevocationErrorResponseType::Basic(code) => error_of(code),
        },
        _ => EndpointError::Unavailable,
    }
}

/// Returns the error for an error code (RFC 6749 §5.2). Unknown codes are dropped, because they are untrusted text.
fn error_of(code: &BasicErrorResponseType) -> EndpointError {
    EndpointError::Rejected(match code {
        BasicErrorResponseType::InvalidGrant => return EndpointError::InvalidGrant,
        BasicErrorResponseType::InvalidClient => "invalid_client",
        BasicErrorResponseType::InvalidRequest => "invalid_request",
        BasicErrorResponseType::InvalidScope => "invalid_scope",
        BasicErrorResponseType::UnauthorizedClient => "unauthorized_client",
        BasicErrorResponseType::UnsupportedGrantType => "unsupported_grant_type",
        BasicErrorResponseType::Extension(_) => "an undocumented error code",
    })
}

/// Selects the form of client authentication (RFC 6749 §2.3.1).
///
/// For HTTP Basic, RFC 6749 form-encodes the client ID and the secret before Base64 encoding. The AWS page "The token
/// issuer endpoint" uses only Base64 encoding. The two encodings differ if a value contains a character such as `+`.
/// The client ID and the secret are then sent in the request body, whose encoding is unambiguous. The AWS page also
/// documents client authentication in the request body.
fn auth_type(client_id: &str, client_secret: Option<&str>) -> AuthType {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match client_secret {
        Some(secret) if is_plain(client_id) && is_plain(secret) => AuthType::BasicAuth,
        _ => AuthType::RequestBody,
    }
}

/// Returns the URL with the scheme `https`.
///
/// The `oauth2` crate requires an `https` URL for a revocation request (RFC 7009 §2), but an emulator on a loopback
/// address may use plain HTTP. The request is written for the `https` URL, but sent to the endpoint's real URL.
/// [`SignInBuilder`] allows plain HTTP only for loopback addresses.
///
/// [`SignInBuilder`]: super::SignInBuilder
fn with_https(url: &Url) -> Url {
    let mut url = url.clone();
    // The call cannot fail, because the scheme is `http` or `https`.
    let _ = url.set_scheme("https");
    url
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint").field("url", &self.token_url.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
