//! Builds the challenge, which is the value of `WWW-Authenticate` (RFC 9110 §11.6.1).

use bytes::Bytes;
use http::HeaderValue;

use super::{AuthRejection, AuthRejectionKind, Needed};

impl AuthRejection {
    /// Returns the challenge (`WWW-Authenticate`), without the parameters that the layer adds, such as the realm.
    ///
    /// Returns [`None`] for 500 and 503, which are not the client's fault, and for headers that a load balancer signs.
    pub fn challenge(&self) -> Option<HeaderValue> {
        ChallengeParameters::default().challenge(self)
    }
}

/// The challenge parameters that the application configures.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChallengeParameters {
    /// RFC 9110 §11.5.
    pub(crate) realm: Option<HeaderValue>,
    /// RFC 9728 §5.1.
    pub(crate) resource_metadata: Option<HeaderValue>,
}

impl ChallengeParameters {
    /// Returns the challenge for a rejection, including the configured parameters.
    pub(crate) fn challenge(&self, rejection: &AuthRejection) -> Option<HeaderValue> {
        let is_no_fault = matches!(rejection.kind(), AuthRejectionKind::MissingLayer | AuthRejectionKind::Unavailable);
        if is_no_fault || rejection.is_for_signed_header() {
            return None;
        }
        let mut challenge = Challenge::new();
        challenge.add_if("realm", self.realm.as_ref().map(HeaderValue::as_bytes));
        if let Some(code) = rejection.error_code() {
            challenge.add("error", code.as_bytes());
            challenge.add("error_description", rejection.detail().as_bytes());
        }
        if let Some(needed) = rejection.needed() {
            challenge.add_needed(needed);
        }
        challenge.add_if("resource_metadata", self.resource_metadata.as_ref().map(HeaderValue::as_bytes));
        HeaderValue::from_maybe_shared(Bytes::from(challenge.value)).ok()
    }
}

struct Challenge {
    value: Vec<u8>,
    separator: &'static [u8],
}

impl Challenge {
    fn new() -> Self {
        Self { value: b"Bearer".to_vec(), separator: b" " }
    }

    fn add(&mut self, name: &str, text: &[u8]) {
        self.value.extend_from_slice(self.separator);
        self.value.extend_from_slice(name.as_bytes());
        self.value.push(b'=');
        push_quoted(&mut self.value, text);
        self.separator = b", ";
    }

    fn add_if(&mut self, name: &str, text: Option<&[u8]>) {
        if let Some(text) = text {
            self.add(name, text);
        }
    }

    fn add_needed(&mut self, needed: &Needed) {
        let max_age = needed.max_age.map(|max_age| max_age.as_secs().to_string());
        self.add_if("scope", Some(needed.scope.as_bytes()).filter(|scope| !scope.is_empty()));
        self.add_if("max_age", max_age.as_deref().map(str::as_bytes));
        self.add_if("acr_values", Some(needed.acr_values.as_bytes()).filter(|values| !values.is_empty()));
    }
}

/// Appends a `quoted-string` (RFC 9110 §5.6.4). Only `"` and `\` are escaped, because every other byte of a header
/// value is allowed unchanged.
fn push_quoted(value: &mut Vec<u8>, text: &[u8]) {
    value.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            value.push(b'\\');
        }
        value.push(*byte);
    }
    value.push(b'"');
}
