//! A test kit: a user pool inside the process, and clocks that tests control. It needs no AWS account and no network.
//!
//! [`FakeUserPool`] issues tokens with the claims that Cognito writes, signed with RSA keys of its own. The verifier
//! checks them as it checks tokens of a real pool, because no check is switched off. With [`ManualClock`], tokens
//! expire without waiting.
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
//! Cognito writes profile attributes (`custom:…`, `email`, `name`) into ID tokens. An access token has them only if a
//! pre token generation trigger adds them. [`TokenBuilder::claim`] therefore panics for such a claim on an access
//! token, and [`TokenBuilder::trigger_claim`] stands for the trigger.
//!
//! # Production builds
//!
//! Enable the feature `testing` in `[dev-dependencies]` only. A program with a `FakeUserPool` accepts every token that
//! its own code signs.

// A test kit panics if a test misuses it.
#![allow(clippy::missing_panics_doc, clippy::expect_used, clippy::panic)]

mod clock;
mod key;
mod pool;
mod serve;
mod token;

pub use clock::{ManualClock, TokioClock};
pub use pool::FakeUserPool;
pub use serve::JwksServer;
pub use token::TokenBuilder;
