//! Amazon Cognito sign-in for [axum] and tower: a layer that verifies tokens, and extractors for their typed claims.
//!
//! ```no_run
//! use axum::{Json, Router, routing::get};
//! use axum_cognito::{CognitoAuth, CognitoClaims, OptionalClaims, Require, UserPool};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let auth = CognitoAuth::new(UserPool::new("us-east-1_AbC123xyz", "1example23456789")?);
//!
//!     let app = Router::new()
//!         .route("/home", get(home)) // everybody, and it knows who they are
//!         .route("/me", get(me)) // 401 without a valid token
//!         .route("/admin", get(admin).route_layer(Require::group("admins"))) // 403 without the group
//!         .layer(auth);
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//!
//! async fn home(OptionalClaims(claims): OptionalClaims) -> String {
//!     match claims {
//!         Some(claims) => format!("welcome back, {}", claims.username().unwrap_or("machine")),
//!         None => "welcome".to_owned(),
//!     }
//! }
//!
//! async fn me(claims: CognitoClaims) -> Json<serde_json::Value> {
//!     Json(serde_json::json!({ "sub": claims.sub(), "groups": claims.groups().collect::<Vec<_>>() }))
//! }
//!
//! async fn admin() -> &'static str {
//!     "hello, admin"
//! }
//! ```
//!
//! That verifies the signature (RS256) with the pool's keys, and `iss`, `exp`, `nbf`, `token_use` and the app client of every token; it
//! fetches the keys on first use, refreshes them in the background, follows rotations and outlives outages. The [`guide`] has the rest:
//!
//! - [`guide::getting_started`]: from an empty project to a server
//! - [`guide::routes`]: protecting routes by sign-in, group, scope or your own rule
//! - [`guide::claims`]: users, groups, custom claims, and your own user type
//! - [`guide::configuration`]: user pools, app clients and issuers
//! - [`guide::custom_checks`]: revoked sessions, locked users, suspended tenants
//! - [`guide::token_sources`]: tokens in cookies, WebSockets and other places, and protection against cross-site requests
//! - [`guide::rejections`]: default and custom responses to rejected requests, and discovery
//! - [`guide::without_axum`]: tower, hyper, gRPC, Lambda and jobs
//! - [`guide::keys`]: where keys come from, how they stay fresh, what happens when the endpoint does not answer
//! - [`guide::security`]: every known attack on verifiers of this kind, and where it ends here
//! - [`guide::performance`]: what a token costs, and how that was measured
//! - [`guide::testing`]: your application's tests, without AWS
//! - [`guide::troubleshooting`]: from the answer you see to its cause
//! - [`guide::migrating`]: coming from cognitojwt, Flask-AWSCognito, aws-jwt-verify, jwt-authorizer or hand-written code
//! - [`guide::defaults`]: every default and its reason
//!
//! # The one way a token takes
//!
//! ```text
//! request
//!   | middleware   find exactly one bearer token           none -> the reason goes into the extensions
//!   | verifier     check(token):
//!   |   cache      verified before, not expired, its key still in the set? ---------------------+
//!   |   jwt        bytes -> unverified token (bounded, three parts, strict base64url, header)   |
//!   |   pool       iss -> the configured pool                                                  |
//!   |   keys       kid -> parsed public key       unknown -> the only place that may wait      |
//!   |   key        RS256 signature -> the first proof                                          |
//!   |   policy     exp, nbf, token_use, client, audience -> the second proof                   |
//!   |   cache      <- -------------------------------------------------------------------------+
//!   | check        the application's own, on every request
//!   | middleware   claims into the extensions, inner service called
//!   | require      per route: groups, scopes, what else the claims must say
//!   v extract      the handler's argument reads the claims; it never verifies
//! ```
//!
//! Each file of the source is one of these words, and a token passes it once.
//!
//! # Without axum
//!
//! [`CognitoAuth`] is a [`tower_layer::Layer`] for any service of `http::Request<B>`, and [`Verifier`] needs no service at all:
//! [`guide::without_axum`].
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `axum` | yes | the extractors, and `IntoResponse` for [`AuthRejection`] |
//! | `testing` | no | [`testing`]: a user pool in the process, and clocks for tests |
//! | `metrics` | no | counters and gauges through the `metrics` facade; names in [`guide::keys`] |
//!
//! Features only add; none changes what the rest does.
//!
//! [axum]: https://docs.rs/axum
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
// Nothing that input can reach may stop the program; what this crate has to say it says through `tracing`.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod audience;
mod base64url;
pub mod claims;
mod client_ids;
mod clients;
mod clock;
mod env;
mod error;
#[cfg(feature = "explain")]
#[cfg_attr(docsrs, doc(cfg(feature = "explain")))]
pub mod explain;
#[cfg(feature = "axum")]
mod extract;
pub mod guide;
mod issuer;
mod json;
mod jwt;
pub mod keys;
mod metrics;
pub mod middleware;
mod origin;
mod policy;
pub mod pool;
mod pool_id;
mod region;
mod step;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod time;
mod token_source;
mod token_use;
mod verifier;

#[doc(inline)]
pub use claims::{AccessClaims, CognitoClaims, CustomClaims, IdClaims};
pub use clock::{Clock, SystemClock};
pub use error::{ConfigError, VerifyError, VerifyErrorKind};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use extract::OptionalClaims;
#[doc(inline)]
pub use middleware::{
    AuthRejection, AuthRejectionKind, CheckError, CognitoAuth, ProtectedResource, RejectedRequest, Require, TokenSource,
};
#[doc(inline)]
pub use pool::{TokenUse, UserPool, UserPoolId};
pub use verifier::{Verifier, VerifierBuilder};

/// The examples of the README are compiled and run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
