//! Provides a session for unit tests.

use std::collections::BTreeMap;

use super::{profile::Profile, session::SessionData};

/// Returns a session whose access token expires at `access_expires_at`.
pub(super) fn session(id: &str, generation: u64, access_expires_at: u64) -> SessionData {
    SessionData {
        id: id.to_owned(),
        generation,
        access_token: format!("access-{generation}").into(),
        refresh_token: Some(format!("refresh-{generation}").into()),
        issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123xyz".to_owned(),
        sub: "alice-sub".to_owned(),
        signed_in_at: 0,
        ends_at: 1_000_000,
        access_expires_at,
        profile: Profile::new(BTreeMap::from([("email".to_owned(), "alice@example.com".into())])).unwrap(),
    }
}
