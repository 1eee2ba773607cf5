//! Provides an in-process user pool and clocks, for tests without an AWS account and without a network.
//!
//! [`FakeUserPool`] issues tokens with the claims that Cognito writes, signed with its own RSA keys. The verifier
//! checks these tokens exactly like tokens from a real pool, and no check is disabled. With [`ManualClock`], a test can
//! let tokens expire without waiting.
//!
//! ```
//! use std::time::Duration;
//! use axum_cognito::{Verifier, VerifyErrorKind, testing::{FakeUserPool, ManualClock}};
//!
//! let fake = FakeUserPool::new();
//! let clock = ManualClock::starting_now();
//! let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build()?;
//!
//! let token = fake.access_token("alice").expires_in(Duration::from_secs(60)).sign();
//! assert!(verifier.check(&token).is_ok());
//!
//! clock.advance(Duration::from_secs(61));
//! assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::Expired);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Profile attributes
//!
//! Cognito writes profile attributes (`custom:…`, `email`, `name`) into ID tokens. An access token has profile
//! attributes only if a pre token generation trigger adds them. [`TokenBuilder::claim`] therefore panics for a profile
//! attribute in an access token, and [`TokenBuilder::trigger_claim`] simulates the trigger.
//!
//! # Browser sign-in
//!
//! With the feature `sign-in`, `ManagedLogin` serves a fake of Cognito's managed login. The fake has the sign-in page
//! and the OAuth endpoints, and a test can switch on faults.
//!
//! # Production builds
//!
//! Enable the feature `testing` only in `[dev-dependencies]`. A program with a `FakeUserPool` accepts every token that
//! its own code signs.

// The types in this module panic if a test misuses them.
#![allow(clippy::missing_panics_doc, clippy::expect_used, clippy::panic)]

mod clock;
mod key;
#[cfg(feature = "alb")]
mod load_balancer;
mod loopback;
#[cfg(feature = "sign-in")]
mod managed_login;
mod pool;
mod serve;
mod token;

pub use clock::{ManualClock, TokioClock};
#[cfg(feature = "alb")]
#[cfg_attr(docsrs, doc(cfg(feature = "alb")))]
pub use load_balancer::{AlbTokenBuilder, FakeLoadBalancer, KeyServer};
#[cfg(feature = "sign-in")]
#[cfg_attr(docsrs, doc(cfg(feature = "sign-in")))]
pub use managed_login::{FakeUser, ManagedLogin, ManagedLoginFault, ManagedLoginServer};
pub use pool::FakeUserPool;
pub use serve::JwksServer;
pub use token::TokenBuilder;
