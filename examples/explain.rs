//! Explains at a terminal why a token is rejected.
//!
//! ```console
//! $ cargo run --example explain -- --demo                                     # sample tokens, no set-up
//!
//! $ export AWS_COGNITO_USER_POOL_ID=us-east-1_AbC123xyz AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789
//! $ cargo run --example explain < token.txt                                   # not in the shell history
//! $ cargo run --example explain -- --json "$TOKEN" | jq .kind
//! ```
//!
//! The exit status is 0 if the token is accepted, and 1 if it is rejected. The status is 2 if the token was not checked
//! because of an invalid argument, an invalid pool in the environment or an empty input.

#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
    time::Duration,
};

use axum_cognito::{
    ConfigError, UserPool, Verifier,
    explain::{Explanation, StepOutcome},
    testing::FakeUserPool,
};

const USAGE: &str = "\
usage: explain [--json] [TOKEN | -]
       explain [--json] --demo

Explains why an Amazon Cognito token is accepted or rejected. Without TOKEN, or
with `-`, the token is read from standard input. The pool comes from the
environment: AWS_COGNITO_USER_POOL_ID, AWS_COGNITO_USER_POOL_CLIENT_ID, and
optionally AWS_COGNITO_TOKEN_USE, AWS_COGNITO_REGION, AWS_COGNITO_ISSUER and
AWS_COGNITO_JWKS_PATH.

  --json   print JSON
  --demo   explain sample tokens of a pool in this process
";

const ACCEPTED: u8 = 0;
const REJECTED: u8 = 1;
const NOT_CHECKED: u8 = 2;

/// The maximum number of bytes that are read from standard input.
const INPUT_MAX: u64 = 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let stdout = io::stdout();
    let color = stdout.is_terminal() && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let status = run(arguments, io::stdin(), UserPool::from_env, color, &mut stdout.lock()).await;
    ExitCode::from(status.unwrap_or_else(|error| {
        // If standard error is closed, the error cannot be reported anywhere.
        let _ = writeln!(io::stderr(), "explain: {error}");
        NOT_CHECKED
    }))
}

/// The command-line arguments.
struct Request {
    token: Option<String>,
    json: bool,
    demo: bool,
}

impl Request {
    /// Reads the arguments. Returns [`None`] for help and for unknown arguments.
    fn read(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut request = Self { token: None, json: false, demo: false };
        for argument in arguments {
            match argument.as_str() {
                "--json" => request.json = true,
                "--demo" => request.demo = true,
                option if option.len() > 1 && option.starts_with('-') => return None,
                _ if request.token.is_none() => request.token = Some(argument),
                _ => return None,
            }
        }
        let either = !(request.demo && request.token.is_some());
        either.then_some(request)
    }
}

/// Runs the program.
async fn run(
    arguments: impl Iterator<Item = String>,
    input: impl Read,
    pool: impl FnOnce() -> Result<UserPool, ConfigError>,
    color: bool,
    out: &mut impl Write,
) -> Result<u8, Box<dyn Error>> {
    let Some(request) = Request::read(arguments) else { return Err(USAGE.into()) };
    if request.demo {
        demo(request.json, color, out).await?;
        return Ok(ACCEPTED);
    }
    // The pool is built before the token is read, so that a missing pool configuration is reported first.
    let verifier = Verifier::new(pool()?);
    let token = match request.token.as_deref() {
        None | Some("-") => read_line(input)?,
        Some(token) => token.to_owned(),
    };
    let explanation = verifier.explain(&token).await;
    show(&explanation, request.json, color, out)?;
    Ok(if explanation.is_accepted() { ACCEPTED } else { REJECTED })
}

/// Reads the input without the line break at its end.
fn read_line(input: impl Read) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    input.take(INPUT_MAX).read_to_string(&mut text)?;
    if text.trim().is_empty() {
        return Err("standard input contains no token".into());
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Explains sample tokens of a pool in this process.
async fn demo(json: bool, color: bool, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (pool, other) = (FakeUserPool::new(), FakeUserPool::with_ids("eu-west-1_Staging7", "2fakeclient23456789"));
    let verifier = Verifier::new(pool.user_pool());
    let valid = pool.access_token("andrew").group("admins");
    let tokens = [
        ("a valid access token", valid.clone().sign()),
        ("the same token an hour after it expired", valid.clone().expired().sign()),
        ("an ID token", pool.id_token("andrew").sign()),
        ("a token of another pool", other.access_token("andrew").sign()),
        ("a token of another app client", valid.clone().client_id("3mobile3456789").sign()),
        ("a token with a changed claim", valid.expires_in(Duration::from_secs(86_400)).signed_with_wrong_key().sign()),
        ("a token with `Bearer` in front", format!("Bearer {}", pool.access_token("andrew").sign())),
    ];
    for (what, token) in tokens {
        if !json {
            writeln!(out, "{}", painted(color, "1", &format!("# {what}")))?;
        }
        show(&verifier.explain(&token).await, json, color, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn show(explanation: &Explanation, json: bool, color: bool, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    if json {
        serde_json::to_writer_pretty(&mut *out, explanation)?;
        writeln!(out)?;
        return Ok(());
    }
    let text = explanation.to_string();
    // The text before the first colon is the decision.
    let (decision, rest) = text.split_once(':').unwrap_or((&text, ""));
    let code = if explanation.is_accepted() { "32;1" } else { "31;1" };
    write!(out, "{}:", painted(color, code, decision))?;
    for line in rest.lines() {
        writeln!(out, "{}", step_in_color(color, line))?;
    }
    Ok(())
}

/// Colors the first word of a line if it is the outcome of a step.
fn step_in_color(color: bool, line: &str) -> String {
    let outcomes = [
        (StepOutcome::Passed.as_str(), "32"),
        (StepOutcome::Failed.as_str(), "31;1"),
        (StepOutcome::NotReached.as_str(), "2"),
        ("accepted", "32;1"),
        ("rejected", "31;1"),
    ];
    let word = line.trim_start();
    let indent = &line[..line.len() - word.len()];
    // Lines with another indent are free text, which may begin with the same words.
    match outcomes.into_iter().find(|(outcome, _)| indent.len() == 2 && word.starts_with(outcome)) {
        Some((outcome, code)) => format!("{indent}{}{}", painted(color, code, outcome), &word[outcome.len()..]),
        None => line.to_owned(),
    }
}

fn painted(color: bool, code: &str, text: &str) -> String {
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program for a pool. Returns its status and output, or its error message.
    async fn program(
        pool: &FakeUserPool,
        arguments: &[&str],
        input: &str,
        color: bool,
    ) -> Result<(u8, String), String> {
        let mut out = Vec::new();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let status = run(arguments, input.as_bytes(), || Ok(pool.user_pool()), color, &mut out).await;
        status.map(|status| (status, String::from_utf8(out).unwrap())).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn exit_status_is_the_decision() {
        let pool = FakeUserPool::new();
        let (good, id) = (pool.access_token("a").sign(), pool.id_token("a").sign());
        for (arguments, input, status) in [
            (&[good.as_str()][..], "", ACCEPTED),
            (&[id.as_str()], "", REJECTED),
            (&[], good.as_str(), ACCEPTED),
            (&[], &format!("{good}\r\n"), ACCEPTED),
            (&["-"], &format!("{id}\n"), REJECTED),
            (&["--json", "-"], &good, ACCEPTED),
            (&["--json", &id], "", REJECTED),
            (&["garbage"], &good, REJECTED),
            (&[""], &good, REJECTED),
            (&[], &format!(" {good}"), REJECTED),
        ] {
            let (actual, shown) = program(&pool, arguments, input, false).await.unwrap();
            assert_eq!(actual, status, "{arguments:?}: {shown}");
            assert!(!shown.contains('\u{1b}'));
        }
        for (arguments, input) in [
            (&["--help"][..], ""),
            (&["-h"], good.as_str()),
            (&["--jason"], ""),
            (&["a", "b"], ""),
            (&["--demo", "a"], ""),
            (&[], " \n"),
        ] {
            assert!(program(&pool, arguments, input, false).await.is_err(), "{arguments:?}");
        }
        let unset = || Err(ConfigError::NoPool);
        assert!(run([good].into_iter(), io::empty(), unset, false, &mut io::sink()).await.is_err());
    }

    #[tokio::test]
    async fn output_is_colored_or_json() {
        let pool = FakeUserPool::new();
        let id = pool.id_token("a").sign();
        let (_, plain) = program(&pool, &[&id], "", false).await.unwrap();
        let (_, colored) = program(&pool, &[&id], "", true).await.unwrap();
        assert!(colored.contains("\u{1b}[31;1mfailed\u{1b}[0m") && colored.contains("\u{1b}[32mpassed\u{1b}[0m"));
        let stripped = ["32", "31;1", "2", "32;1", "0"]
            .iter()
            .fold(colored, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        assert_eq!(stripped, plain);

        let (_, json) = program(&pool, &["--json", &id], "", true).await.unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["kind"], "wrong_token_use");
    }

    #[tokio::test]
    async fn demo_explains_one_valid_token_and_six_invalid_ones() {
        let mut out = Vec::new();
        let nothing = || -> Result<UserPool, ConfigError> { Err(ConfigError::NoPool) };
        let status = run(["--demo".to_owned()].into_iter(), io::empty(), nothing, false, &mut out).await.unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(status, ACCEPTED);
        assert_eq!((shown.matches("\naccepted: ").count(), shown.matches("\nrejected: ").count()), (1, 6), "{shown}");
    }
}
