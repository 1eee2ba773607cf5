//! [`Settings`]: the checked settings of sign-in, shared by its routes and its layer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{seal::Sealer, sessions::Sessions, token_endpoint::TokenEndpoint};
use crate::{clock::Clock, middleware::CognitoAuth};

/// The checked settings of sign-in. [`SignInBuilder::build`](super::SignInBuilder::build) creates them.
pub(super) struct Settings {
    /// The layer that verifies access tokens. The layer's verifier also verifies the ID tokens of sign-ins.
    pub(super) auth: CognitoAuth,
    pub(super) pool_id: String,
    pub(super) client_id: String,
    /// The origin of the managed-login endpoints, without a trailing slash.
    pub(super) domain: String,
    pub(super) redirect_url: String,
    pub(super) logout_url: String,
    /// The origin of this application, from `redirect_url`.
    pub(super) origin: String,
    pub(super) callback_path: String,
    pub(super) sign_in_path: String,
    pub(super) sign_out_path: String,
    pub(super) scopes: Vec<String>,
    /// `identity_provider`, `lang`, `prompt` and other parameters of every authorization request.
    pub(super) parameters: Vec<(&'static str, String)>,
    /// The claims of the ID token that a session keeps.
    pub(super) profile_claims: BTreeSet<String>,
    /// Path prefixes without a trailing slash, below which no request is redirected to the sign-in page. The empty
    /// prefix covers all paths.
    pub(super) api_subtrees: Vec<String>,
    pub(super) session_lifetime: Duration,
    pub(super) refresh_before: Duration,
    pub(super) checks_origin: bool,
    pub(super) sealer: Arc<Sealer>,
    pub(super) endpoint: TokenEndpoint,
    pub(super) sessions: Sessions,
    pub(super) clock: Arc<dyn Clock>,
}

impl Settings {
    /// Returns the paths of the sign-in, callback and sign-out routes.
    pub(super) fn own_paths(&self) -> [&str; 3] {
        [&self.sign_in_path, &self.callback_path, &self.sign_out_path]
    }

    /// Returns `true` if the path is the root of an API subtree or below it.
    pub(super) fn is_api(&self, path: &str) -> bool {
        let is_below =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.api_subtrees.iter().any(|root| is_below(root))
    }
}
