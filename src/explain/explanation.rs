//! [`Explanation`]: the result of every step for one token.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{advice::Advice, causes, reading::Reading, rules::Rules};
use crate::{
    claims::CognitoClaims,
    error::VerifyError,
    step::VerificationStep,
    time::{unix_seconds, utc},
    verifier::Verifier,
};

impl Verifier {
    /// Explains why a token is accepted or rejected.
    ///
    /// The explanation lists every step of the verification with the expected value, the token's value, and, for the
    /// failed step, the usual cause and a fix. `examples/explain.rs` wraps this method in a command-line tool.
    ///
    /// **For operators only.** An explanation contains values from the token and from the verifier's configuration.
    /// Never send an explanation to a client, and restrict access to logs that contain explanations.
    ///
    /// This method accepts and rejects the same tokens as [`verify`](Self::verify). The token cache is not used, so
    /// every step runs. Like `verify`, this method waits for a key fetch if the key is unknown. Metrics and `status()`
    /// do not count explanations. `token` is the text after `Bearer ` in the `Authorization` header.
    ///
    /// ```
    /// use axum_cognito::{Verifier, explain::{StepOutcome, VerificationStep}, testing::FakeUserPool};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    ///
    /// let explanation = verifier.explain(&fake.id_token("alice").sign()).await;
    /// let failed = explanation.failed().unwrap();
    /// assert_eq!(failed.step, VerificationStep::TokenUse);
    /// assert_eq!((failed.expected.as_deref(), failed.actual.as_deref()), (Some("access"), Some("id")));
    /// assert!(failed.fix.as_ref().unwrap().contains("send the access token"));
    ///
    /// // Earlier steps passed, and later steps were not reached.
    /// assert_eq!(explanation.step(VerificationStep::Signature).unwrap().outcome, StepOutcome::Passed);
    /// assert_eq!(explanation.step(VerificationStep::Client).unwrap().outcome, StepOutcome::NotReached);
    ///
    /// println!("{explanation}");
    /// # });
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        let result = self.check_with_retry(|now| self.inner.verify_at(token, now)).await;
        let reading = Reading::of(token, self.inner.max_token_bytes);
        let rules = Rules::of(&self.inner, &reading, self.inner.clock.now());
        Explanation::new(result.map(CognitoClaims::new), &reading, &rules)
    }
}

/// The result of every verification step for one token. [`Verifier::explain`] returns it.
///
/// `Display` writes a multi-line table, and escapes control characters in values from the token. `Serialize` writes the
/// members `accepted`, `kind`, `reason`, `claim` and `steps`. The `kind`, `reason` and `claim` are those of the
/// [`VerifyError`]. `Debug` output contains no value from the token.
///
/// **An explanation contains values from the token**, which may be personal or forged. Never send an explanation to a
/// client.
#[derive(Clone)]
pub struct Explanation {
    result: Result<CognitoClaims, VerifyError>,
    steps: Vec<ExplainedStep>,
}

/// The result of one step for a token.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// The step.
    pub step: VerificationStep,
    /// Whether the token passed the step.
    pub outcome: StepOutcome,
    /// The value that the configuration, the keys or the clock require. [`None`] if the step was not reached, or if it
    /// requires no particular value.
    pub expected: Option<String>,
    /// The token's value, truncated after 256 characters. **The value is untrusted input.** [`None`] if the step was
    /// not reached, or if the token has no such value.
    pub actual: Option<String>,
    /// The usual cause of the failure. [`None`] unless the step failed.
    pub cause: Option<String>,
    /// How to fix the failure. [`None`] unless the step failed.
    pub fix: Option<String>,
}

/// Whether a token passed a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// The token passed.
    Passed,
    /// The token was rejected in this step. At most one step fails.
    Failed,
    /// The token was rejected in an earlier step.
    NotReached,
}

impl StepOutcome {
    /// Returns `passed`, `failed` or `not reached`. JSON contains `not_reached`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }
}

impl Explanation {
    fn new(result: Result<CognitoClaims, VerifyError>, reading: &Reading<'_>, rules: &Rules<'_>) -> Self {
        let error = result.as_ref().err();
        let steps = VerificationStep::ALL.into_iter().map(|step| match error {
            Some(error) if step > error.step() => ExplainedStep::not_reached(step),
            Some(error) if step == error.step() => ExplainedStep::failed(error, reading, rules),
            _ => ExplainedStep::passed(step, reading, rules),
        });
        Self { steps: steps.collect(), result }
    }

    /// Returns the same result as [`Verifier::verify`].
    ///
    /// # Errors
    /// Returns the [`VerifyError`] of a rejected token.
    pub fn result(&self) -> Result<&CognitoClaims, &VerifyError> {
        self.result.as_ref()
    }

    /// Returns `true` if the token is accepted.
    pub fn is_accepted(&self) -> bool {
        self.result.is_ok()
    }

    /// Returns all steps in the order in which they run.
    pub fn steps(&self) -> &[ExplainedStep] {
        &self.steps
    }

    /// Returns the result of this step. Every explanation contains all steps of [`VerificationStep::ALL`].
    pub fn step(&self, step: VerificationStep) -> Option<&ExplainedStep> {
        self.steps.iter().find(|explained| explained.step == step)
    }

    /// Returns the step that rejected the token, or [`None`] if the token is accepted.
    pub fn failed(&self) -> Option<&ExplainedStep> {
        self.steps.iter().find(|step| step.outcome == StepOutcome::Failed)
    }
}

impl ExplainedStep {
    fn passed(step: VerificationStep, reading: &Reading<'_>, rules: &Rules<'_>) -> Self {
        let (expected, actual) = (rules.expected(step, reading), reading.actual(step));
        Self { step, outcome: StepOutcome::Passed, expected, actual, cause: None, fix: None }
    }

    fn failed(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Self {
        let step = error.step();
        let (expected, actual) = (rules.expected(step, reading), reading.actual(step));
        // The times in the error are Unix seconds, which are hard to read, so the error's values are not used for these
        // steps.
        let (expected, actual) = match step {
            VerificationStep::Expiry | VerificationStep::NotBefore => (expected, actual),
            _ => (error.expected().map(str::to_owned).or(expected), error.actual().map(str::to_owned).or(actual)),
        };
        let (expected, actual) = match rules.key_failure(error) {
            Some((source, failure)) => (Some(source), Some(failure)),
            None => (expected, actual),
        };
        let Advice { cause, fix } = causes::advise(error, reading, rules);
        let (cause, fix) = (Some(cause.into_owned()), Some(fix.into_owned()));
        Self { step, outcome: StepOutcome::Failed, expected, actual, cause, fix }
    }

    fn not_reached(step: VerificationStep) -> Self {
        Self { step, outcome: StepOutcome::NotReached, expected: None, actual: None, cause: None, fix: None }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(claims) => {
                let (token_use, pool) = (claims.token_use(), claims.pool());
                let until = utc(unix_seconds(claims.expires_at()));
                writeln!(f, "accepted: the {token_use} token of the pool {pool} is valid until {until}\n")?;
            }
            Err(error) => writeln!(f, "rejected: {}\n", error.reason())?,
        }
        for step in &self.steps {
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

/// Writes one line, and more lines with details if the step failed.
impl fmt::Display for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<13}", self.outcome.as_str())?;
        match &self.actual {
            Some(actual) if self.outcome != StepOutcome::Failed => writeln!(f, "{:<16}{}", self.step, Escaped(actual))?,
            _ => writeln!(f, "{}", self.step)?,
        }
        if self.outcome != StepOutcome::Failed {
            return Ok(());
        }
        for (name, text) in [("expected", &self.expected), ("actual", &self.actual)] {
            if let Some(text) = text {
                writeln!(f, "{:15}{name:<16}{}", "", Escaped(text))?;
            }
        }
        for (name, text) in [("cause", &self.cause), ("fix", &self.fix)] {
            if let Some(text) = text {
                writeln!(f, "{:15}{name:<16}{text}", "")?;
            }
        }
        Ok(())
    }
}

/// Escapes characters in the token's text that could control the terminal or change the writing direction.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' | '\'' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        Ok(())
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = self.result.as_ref().err();
        let mut object = serializer.serialize_struct("Explanation", 5)?;
        object.serialize_field("accepted", &self.is_accepted())?;
        object.serialize_field("kind", &error.map(|error| error.kind().as_str()))?;
        object.serialize_field("reason", &error.map(VerifyError::reason))?;
        object.serialize_field("claim", &error.and_then(VerifyError::claim))?;
        object.serialize_field("steps", &self.steps)?;
        object.end()
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("result", &self.result).finish_non_exhaustive()
    }
}

/// Omits the token's values, which must not appear in logs.
impl fmt::Debug for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainedStep")
            .field("step", &self.step)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
