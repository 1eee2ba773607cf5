//! The explanation of one token.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    advice::Advice,
    reading::{Reading, Rules},
};
use crate::{
    claims::CognitoClaims,
    error::VerifyError,
    step::VerificationStep,
    time::{unix_seconds, utc},
    verifier::Verifier,
};

impl Verifier {
    /// Says why a token is refused, or that it is accepted: every check of its path with what was expected, what the token says, the usual
    /// cause and what to do about it.
    ///
    /// **For operators.** An explanation shows what the caller wrote and how this verifier is configured: never send one to a caller, and
    /// mind who reads the log that you write it to. `examples/explain.rs` is a program around it.
    ///
    /// The verdict is the one of [`verify`](Self::verify), which it asks past the cache, so that every check really happens; like
    /// `verify` it can wait for keys. It is not counted in the metrics, and remembers nothing. Hand it exactly what would follow
    /// `Bearer ` in the header.
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
    /// // The checks before it have passed, the others were not reached.
    /// assert_eq!(explanation.step(VerificationStep::Signature).unwrap().outcome, StepOutcome::Passed);
    /// assert_eq!(explanation.step(VerificationStep::Client).unwrap().outcome, StepOutcome::NotReached);
    ///
    /// println!("{explanation}");
    /// # });
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        let verdict = self.check_with_retry(|now| self.inner.verify_at(token, now)).await.map(CognitoClaims::new);
        let reading = Reading::of(token, self.inner.max_token_bytes);
        let rules = Rules::of(&self.inner, &reading, self.inner.clock.now());
        Explanation::new(verdict, &reading, &rules)
    }
}

/// What became of one token, check by check; from [`Verifier::explain`].
///
/// `Display` is a table for people, several lines long and without colour; control characters of the token come escaped. `Serialize`
/// is the same for programs: `accepted`, `kind`, `reason` and `claim` of the [`VerifyError`], and `steps`. `Debug` shows nothing of
/// the token.
///
/// **It shows what the caller wrote**, which may be personal or forged. It is made for whoever runs the service and never for an answer.
#[derive(Clone)]
pub struct Explanation {
    verdict: Result<CognitoClaims, VerifyError>,
    steps: Vec<ExplainedStep>,
}

/// One step of the path, and how a token fared.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// Which step.
    pub step: VerificationStep,
    /// Whether the token passed it.
    pub outcome: StepOutcome,
    /// What the configuration, the keys or the clock ask for. [`None`] where the step was not reached.
    pub expected: Option<String>,
    /// What the token says, cut off after 256 characters. **The caller wrote this.** [`None`] where the step was not reached, or where
    /// there is nothing to show.
    pub actual: Option<String>,
    /// What usually causes this, in a sentence or two; only where the step failed.
    pub cause: Option<String>,
    /// What to do about it; only where the step failed.
    pub fix: Option<String>,
}

/// How a token fared in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// The token passed.
    Passed,
    /// The token was refused here. That is one step at most, and the last that happened.
    Failed,
    /// The token was refused before.
    NotReached,
}

impl StepOutcome {
    /// In words: `passed`, `failed` or `not reached`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }
}

impl Explanation {
    fn new(verdict: Result<CognitoClaims, VerifyError>, reading: &Reading<'_>, rules: &Rules<'_>) -> Self {
        let error = verdict.as_ref().err();
        let steps = VerificationStep::ALL.into_iter().map(|step| match error {
            Some(error) if step > error.step() => ExplainedStep::not_reached(step),
            Some(error) if step == error.step() => ExplainedStep::failed(error, reading, rules),
            _ => ExplainedStep::passed(step, reading, rules),
        });
        Self { steps: steps.collect(), verdict }
    }

    /// The verdict: that of [`Verifier::verify`].
    ///
    /// # Errors
    /// The [`VerifyError`] of a token that is refused.
    pub fn verdict(&self) -> Result<&CognitoClaims, &VerifyError> {
        self.verdict.as_ref()
    }

    /// Whether the token is accepted.
    pub fn is_accepted(&self) -> bool {
        self.verdict.is_ok()
    }

    /// Returns every step in the order of the path: those that passed, the one that failed, and those that were not reached.
    pub fn steps(&self) -> &[ExplainedStep] {
        &self.steps
    }

    /// How the token fared in this step.
    pub fn step(&self, step: VerificationStep) -> Option<&ExplainedStep> {
        self.steps.iter().find(|explained| explained.step == step)
    }

    /// The step that refused the token; [`None`] for one that is accepted.
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
        // The error's own words, except where it counts in Unix seconds, which nobody reads.
        let (expected, actual) = match step {
            VerificationStep::Expiry | VerificationStep::NotBefore => (expected, actual),
            _ => (error.expected().map(str::to_owned).or(expected), error.actual().map(str::to_owned).or(actual)),
        };
        let (expected, actual) = match rules.trouble_with_keys(error) {
            Some((from, trouble)) => (Some(from), Some(trouble)),
            None => (expected, actual),
        };
        let Advice { cause, fix } = Advice::on(error, reading, rules);
        let (cause, fix) = (Some(cause.into_owned()), Some(fix.into_owned()));
        Self { step, outcome: StepOutcome::Failed, expected, actual, cause, fix }
    }

    fn not_reached(step: VerificationStep) -> Self {
        Self { step, outcome: StepOutcome::NotReached, expected: None, actual: None, cause: None, fix: None }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(claims) => {
                let (token_use, pool) = (claims.token_use(), claims.pool());
                let until = utc(unix_seconds(claims.expires_at()));
                writeln!(f, "accepted: the {token_use} token of the pool {pool} is good until {until}\n")?;
            }
            Err(error) => writeln!(f, "refused: {}\n", error.reason())?,
        }
        for step in &self.steps {
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

/// A line, or a paragraph where the step failed.
impl fmt::Display for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<13}", self.outcome.as_str())?;
        match &self.actual {
            Some(actual) if self.outcome != StepOutcome::Failed => writeln!(f, "{:<16}{}", self.step, Shown(actual))?,
            _ => writeln!(f, "{}", self.step)?,
        }
        if self.outcome != StepOutcome::Failed {
            return Ok(());
        }
        for (name, text) in [("expected", &self.expected), ("actual", &self.actual)] {
            if let Some(text) = text {
                writeln!(f, "{:15}{name:<16}{}", "", Shown(text))?;
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

/// Text that the caller may have written, fit for a terminal: what would move the cursor, change colours or turn the direction of
/// writing comes escaped.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
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
        let error = self.verdict.as_ref().err();
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
        f.debug_struct("Explanation").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}

/// Without what the token says, which belongs into no log.
impl fmt::Debug for ExplainedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainedStep")
            .field("step", &self.step)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
