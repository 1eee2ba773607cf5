//! Verifies user claims signed by Application Load Balancers and AWS Verified Access.
//!
//! A load balancer with an `authenticate-cognito` or `authenticate-oidc` action signs users in itself. The load
//! balancer adds the user claims to each request as a signed token in the header `x-amzn-oidc-data`. The layer
//! [`AlbAuth`] verifies this token, and the extractor [`AlbClaims`] passes the token's claims to handlers. The guide
//! chapter [`alb`](crate::guide::alb) shows the whole setup, including the necessary security groups.
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use axum_cognito::{alb::{AlbAuth, AlbClaims}, testing::FakeLoadBalancer};
//! use tower::ServiceExt;
//!
//! async fn me(claims: AlbClaims) -> String {
//!     claims.email().unwrap_or_default().to_owned()
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let fake = FakeLoadBalancer::new(); // in production: AlbConfig::new("arn:aws:elasticloadbalancing:…", &pool)?
//! let app = Router::new().route("/me", get(me)).layer(AlbAuth::new(fake.config()));
//!
//! let request = Request::get("/me").header("x-amzn-oidc-data", fake.token("alice").sign());
//! let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(response.status(), StatusCode::OK);
//! # });
//! ```
//!
//! # How a token is verified
//!
//! ```text
//! request
//!   | service     finds exactly one token in the header           none -> 401, repeated -> 400
//!   | verifier    check(token):
//!   |   token     three parts, base64url with or without padding, JSON with unique members
//!   |   rules     alg, kid, signer, iss, client, exp of the header    -> no I/O before this passes
//!   |   keys      kid  -> parsed public key        not cached -> the only step that may wait
//!   |   key       ECDSA signature over the bytes as they came
//!   |   rules     iss and exp of the payload equal the header's, and the user's ID is not empty
//!   | service     the identity header and the access token, if required, belong to the same user
//!   v extract     the handler's argument reads the claims; it never verifies
//! ```

mod checks;
mod claims;
mod config;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod key;
mod keys;
mod layer;
mod outcome;
mod product;
mod rules;
mod service;
mod signer;
mod status;
mod token;
mod verifier;

pub use claims::AlbClaims;
pub use config::AlbConfig;
pub use future::AlbResponseFuture;
pub use layer::AlbAuth;
pub use service::AlbAuthService;
pub use status::AlbStatus;
pub use verifier::AlbVerifier;
