//! Runs a user pool in this process. The rest of the program uses this pool like a Cognito pool.
//!
//! The library's test kit issues the tokens. The kit creates the signing keys when the program starts, and the keys
//! never leave the process. This module adds the HTTP endpoints that a sign-in needs:
//!
//! | request | response |
//! |---|---|
//! | `POST /`, `X-Amz-Target: …InitiateAuth` | tokens for a username and password |
//! | `GET /{pool ID}/.well-known/jwks.json` | the public keys |
//! | `POST /demo/expired-token` | an expired token, for requests with a valid token |
//!
//! The passwords are public, so use the embedded pool for demonstrations on your own machine only.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_cognito::{CognitoAuth, CognitoClaims, TokenUse, testing::FakeUserPool};
use serde::{Deserialize, Serialize};

use crate::settings::Accepts;

/// The users of the embedded pool.
pub(crate) const DEMO_USERS: [DemoUser; 2] = [
    DemoUser { username: "andrew", password: "Lantern-42-harbor", groups: &["admins"] },
    DemoUser { username: "bayko", password: "Compass-17-meadow", groups: &[] },
];

/// A user of the embedded pool.
#[derive(Debug, Serialize)]
pub(crate) struct DemoUser {
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) groups: &'static [&'static str],
}

/// The lifetime of tokens, which is Cognito's default.
const LIFETIME: Duration = Duration::from_secs(3600);

/// An embedded user pool. Clones share the keys.
#[derive(Clone)]
pub(crate) struct EmbeddedPool(FakeUserPool);

impl EmbeddedPool {
    /// Creates a pool with new keys. The pool rejects tokens from earlier runs.
    pub(crate) fn new() -> Self {
        FakeUserPool::new().into()
    }

    /// Creates the layer that verifies this pool's tokens. The same layer verifies Cognito's tokens.
    pub(crate) fn auth(&self, accepts: Accepts) -> CognitoAuth {
        let pool = self.0.user_pool();
        CognitoAuth::new(match accepts {
            Accepts::Access => pool,
            Accepts::Id => pool.only_token_use(TokenUse::Id),
            Accepts::Any => pool.allow_token_use(TokenUse::Id),
        })
    }

    pub(crate) fn id(&self) -> &str {
        self.0.id().as_str()
    }

    pub(crate) fn issuer(&self) -> &str {
        self.0.issuer()
    }

    pub(crate) fn client_id(&self) -> &str {
        self.0.client_id()
    }

    /// Returns the routes of the pool's endpoints.
    pub(crate) fn routes(self, auth: CognitoAuth) -> Router {
        let jwks_path = format!("/{}/.well-known/jwks.json", self.id());
        Router::new()
            .route("/", post(initiate_auth))
            .route(&jwks_path, get(jwks))
            .route("/demo/expired-token", post(expired_token).layer(auth))
            .with_state(self)
    }

    /// Checks a username and password. The error is the same for an unknown user and a wrong password, so
    /// that usernames cannot be enumerated.
    fn sign_in(&self, request: &InitiateAuth) -> Result<AuthenticationResult, SignInError> {
        match request.auth_flow.as_deref() {
            None => return Err(SignInError::InvalidParameter("AuthFlow is missing.")),
            Some("USER_PASSWORD_AUTH") => {}
            Some(_) => return Err(SignInError::InvalidParameter("This user pool supports USER_PASSWORD_AUTH only.")),
        }
        match request.client_id.as_deref() {
            None => return Err(SignInError::InvalidParameter("ClientId is missing.")),
            Some(id) if id == self.client_id() => {}
            Some(_) => return Err(SignInError::ResourceNotFound),
        }
        let username = request.auth_parameters.username.as_deref();
        let username = username.ok_or(SignInError::InvalidParameter("Missing required parameter USERNAME"))?;
        let password = request.auth_parameters.password.as_deref();
        let password = password.ok_or(SignInError::InvalidParameter("Missing required parameter PASSWORD"))?;
        DEMO_USERS
            .iter()
            .find(|user| user.username == username && user.password == password)
            .map(|user| self.tokens_for(user))
            .ok_or(SignInError::NotAuthorized)
    }

    fn tokens_for(&self, user: &DemoUser) -> AuthenticationResult {
        AuthenticationResult {
            access_token: self.sign(TokenUse::Access, user.username, user.groups, Validity::Valid),
            id_token: self.sign(TokenUse::Id, user.username, user.groups, Validity::Valid),
            expires_in: LIFETIME.as_secs(),
            token_type: "Bearer",
        }
    }

    fn sign(&self, token_use: TokenUse, username: &str, groups: &[&str], validity: Validity) -> String {
        let token = match token_use {
            TokenUse::Id => self.0.id_token(username),
            _ => self.0.access_token(username),
        };
        let token = groups.iter().fold(token, |token, group| token.group(group));
        match validity {
            Validity::Valid => token.expires_in(LIFETIME).sign(),
            Validity::Expired => token.expired().sign(),
        }
    }
}

impl From<FakeUserPool> for EmbeddedPool {
    fn from(pool: FakeUserPool) -> Self {
        Self(pool)
    }
}

#[derive(Clone, Copy)]
enum Validity {
    Valid,
    Expired,
}

/// Implements `InitiateAuth`, the operation of Cognito's API that signs in with a password.
async fn initiate_auth(
    State(pool): State<EmbeddedPool>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<AwsJson<SignedIn>, SignInError> {
    const TARGET: &[u8] = b"AWSCognitoIdentityProviderService.InitiateAuth";
    if headers.get("x-amz-target").is_none_or(|target| target.as_bytes() != TARGET) {
        return Err(SignInError::UnknownOperation);
    }
    let request = serde_json::from_slice(&body).map_err(|_| SignInError::Serialization)?;
    let authentication_result = pool.sign_in(&request)?;
    Ok(AwsJson(SignedIn { authentication_result, challenge_parameters: NoParameters {} }))
}

/// Returns the public keys.
async fn jwks(State(pool): State<EmbeddedPool>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], pool.0.jwks_json())
}

/// Issues an expired token for the same user as the request's valid token. Cognito has no such endpoint.
async fn expired_token(State(pool): State<EmbeddedPool>, claims: CognitoClaims) -> Json<ExpiredToken> {
    let groups: Vec<_> = claims.groups().collect();
    let username = claims.username().unwrap_or_else(|| claims.client_id());
    Json(ExpiredToken { token: pool.sign(claims.token_use(), username, &groups, Validity::Expired) })
}

#[derive(Serialize)]
struct ExpiredToken {
    token: String,
}

/// Request body of `InitiateAuth`. The type has no `Debug`, because it contains a password.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InitiateAuth {
    auth_flow: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    auth_parameters: AuthParameters,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct AuthParameters {
    username: Option<String>,
    password: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignedIn {
    authentication_result: AuthenticationResult,
    challenge_parameters: NoParameters,
}

/// The tokens of a session. The embedded pool issues no refresh tokens.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AuthenticationResult {
    access_token: String,
    id_token: String,
    expires_in: u64,
    token_type: &'static str,
}

#[derive(Serialize)]
struct NoParameters {}

/// Reasons for a failed sign-in, named as in the AWS SDKs.
#[derive(Clone, Copy)]
enum SignInError {
    InvalidParameter(&'static str),
    NotAuthorized,
    ResourceNotFound,
    Serialization,
    UnknownOperation,
}

impl SignInError {
    fn name_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidParameter(message) => ("InvalidParameterException", message),
            Self::NotAuthorized => ("NotAuthorizedException", "Incorrect username or password."),
            Self::ResourceNotFound => ("ResourceNotFoundException", "The user pool has no such app client."),
            Self::Serialization => ("SerializationException", "The body is not valid JSON for this operation."),
            Self::UnknownOperation => {
                ("UnknownOperationException", "X-Amz-Target does not name an operation of this pool.")
            }
        }
    }
}

/// Returns 400 with the error type in the body, as Cognito does.
impl IntoResponse for SignInError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            __type: &'static str,
            message: &'static str,
        }
        let (name, message) = self.name_and_message();
        (StatusCode::BAD_REQUEST, AwsJson(Body { __type: name, message })).into_response()
    }
}

/// A JSON response with the media type of the AWS protocol.
struct AwsJson<T>(T);

impl<T: Serialize> IntoResponse for AwsJson<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], Json(self.0)).into_response()
    }
}
