//! Adds a loaded session to a request, or rejects the request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CACHE_CONTROL};

use super::{loading::Loaded, plan::Plan, session::SessionData, settings::Settings, split::Names};
use crate::middleware::{AuthRejection, CheckError, SessionCredentials};

/// Adds the loaded session to the request, and plans the changes to the response.
///
/// # Errors
/// Returns an error if the session is unavailable. The caller then rejects the request.
pub(super) fn admit<B>(
    settings: &Settings,
    arrived: Option<Arc<SessionData>>,
    names: Names,
    loaded: Loaded,
    request: &mut Request<B>,
) -> Result<Plan, CheckError> {
    match loaded {
        Loaded::Session(session) => {
            request.extensions_mut().insert(session.credentials());
            Ok(Plan::used(arrived, session, names))
        }
        Loaded::Nothing => Ok(Plan::anonymous(settings, request)),
        Loaded::Ended(session) => Ok(Plan::ended(settings, session, names, request)),
        Loaded::Unavailable => Err(CheckError::unavailable("the session cannot be loaded or refreshed")),
    }
}

/// Removes a session that the layer of another [`SignIn`](super::SignIn) added to the request. The session may belong
/// to another app client, and the other layer may allow cross-site requests.
pub(super) fn forget<B>(request: &mut Request<B>) {
    request.extensions_mut().remove::<SessionCredentials>();
}

pub(super) fn rejection(error: CheckError) -> Response<Bytes> {
    let mut response = AuthRejection::from(error).into_http_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
