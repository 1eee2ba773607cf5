//! Documents the responses of extractors and rules that reject requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::Value;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
        example::ExampleBuilder,
    },
};

#[cfg(feature = "axum")]
use crate::extract::OptionalClaims;
#[cfg(feature = "sign-in")]
use crate::sign_in::Session;
use crate::{
    claims::{AccessClaims, CognitoClaims, CustomClaims, IdClaims},
    middleware::{AuthRejection, AuthRejectionKind},
};

/// The return type of [`IntoResponses`]: responses by HTTP status.
pub(super) type Responses = BTreeMap<String, RefOr<Response>>;

/// Returns the responses for rejections of these kinds. Kinds with the same status share a response.
pub(super) fn responses(kinds: &[AuthRejectionKind]) -> Responses {
    let mut by_status = BTreeMap::<String, Vec<AuthRejection>>::new();
    for rejection in kinds.iter().map(|kind| AuthRejection::new(*kind)) {
        by_status.entry(rejection.status().as_str().to_owned()).or_default().push(rejection);
    }
    by_status.into_iter().map(|(status, rejections)| (status, response(rejections).into())).collect()
}

/// Returns the response for rejections with the same status. The headers and examples are taken from real responses.
fn response(rejections: Vec<AuthRejection>) -> ResponseBuilder {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name(AuthRejection::name())));
    let mut response = ResponseBuilder::new();
    for rejection in rejections {
        let kind = rejection.kind();
        let http = rejection.into_http_response::<Bytes>();
        let body = serde_json::from_slice::<Value>(http.body()).ok();
        content = content.examples_from_iter([(kind.as_str(), ExampleBuilder::new().value(body).build())]);
        response = response.description(description(kind));
        if http.headers().contains_key(WWW_AUTHENTICATE) {
            response = response.header("WWW-Authenticate", challenge_header());
        }
        if http.headers().contains_key(RETRY_AFTER) {
            response = response.header("Retry-After", retry_header());
        }
    }
    response.content("application/problem+json", content.build())
}

fn description(kind: AuthRejectionKind) -> &'static str {
    match kind {
        AuthRejectionKind::InvalidRequest => "The request does not contain exactly one well-formed bearer token.",
        AuthRejectionKind::MissingToken
        | AuthRejectionKind::InvalidToken
        | AuthRejectionKind::InsufficientAuthentication => {
            "The request has no valid token, or the user must sign in again."
        }
        AuthRejectionKind::InsufficientScope => "The token is valid, but the caller lacks a permission.",
        AuthRejectionKind::Unavailable => "The token cannot be checked at the moment.",
        AuthRejectionKind::MissingLayer => "The server is misconfigured.",
    }
}

fn challenge_header() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(text)).description(Some("The challenge (RFC 6750 §3).")).build()
}

fn retry_header() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer);
    HeaderBuilder::new().schema(Some(seconds)).description(Some("The time to wait, in seconds.")).build()
}

/// The rejection kinds that are documented for every extractor that can reject requests.
const EXTRACTOR_KINDS: [AuthRejectionKind; 4] = [
    AuthRejectionKind::InvalidRequest,
    AuthRejectionKind::MissingToken,
    AuthRejectionKind::InvalidToken,
    AuthRejectionKind::Unavailable,
];

/// Documents the responses of all rejections: 400, 401, 403 and 503. The 500 for a missing layer is not documented,
/// because a missing layer is a mistake in the application.
///
/// Name this type for an operation if its handler returns an [`AuthRejection`], or if custom checks apply to it:
///
/// ```
/// use axum_cognito::{AuthRejection, CognitoClaims, Require};
/// use utoipa::Path;
///
/// #[utoipa::path(post, path = "/refunds", responses((status = 204), AuthRejection), security(("bearer" = [])))]
/// async fn refund(claims: CognitoClaims) -> Result<(), AuthRejection> {
///     claims.require(&Require::group("managers"))
/// }
///
/// let responses = __path_refund::operation().responses.responses;
/// assert_eq!(responses.keys().collect::<Vec<_>>(), ["204", "400", "401", "403", "503"]);
/// ```
impl IntoResponses for AuthRejection {
    fn responses() -> Responses {
        let more = [AuthRejectionKind::InsufficientScope, AuthRejectionKind::InsufficientAuthentication];
        responses(&[EXTRACTOR_KINDS.as_slice(), &more].concat())
    }
}

/// Documents the extractor's rejections: 400, 401 and 503, and also 403 if the extractor requires custom claims.
///
/// `Option<CognitoClaims>` rejects requests with an invalid token in the same way. To document this extractor, name
/// `CognitoClaims` and make the security requirement optional: `security((), ("bearer" = []))`.
impl<T: CustomClaims> IntoResponses for CognitoClaims<T> {
    fn responses() -> Responses {
        let forbidden = T::CAN_BE_MISSING.then_some(AuthRejectionKind::InsufficientScope);
        responses(&EXTRACTOR_KINDS.into_iter().chain(forbidden).collect::<Vec<_>>())
    }
}

/// Documents the same responses as [`CognitoClaims`].
impl<T: CustomClaims> IntoResponses for AccessClaims<T> {
    fn responses() -> Responses {
        CognitoClaims::<T>::responses()
    }
}

/// Documents the same responses as [`CognitoClaims`].
impl<T: CustomClaims> IntoResponses for IdClaims<T> {
    fn responses() -> Responses {
        CognitoClaims::<T>::responses()
    }
}

/// Documents no responses, because the extractor never rejects a request if the layer is present.
#[cfg(feature = "axum")]
impl<T: CustomClaims> IntoResponses for OptionalClaims<T> {
    fn responses() -> Responses {
        Responses::new()
    }
}

/// Documents the rejections of the extractor: 400, 401 and 503.
#[cfg(feature = "sign-in")]
impl IntoResponses for Session {
    fn responses() -> Responses {
        responses(&EXTRACTOR_KINDS)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Tenant {}

    #[test]
    fn statuses_of_a_type_are_those_of_its_rejections() {
        let usual = &["400", "401", "503"] as &[&str];
        let forbidden = &["400", "401", "403", "503"] as &[&str];
        for (name, responses, expected) in [
            ("AuthRejection", AuthRejection::responses(), forbidden),
            ("CognitoClaims", <CognitoClaims>::responses(), usual),
            ("CognitoClaims<T>", CognitoClaims::<Tenant>::responses(), forbidden),
            ("AccessClaims", <AccessClaims>::responses(), usual),
            ("AccessClaims<T>", AccessClaims::<Tenant>::responses(), forbidden),
            ("IdClaims", <IdClaims>::responses(), usual),
            #[cfg(feature = "axum")]
            ("OptionalClaims", <OptionalClaims>::responses(), &[]),
            #[cfg(feature = "sign-in")]
            ("Session", Session::responses(), usual),
        ] {
            assert!(responses.keys().eq(expected), "{name}: {:?}", responses.keys());
        }
    }

    #[test]
    fn response_has_the_headers_and_the_body_that_are_sent() {
        let challenge = json!({
            "WWW-Authenticate": { "schema": { "type": "string" }, "description": "The challenge (RFC 6750 §3)." },
        });
        let retry = json!({
            "Retry-After": { "schema": { "type": "integer" }, "description": "The time to wait, in seconds." },
        });
        for (status, title, headers, description, examples) in [
            (
                400,
                "Bad Request",
                &challenge,
                "The request does not contain exactly one well-formed bearer token.",
                json!({ "invalid_request": ["send exactly one bearer token", "invalid_request"] }),
            ),
            (
                401,
                "Unauthorized",
                &challenge,
                "The request has no valid token, or the user must sign in again.",
                json!({
                    "missing_token": ["send a bearer token", null],
                    "invalid_token": ["the token is not valid here", "invalid_token"],
                    "insufficient_authentication":
                        ["a more recent or a stronger sign-in is required", "insufficient_user_authentication"],
                }),
            ),
            (
                403,
                "Forbidden",
                &challenge,
                "The token is valid, but the caller lacks a permission.",
                json!({ "insufficient_scope": ["the caller is not allowed to do this", "insufficient_scope"] }),
            ),
            (
                503,
                "Service Unavailable",
                &retry,
                "The token cannot be checked at the moment.",
                json!({ "unavailable": ["the token cannot be checked at the moment", null] }),
            ),
        ] {
            let example = |text: &Value| {
                let mut body = json!({ "type": "about:blank", "title": title, "status": status, "detail": text[0] });
                if !text[1].is_null() {
                    body["error"] = text[1].clone();
                }
                json!({ "value": body })
            };
            let examples = examples.as_object().unwrap().iter().map(|(kind, text)| (kind.clone(), example(text)));
            let content = json!({
                "schema": { "$ref": "#/components/schemas/AuthProblem" },
                "examples": examples.collect::<serde_json::Map<_, _>>(),
            });
            let expected = json!({
                "description": description,
                "headers": headers,
                "content": { "application/problem+json": content },
            });
            let documented = &AuthRejection::responses()[&status.to_string()];
            assert_eq!(serde_json::to_value(documented).unwrap(), expected, "{status}");
        }
    }
}
