//! The access token of a browser's session, which the layer of `sign_in` adds to the request extensions.

use std::sync::Arc;

/// Something that has the access token of a session.
pub(crate) trait SessionToken: Send + Sync {
    fn access_token(&self) -> &str;
}

/// The extension that the token source [`Location::Session`](crate::token_source::Location) reads. No client can set
/// it.
#[derive(Clone)]
pub(crate) struct SessionCredentials(pub(crate) Arc<dyn SessionToken>);
