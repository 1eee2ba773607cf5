//! The session of a browser, which the layer in `sign_in` adds to the request extensions.

use std::{any::Any, sync::Arc};

use bytes::Bytes;

/// The extension that the token source [`Location::Session`](crate::token_source::Location) reads, and that no client
/// can set.
#[derive(Clone)]
pub(crate) struct SessionCredentials {
    pub(crate) access_token: Bytes,
    /// The session, whose type only `sign_in` knows. Only [`Session`](crate::sign_in::Session) reads the session, and
    /// only if the layer has accepted the access token.
    pub(crate) session: Arc<dyn Any + Send + Sync>,
}
