//! A user pool inside the process: it signs people in as Cognito does, and the rest of the program cannot
//! tell the difference.
//!
//! The tokens come from the library's own test kit, honestly signed with keys that are made at the start and
//! never leave the process. What is added here is a pool's HTTP face, as far as a sign-in needs it:
//!
//! | request | answer |
//! |---|---|
//! | `POST /`, `X-Amz-Target: …InitiateAuth` | tokens for a user name and password |
//! | `GET /{pool id}/.well-known/jwks.json` | the public keys |
//! | `POST /demo/expired-token` | a token that is over, for whoever asks with a good one |
//!
//! The passwords are printed and public: this is for trying things out on one's own machine.

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

/// Who can sign in.
pub(crate) const DEMO_USERS: [DemoUser; 2] = [
    DemoUser { username: "andrew", password: "Lantern-42-harbour", groups: &["admins"] },
    DemoUser { username: "bayko", password: "Compass-17-meadow", groups: &[] },
];

/// A user of the embedded pool.
#[derive(Debug, Serialize)]
pub(crate) struct DemoUser {
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) groups: &'static [&'static str],
}

/// As long as Cognito's own default.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The pool; clones share its keys.
#[derive(Clone)]
pub(crate) struct EmbeddedPool(FakeUserPool);

impl EmbeddedPool {
    /// A pool with new keys. Tokens of an earlier run are worth nothing here.
    pub(crate) fn new() -> Self {
        FakeUserPool::new().into()
    }

    /// Verifies this pool's tokens, with exactly the code that verifies Cognito's.
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

    /// The pool's HTTP face.
    pub(crate) fn routes(self, auth: CognitoAuth) -> Router {
        let jwks_path = format!("/{}/.well-known/jwks.json", self.id());
        Router::new()
            .route("/", post(initiate_auth))
            .route(&jwks_path, get(jwks))
            .route("/demo/expired-token", post(expired_token).layer(auth))
            .with_state(self)
    }

    /// Checks a user name and password. Who does not exist and who mistyped get the same answer, so that
    /// nobody can find out who has an account.
    fn sign_in(&self, request: &InitiateAuth) -> Result<AuthenticationResult, Refusal> {
        match request.auth_flow.as_deref() {
            None => return Err(Refusal::InvalidParameter("AuthFlow is missing.")),
            Some("USER_PASSWORD_AUTH") => {}
            Some(_) => return Err(Refusal::InvalidParameter("This user pool knows USER_PASSWORD_AUTH only.")),
        }
        match request.client_id.as_deref() {
            None => return Err(Refusal::InvalidParameter("ClientId is missing.")),
            Some(id) if id == self.client_id() => {}
            Some(_) => return Err(Refusal::ResourceNotFound),
        }
        let username = request.auth_parameters.username.as_deref();
        let username = username.ok_or(Refusal::InvalidParameter("Missing required parameter USERNAME"))?;
        let password = request.auth_parameters.password.as_deref();
        let password = password.ok_or(Refusal::InvalidParameter("Missing required parameter PASSWORD"))?;
        DEMO_USERS
            .iter()
            .find(|user| user.username == username && user.password == password)
            .map(|user| self.tokens_for(user))
            .ok_or(Refusal::NotAuthorized)
    }

    fn tokens_for(&self, user: &DemoUser) -> AuthenticationResult {
        AuthenticationResult {
            access_token: self.mint(TokenUse::Access, user.username, user.groups, Validity::Good),
            id_token: self.mint(TokenUse::Id, user.username, user.groups, Validity::Good),
            expires_in: LIFETIME.as_secs(),
            token_type: "Bearer",
        }
    }

    fn mint(&self, token_use: TokenUse, username: &str, groups: &[&str], validity: Validity) -> String {
        let token = match token_use {
            TokenUse::Id => self.0.id_token(username),
            _ => self.0.access_token(username),
        };
        let token = groups.iter().fold(token, |token, group| token.group(group));
        match validity {
            Validity::Good => token.expires_in(LIFETIME).mint(),
            Validity::Over => token.expired().mint(),
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
    Good,
    Over,
}

/// `POST /`: the one operation of Cognito's API that a sign-in with a password needs.
async fn initiate_auth(
    State(pool): State<EmbeddedPool>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<AwsJson<SignedIn>, Refusal> {
    const TARGET: &[u8] = b"AWSCognitoIdentityProviderService.InitiateAuth";
    if headers.get("x-amz-target").is_none_or(|target| target.as_bytes() != TARGET) {
        return Err(Refusal::UnknownOperation);
    }
    let request = serde_json::from_slice(&body).map_err(|_| Refusal::Serialization)?;
    let authentication_result = pool.sign_in(&request)?;
    Ok(AwsJson(SignedIn { authentication_result, challenge_parameters: NoParameters {} }))
}

/// `GET /{pool id}/.well-known/jwks.json`: as anybody may read it at Cognito.
async fn jwks(State(pool): State<EmbeddedPool>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], pool.0.jwks_json())
}

/// `POST /demo/expired-token`: the caller's own token again, well signed and too old. Cognito has nothing
/// like it, and needs nothing like it.
async fn expired_token(State(pool): State<EmbeddedPool>, claims: CognitoClaims) -> Json<ExpiredToken> {
    let groups: Vec<_> = claims.groups().collect();
    let username = claims.username().unwrap_or_else(|| claims.client_id());
    Json(ExpiredToken { token: pool.mint(claims.token_use(), username, &groups, Validity::Over) })
}

#[derive(Serialize)]
struct ExpiredToken {
    token: String,
}

/// The request of the sign-in. It holds a password, so it has no `Debug`.
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

/// What a signed-in user gets. There is no refresh token, because nothing here would honour it.
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

/// Why nobody was signed in, by the names that the AWS SDKs know.
#[derive(Clone, Copy)]
enum Refusal {
    InvalidParameter(&'static str),
    NotAuthorized,
    ResourceNotFound,
    Serialization,
    UnknownOperation,
}

impl Refusal {
    fn name_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidParameter(message) => ("InvalidParameterException", message),
            Self::NotAuthorized => ("NotAuthorizedException", "Incorrect username or password."),
            Self::ResourceNotFound => ("ResourceNotFoundException", "The user pool has no such app client."),
            Self::Serialization => ("SerializationException", "The body is not the JSON of this operation."),
            Self::UnknownOperation => ("UnknownOperationException", "X-Amz-Target names no operation of this pool."),
        }
    }
}

/// Cognito refuses everything with 400 and says in the body what it is.
impl IntoResponse for Refusal {
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

/// JSON under the media type of the AWS protocol.
struct AwsJson<T>(T);

impl<T: Serialize> IntoResponse for AwsJson<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], Json(self.0)).into_response()
    }
}
