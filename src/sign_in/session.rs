//! [`Session`]: the signed-in user of a browser.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// The content of a session. Times are seconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SessionData {
    /// A random identifier, new at every sign-in.
    pub(super) id: String,
    /// Counts the refreshes.
    pub(super) generation: u64,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) issuer: String,
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) signed_in_at: u64,
    /// The end of the session, which refreshes do not extend.
    pub(super) ends_at: u64,
    pub(super) access_expires_at: u64,
    /// The configured profile claims of the ID token.
    pub(super) profile: BTreeMap<String, serde_json::Value>,
}

/// The session of a browser request. The layer adds it to the request extensions.
#[derive(Clone)]
pub struct Session {
    pub(super) data: Arc<SessionData>,
}
