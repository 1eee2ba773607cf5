//! Explains step by step why a token was rejected. For operators and tools.
//!
//! The result comes from the real verification: [`Verifier::explain`](crate::Verifier::explain) runs the same steps as `verify`, without the
//! token cache, and the [`VerifyError`](crate::VerifyError) itself names the failed step. Nothing in this module decides about a token. It
//! only reads the token for display, and adds the usual cause and fix.

mod advice;
mod explanation;
mod reading;

pub use explanation::{ExplainedStep, Explanation, StepOutcome};

pub use crate::step::VerificationStep;
