//! [`AuthRejectionKind`], with the status and the fixed texts of each kind.

use std::fmt;

use http::StatusCode;

/// The reason category of an [`AuthRejection`](super::AuthRejection), which decides the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthRejectionKind {
    /// 401: the token is valid, but the user must sign in again because their sign-in is too old or too weak ([RFC
    /// 9470]).
    ///
    /// [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
    InsufficientAuthentication,
    /// 403: the token is valid, but the caller lacks a group, a scope or another permission.
    InsufficientScope,
    /// 400: the request does not contain exactly one bearer token.
    InvalidRequest,
    /// 401: the token is not valid.
    InvalidToken,
    /// 500: no [`CognitoAuth`](crate::CognitoAuth) layer covers the handler or the rule. A missing layer is a bug in
    /// the application.
    MissingLayer,
    /// 401: the request contains no token.
    MissingToken,
    /// 503: the keys or the backend of a custom check are unavailable. The request itself may be valid.
    Unavailable,
}

impl AuthRejectionKind {
    /// Returns the name in snake case, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientAuthentication => "insufficient_authentication",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::MissingLayer => "missing_layer",
            Self::MissingToken => "missing_token",
            Self::Unavailable => "unavailable",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InsufficientAuthentication | Self::InvalidToken | Self::MissingToken => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::MissingLayer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the fixed texts for the client. `is_for_signed_header` selects the texts for headers that a load
    /// balancer signs. `is_expired` distinguishes an expired token from other invalid tokens.
    pub(super) fn texts(self, is_for_signed_header: bool, is_expired: bool) -> &'static Texts {
        match self {
            Self::InvalidRequest if is_for_signed_header => &REPEATED_HEADER,
            Self::InvalidToken if is_for_signed_header && is_expired => &EXPIRED_HEADER,
            Self::InvalidToken if is_for_signed_header => &INVALID_HEADER,
            Self::MissingLayer if is_for_signed_header => &MISSING_ALB_LAYER,
            Self::MissingToken if is_for_signed_header => &MISSING_HEADER,
            Self::InsufficientAuthentication => &INSUFFICIENT_AUTHENTICATION,
            Self::InsufficientScope => &INSUFFICIENT_SCOPE,
            Self::InvalidRequest => &INVALID_REQUEST,
            Self::InvalidToken if is_expired => &EXPIRED_TOKEN,
            Self::InvalidToken => &INVALID_TOKEN,
            Self::MissingLayer => &MISSING_LAYER,
            Self::MissingToken => &MISSING_TOKEN,
            Self::Unavailable => &UNAVAILABLE,
        }
    }
}

impl fmt::Display for AuthRejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The texts of a rejection. The texts are constants, so no response contains request data.
pub(super) struct Texts {
    /// The error code of RFC 6750 §3.1 or RFC 9470 §3, if the rejection has one.
    pub(super) error_code: Option<&'static str>,
    /// A phrase of printable ASCII without `"`, `\` and `%`, so that JSON, challenges and `grpc-message` can contain it
    /// unescaped.
    pub(super) detail: &'static str,
    /// The problem document (RFC 9457).
    pub(super) body: &'static str,
}

macro_rules! texts {
    ($status:literal $title:literal, $detail:literal) => {
        texts!(@ None, $detail, $status $title, "")
    };
    ($status:literal $title:literal, $detail:literal, $code:literal) => {
        texts!(@ Some($code), $detail, $status $title, r#","error":""#, $code, r#"""#)
    };
    (@ $code:expr, $detail:literal, $status:literal $title:literal, $($error:literal),+) => {
        Texts {
            error_code: $code,
            detail: $detail,
            body: concat!(
                r#"{"type":"about:blank","title":""#, $title, r#"","status":"#, $status, r#","detail":""#, $detail, r#"""#,
                $($error,)+
                "}"
            ),
        }
    };
}

static INSUFFICIENT_AUTHENTICATION: Texts =
    texts!(401 "Unauthorized", "a more recent or a stronger sign-in is required", "insufficient_user_authentication");
static INSUFFICIENT_SCOPE: Texts =
    texts!(403 "Forbidden", "the caller is not allowed to do this", "insufficient_scope");
static INVALID_REQUEST: Texts = texts!(400 "Bad Request", "send exactly one bearer token", "invalid_request");
static EXPIRED_TOKEN: Texts = texts!(401 "Unauthorized", "the token has expired", "invalid_token");
static INVALID_TOKEN: Texts = texts!(401 "Unauthorized", "the token is not valid here", "invalid_token");
static MISSING_LAYER: Texts =
    texts!(500 "Internal Server Error", "the `CognitoAuth` layer is missing around the handler");
/// The response to a request without credentials "SHOULD NOT" contain an error code (RFC 6750 §3.1).
static MISSING_TOKEN: Texts = texts!(401 "Unauthorized", "send a bearer token");
static UNAVAILABLE: Texts = texts!(503 "Service Unavailable", "the token cannot be checked at the moment");

// The texts for headers that a load balancer signs. The bodies have no error code, because the codes of RFC 6750 are
// for bearer tokens.
static REPEATED_HEADER: Texts = texts!(400 "Bad Request", "the request repeats a header of the load balancer");
static EXPIRED_HEADER: Texts = texts!(401 "Unauthorized", "the load balancer's user claims have expired");
static INVALID_HEADER: Texts = texts!(401 "Unauthorized", "the load balancer's user claims are not valid here");
static MISSING_ALB_LAYER: Texts =
    texts!(500 "Internal Server Error", "the `AlbAuth` layer is missing around the handler");
static MISSING_HEADER: Texts = texts!(401 "Unauthorized", "the request has no user claims of the load balancer");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::VerifyErrorKind;

    const ALL: [AuthRejectionKind; 7] = [
        AuthRejectionKind::InsufficientAuthentication,
        AuthRejectionKind::InsufficientScope,
        AuthRejectionKind::InvalidRequest,
        AuthRejectionKind::InvalidToken,
        AuthRejectionKind::MissingLayer,
        AuthRejectionKind::MissingToken,
        AuthRejectionKind::Unavailable,
    ];

    /// The alert rule `CognitoMalformedRequests` selects `invalid_request` through the label `by="request"`.
    #[test]
    fn each_kind_is_in_one_alert_rule_or_has_a_reason_why_not() {
        let guide = include_str!("../../guide/deployment.md").replace(r#"by="request""#, r#"kind="invalid_request""#);
        let (_, alerts) = guide.split_once("## Alerts").unwrap();
        let (rules, reasons) = alerts.split_once("| reason why no alert rule names it |").unwrap();
        let (reasons, _) = reasons.split_once("\n## ").unwrap();
        let verified = VerifyErrorKind::ALL.map(VerifyErrorKind::as_str);
        for kind in verified.into_iter().chain(ALL.map(AuthRejectionKind::as_str)) {
            let expressions = rules.lines().filter(|line| line.contains("axum_cognito_"));
            let words = expressions.flat_map(|line| line.split(|c: char| !c.is_ascii_lowercase() && c != '_'));
            let named = words.filter(|word| *word == kind).count();
            let explained = reasons.matches(&format!("`{kind}`")).count();
            assert_eq!(named + explained, 1, "{kind}");
        }
    }

    #[test]
    fn texts_need_no_escapes_and_titles_match_the_status() {
        for kind in ALL {
            for (is_for_signed_header, is_expired) in [(false, false), (false, true), (true, false), (true, true)] {
                let texts = kind.texts(is_for_signed_header, is_expired);
                let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\%".contains(&byte);
                assert!(texts.detail.bytes().all(is_plain), "{kind}");
                let body: serde_json::Value = serde_json::from_str(texts.body).unwrap();
                assert_eq!(body["detail"], texts.detail);
                assert_eq!(body["status"], kind.status().as_u16());
                assert_eq!(body["title"], kind.status().canonical_reason().unwrap());
                assert_eq!(body.get("error").and_then(|code| code.as_str()), texts.error_code);
            }
        }
    }
}
