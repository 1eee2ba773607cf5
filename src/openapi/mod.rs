//! Adds security schemes and the responses of extractors and rules to OpenAPI documents, with [utoipa].
//!
//! - The extractors and [`AuthRejection`](crate::AuthRejection) implement [`utoipa::IntoResponses`], so
//!   `#[utoipa::path(responses(..))]` can name them.
//! - [`AuthRejection`](crate::AuthRejection) implements [`utoipa::ToSchema`] with the schema of its problem document.
//! - [`SecuritySchemes`] adds the security schemes to a document, and the scopes and responses of a
//!   [`Require`](crate::Require) rule to operations.
//!
//! Extractors in handler arguments need no annotation, because `#[utoipa::path]` ignores them.
//!
//! ```
//! use axum_cognito::{CognitoClaims, Require, openapi::SecuritySchemes};
//! use utoipa::{Modify, OpenApi};
//!
//! #[utoipa::path(get, path = "/me", responses((status = 200, body = String), CognitoClaims), security(("oauth2" = [])))]
//! async fn me(claims: CognitoClaims) -> String {
//!     claims.sub().to_owned()
//! }
//!
//! #[utoipa::path(get, path = "/orders", responses((status = 200, body = String)))]
//! async fn orders() -> &'static str {
//!     "none"
//! }
//!
//! #[derive(OpenApi)]
//! #[openapi(paths(me, orders))]
//! struct Api;
//!
//! let domain = "https://app.auth.eu-west-1.amazoncognito.com";
//! let schemes = SecuritySchemes::oauth2(domain, [("orders/read", "Read orders")])?;
//!
//! let mut api = Api::openapi();
//! schemes.modify(&mut api); // adds the security schemes and the schema of the problem document
//! let rule = Require::scope("orders/read"); // also add it to the route: `.route_layer(rule)`
//! schemes.document(&rule, api.paths.paths.get_mut("/orders").unwrap());
//!
//! let api = serde_json::to_value(&api)?;
//! let orders = &api["paths"]["/orders"]["get"];
//! assert_eq!(orders["security"], serde_json::json!([{ "oauth2": ["orders/read"] }]));
//! assert!(orders["responses"]["403"]["headers"]["WWW-Authenticate"].is_object());
//! assert!(api["paths"]["/me"]["get"]["responses"]["401"]["content"]["application/problem+json"].is_object());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Documenting a rule does not protect a route. The rule must also be added to the route as a layer.
//!
//! [utoipa]: https://docs.rs/utoipa

mod domain;
mod operations;
mod problem;
mod responses;
mod scheme;
mod schemes;

pub use operations::Operations;
pub use schemes::SecuritySchemes;
