//! The access token of a browser's session, which the layer of `sign_in` adds to the request extensions.

use std::sync::Arc;

/// A type that holds the access token of a session.
pub(crate) trait SessionToken: Send + Sync {
    fn access_token(&self) -> &str;
}

/// The extension that the token source [`Location::Session`](crate::token_source::Location) reads, and that no client
/// can set.
#[derive(Clone)]
pub(crate) struct SessionCredentials(pub(crate) Arc<dyn SessionToken>);
