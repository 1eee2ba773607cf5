//! Explains step by step why a token was rejected, for operators and tools.
//!
//! [`Verifier::explain`](crate::Verifier::explain) runs the same steps as `verify`, without the token cache. The
//! [`VerifyError`](crate::VerifyError) itself names the failed step. This module makes no decision about a token. The
//! module reads the token again for display, and adds the usual cause and a fix.

mod advice;
mod causes;
mod explanation;
mod reading;
mod rules;
mod step;

pub use explanation::{ExplainedStep, Explanation, StepOutcome};

pub use crate::step::VerificationStep;
