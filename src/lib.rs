//! Verifies Amazon Cognito tokens for [axum] and tower.
//!
//! A layer verifies the bearer token of each request, and extractors pass the token's typed claims to handlers. The
//! keys of the user pool are fetched on first use, refreshed in the background, and shared by all clones of the layer.
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
//!         .route("/home", get(home)) // public
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
//! By default, the layer itself never rejects a request. Extractors, [`Require`] rules and
//! [`deny_by_default`](CognitoAuth::deny_by_default) reject requests.
//!
//! A token is accepted if its RS256 signature verifies with one of the pool's keys and the current time is between
//! `nbf` and `exp`. The token's `iss`, `token_use`, app client and audience must also match the configuration. Only
//! access tokens are accepted, unless the [`UserPool`] also allows ID tokens.
//!
//! ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
//! claims only if a pre-token-generation trigger adds them.
//!
//! # Guide
//!
//! - [`guide::getting_started`]: from an empty project to a protected route
//! - [`guide::routes`]: protecting routes, optional sign-in, and denying by default
//! - [`guide::claims`]: reading claims, custom claims, and an application's own user type
//! - [`guide::configuration`]: pools, app clients, issuers, environment variables and settings
//! - [`guide::custom_checks`]: checks on every request, for example for revoked sessions and suspended tenants
//! - [`guide::token_sources`]: cookies, WebSockets and other token sources, and CSRF
//! - [`guide::rejections`]: the responses to rejected requests, and how to change them
//! - [`guide::keys`]: how keys are fetched and refreshed, and what happens during an outage
//! - [`guide::deployment`]: load balancers, Lambda, container images, proxies, logs and alerts
//! - [`guide::single_page_applications`]: browser applications that call the API, and CORS
#![cfg_attr(
    feature = "sign-in",
    doc = "- [`guide::sign_in`]: signing browser users in, sessions, refresh and sign-out"
)]
#![cfg_attr(feature = "alb", doc = "- [`guide::alb`]: load balancers that sign users in")]
#![cfg_attr(feature = "utoipa", doc = "- [`guide::openapi`]: OpenAPI documents, and a Swagger UI that signs in")]
//! - [`guide::without_axum`]: tower, hyper, gRPC, Lambda and background jobs
//! - [`guide::testing`]: testing an application without AWS
//! - [`guide::troubleshooting`]: finding the cause of a rejected request
//! - [`guide::migrating`]: replacing cognitojwt, Flask-AWSCognito, aws-jwt-verify, jwt-authorizer or hand-written code
//! - [`guide::security`]: known attacks on token verifiers, and how they are rejected
//! - [`guide::performance`]: what a verification costs, and how it was measured
//! - [`guide::defaults`]: every default value and its reason
//!
//! # How a token is verified
//!
//! ```text
//! request
//!   | middleware   finds exactly one bearer token          none -> anonymous
//!   | verifier     check(token):
//!   |   cache      verified before, not expired, key and client still accepted? -----------+
//!   |   jwt        bytes -> unverified token (bounded size, three parts, strict base64url) |
//!   |   claims     JSON -> typed claims, still unverified                                  |
//!   |   pool       iss -> the configured pool                                              |
//!   |   keys       kid -> parsed public key        unknown -> the only step that may wait  |
//!   |   key        RS256 signature                                                         |
//!   |   policy     exp, nbf, iat, token_use, client, sub, audience                         |
//!   |   cache      insert -----------------------------------------------------------------+
//!   | checks       the application's custom checks, on every request
//!   | middleware   claims or rejection into request extensions; inner service called
//!   | rules        per route: group, scope and other rules
//!   v extract      the handler's argument reads the claims; it never verifies
//! ```
//!
//! Each step has the name of the source file or folder that implements it.
//!
//! # Without axum
//!
//! [`CognitoAuth`] is a [`tower_layer::Layer`] for any service of `http::Request<B>` that implements [`Clone`].
//! [`Verifier`] verifies a token without any service. See [`guide::without_axum`].
//!
//! # Features
//!
//! All features are additive.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `alb` | no | the module `alb`, which verifies the user claims that Application Load Balancers and Verified Access sign |
//! | `axum` | yes | the extractors, and `IntoResponse` for [`AuthRejection`] and [`ProtectedResource`](middleware::ProtectedResource) |
//! | `explain` | no | the module `explain`, which explains step by step why a token was rejected |
//! | `fips` | no | the FIPS build of AWS-LC for signatures, sessions and TLS; needs Go and CMake, see [`guide::deployment`] |
//! | `metrics` | no | counters and gauges through the `metrics` facade, listed in [`guide::deployment`] |
//! | `sign-in` | no | the module `sign_in`, which signs browser users in and keeps their sessions |
//! | `testing` | no | the module `testing`, with an in-process user pool and a clock for tests |
//! | `utoipa` | no | the module `openapi`, with OpenAPI security schemes and the responses of extractors and rules |
//!
//! [axum]: https://docs.rs/axum
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
// No input may cause a panic, and all messages must go to `tracing`.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[cfg(feature = "alb")]
#[cfg_attr(docsrs, doc(cfg(feature = "alb")))]
pub mod alb;
mod audience;
mod base64url;
pub mod claims;
mod client_ids;
mod clients;
pub mod clock;
mod crypto_module;
mod env;
mod error;
#[cfg(feature = "explain")]
#[cfg_attr(docsrs, doc(cfg(feature = "explain")))]
pub mod explain;
#[cfg(feature = "axum")]
mod extract;
pub mod guide;
mod http_client;
mod issuer;
mod json;
mod jwt;
pub mod keys;
mod metrics;
pub mod middleware;
#[cfg(feature = "utoipa")]
#[cfg_attr(docsrs, doc(cfg(feature = "utoipa")))]
pub mod openapi;
mod origin;
mod policy;
pub mod pool;
mod pool_id;
mod redact;
mod region;
#[cfg(feature = "sign-in")]
#[cfg_attr(docsrs, doc(cfg(feature = "sign-in")))]
pub mod sign_in;
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
pub use error::{ConfigError, VerifyError, VerifyErrorKind};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use extract::OptionalClaims;
#[doc(inline)]
pub use middleware::{AuthRejection, AuthRejectionKind, CheckError, CognitoAuth, Require, TokenSource};
#[doc(inline)]
pub use pool::{TokenUse, UserPool, UserPoolId};
pub use verifier::{Verifier, VerifierBuilder};

/// Compiles and runs the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
