//! Test your application without AWS: a user pool inside the process, and a clock set by hand.
//!
//! [`FakeUserPool`] has fresh RSA keys and mints the tokens that Cognito would, signed for real; nothing is switched off in the verifier
//! that checks them. [`ManualClock`] lets tokens expire without waiting.
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
//! Access tokens have the claims that Cognito writes into them, and no others. Profile attributes (`custom:…`, `email`, `name`) are in ID
//! tokens; an access token has them only through a pre token generation trigger, which
//! [`trigger_claim`](TokenBuilder::trigger_claim) stands for.
//!
//! For tests of your own only: a program that ships with the `testing` feature has a pool whose tokens anybody in the process can mint.

// A test kit may stop the test that misuses it.
#![allow(clippy::missing_panics_doc, clippy::expect_used)]

mod clock;
mod pool;
mod serve;
mod token;

pub use clock::{ManualClock, TokioClock};
pub use pool::FakeUserPool;
pub use serve::JwksServer;
pub use token::TokenBuilder;
