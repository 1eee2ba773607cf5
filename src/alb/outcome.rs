//! [`Outcome`]: the outcome of a request's checks, in the request extensions.

use http::Extensions;

use super::claims::{AlbClaims, AlbRejected};
use crate::{
    claims::CognitoClaims,
    middleware::{AuthRejection, place},
};

pub(super) struct Outcome {
    pub(super) result: Result<Accepted, AuthRejection>,
    /// `true` if the layer requires access tokens. A rejection then also replaces the [`CognitoClaims`] in the
    /// extensions.
    pub(super) requires_access_token: bool,
}

/// The user claims of an accepted request, and the claims of its access token if one is required.
pub(super) type Accepted = (AlbClaims, Option<CognitoClaims>);

impl Outcome {
    /// Puts the claims or the rejection into the extensions. The innermost layer takes precedence, so it removes the
    /// claims or the rejection of an outer layer.
    pub(super) fn place(self, extensions: &mut Extensions) {
        extensions.remove::<AlbClaims>();
        extensions.remove::<AlbRejected>();
        let access = match self.result {
            Ok((claims, access)) => {
                extensions.insert(claims);
                access.map(Ok)
            }
            Err(rejection) => {
                extensions.insert(AlbRejected(rejection.clone()));
                Some(Err(rejection))
            }
        };
        if let Some(access) = access.filter(|_| self.requires_access_token) {
            place(access, extensions);
        }
    }
}
