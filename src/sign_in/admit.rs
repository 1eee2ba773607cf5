//! Adds a loaded session to its request, or rejects the request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CACHE_CONTROL};

use super::{
    loading::Loaded,
    plan::Plan,
    session::{SessionData, UnverifiedSession},
    settings::Settings,
};
use crate::middleware::{AuthRejection, CheckError, SessionCredentials, SessionToken};

/// Adds the session to the request, and plans the changes to its response.
///
/// # Errors
/// Returns the error with which to reject the request if the session is unavailable.
pub(super) fn admit<B>(
    settings: &Settings,
    arrived: Option<Arc<SessionData>>,
    loaded: Loaded,
    request: &mut Request<B>,
) -> Result<Plan, CheckError> {
    match loaded {
        Loaded::Session(session) => {
            let extensions = request.extensions_mut();
            extensions.insert(SessionCredentials(Arc::clone(&session) as Arc<dyn SessionToken>));
            extensions.insert(UnverifiedSession(Arc::clone(&session)));
            Ok(Plan::used(arrived, session, request))
        }
        Loaded::Nothing => Ok(Plan::anonymous(settings, request)),
        Loaded::Ended(session) => Ok(Plan::ended(settings, session, request)),
        Loaded::Unavailable => Err(CheckError::unavailable("the session cannot be loaded or refreshed")),
    }
}

/// Removes the session that the layer of another [`SignIn`](super::SignIn) has added to the request. Its origin was
/// checked by the rules of that layer, and its app client may be another one.
pub(super) fn forget<B>(request: &mut Request<B>) {
    let extensions = request.extensions_mut();
    extensions.remove::<SessionCredentials>();
    extensions.remove::<UnverifiedSession>();
}

/// Returns the response with which this service rejects a request.
pub(super) fn rejection(error: CheckError) -> Response<Bytes> {
    let mut response = AuthRejection::from(error).into_http_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
