//! Attacks on browser sign-in: a real application with `SignIn`, and a fake of Cognito's managed login.
//!
//! The tests see what an attacker sees: URLs, cookies, pages and logs. The unit tests in `src/sign_in` prove the single
//! rules. Each test names the standard or the CVE that describes its attack.
//!
//! Two rules hold in every test, so no test repeats them:
//!
//! - `Browser` checks the attributes of each cookie, and that no cache may store a response with a cookie
//!   (CVE-2025-48947).
//! - `Scene` checks at its end that no code, token, verifier, secret or cookie value is in the log, and that no page and
//!   no redirect contains a token or a secret. The log has the level `TRACE`.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic)]
// A panic in a test helper fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod kit;
mod log;
mod proxy;
mod store;

mod attempts;
mod cookies;
mod errors;
mod flow;
mod pools;
mod redirects;
mod refreshes;
mod requests;
mod secrets;
mod tokens;
