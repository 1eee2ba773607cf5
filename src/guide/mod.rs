//! A guide to the crate, ordered by task. All Rust examples in the guide are compiled as doctests, and run unless they
//! start a server.
//!
//! First steps:
//!
//! - [`getting_started`] leads from an empty project to a server that accepts tokens of your user pool.
//! - [`routes`] shows how to protect routes by sign-in, group, scope or your own rule.
//! - [`claims`] shows how to read users, groups and custom claims, and how to connect them to your own user type.
//! - [`configuration`] shows how to set up user pools, app clients and issuers, in code or from the environment.
//!
//! Requests and responses:
//!
//! - [`custom_checks`] shows how to reject valid tokens of revoked sessions, locked users or suspended tenants.
//! - [`token_sources`] shows how to read tokens from cookies and other sources, and how to prevent CSRF.
//! - [`rejections`] lists the default responses, and shows how to replace them and how clients find the sign-in.
//!
//! Operation:
//!
//! - [`keys`] explains how public keys are fetched and refreshed, and how the crate behaves during outages.
//! - [`deployment`] covers health checks, ECS, Lambda, container images, proxies and alerts.
//!
//! Other kinds of applications:
//!
//! - [`single_page_applications`] shows how a browser application gets, sends and refreshes tokens.
#![cfg_attr(
    feature = "sign-in",
    doc = "- [`sign_in`] shows how to sign browser users in, and how sessions, refresh and sign-out work."
)]
#![cfg_attr(
    feature = "utoipa",
    doc = "- [`openapi`] shows how to describe an API with utoipa, and how to sign in from a Swagger UI."
)]
//! - [`without_axum`] shows how to use the layers with tower, hyper, tonic and Lambda, and the verifier without a
//!   service.
#![cfg_attr(
    feature = "alb",
    doc = "- [`alb`] shows how to verify the user claims of a load balancer that signs users in."
)]
//!
//! Testing and debugging:
//!
//! - [`testing`] shows how to test an application with valid and invalid tokens, without AWS.
//! - [`troubleshooting`] lists the causes of unexpected responses and their fixes.
//!
//! Background:
//!
//! - [`migrating`] translates code from cognitojwt, Flask-AWSCognito, aws-jwt-verify, jwt-authorizer and jsonwebtoken.
//! - [`security`] lists known attacks on token verification and the checks that stop them.
//! - [`performance`] states the cost of verifying a token, and how the cost was measured.
//! - [`defaults`] lists every default and its reason.

// The lint would require backticks around the names of people and products.
#![allow(clippy::doc_markdown)]

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("routes.md")]
pub mod routes {}

#[doc = include_str!("claims.md")]
pub mod claims {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("custom_checks.md")]
pub mod custom_checks {}

#[doc = include_str!("token_sources.md")]
pub mod token_sources {}

#[doc = include_str!("rejections.md")]
pub mod rejections {}

#[doc = include_str!("keys.md")]
#[doc = concat!(
    "<figure><img alt=\"Key fetches per second of 10,000 programs, as in the table above\" src=\"data:image/svg+xml,",
    include_str!("../../docs/key-fetches.svg"),
    "\"></figure>"
)]
pub mod keys {}

#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[doc = include_str!("single_page_applications.md")]
pub mod single_page_applications {}

#[cfg(feature = "sign-in")]
#[cfg_attr(docsrs, doc(cfg(feature = "sign-in")))]
#[doc = include_str!("sign_in.md")]
pub mod sign_in {}

#[cfg(feature = "utoipa")]
#[cfg_attr(docsrs, doc(cfg(feature = "utoipa")))]
#[doc = include_str!("openapi.md")]
pub mod openapi {}

#[doc = include_str!("without_axum.md")]
pub mod without_axum {}

#[cfg(feature = "alb")]
#[cfg_attr(docsrs, doc(cfg(feature = "alb")))]
#[doc = include_str!("alb.md")]
pub mod alb {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("performance.md")]
#[doc = concat!(
    "<figure><img alt=\"Time to verify one token relative to a bare signature check, as in the table above\" ",
    "src=\"data:image/svg+xml,",
    include_str!("../../docs/performance.svg"),
    "\"></figure>"
)]
pub mod performance {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}
