//! [`Callback`]: the authorization server's response, which arrives at the callback URL.

use std::collections::BTreeMap;

use oauth2::url::form_urlencoded;

/// The maximum length of the query, in bytes. Cognito's codes and this crate's states are far shorter.
const MAX_QUERY: usize = 8_192;

/// The error codes of an authorization response (RFC 6749 §4.1.2.1, OpenID Connect Core 1.0 §3.1.2.6).
const ERROR_CODES: [&str; 16] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "login_required",
    "registration_not_supported",
    "request_not_supported",
    "request_uri_not_supported",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
];

/// The query of a callback request.
// The type implements `Debug` only in tests, because the state and the code must not be logged.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Callback {
    /// The `state`, unless it is missing, empty or repeated. The callback uses up the attempt with this state, even if
    /// the sign-in fails.
    pub(super) state: Option<String>,
    /// The authorization code.
    pub(super) code: Result<String, CallbackError>,
}

/// The reason why a callback contains no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallbackError {
    /// The query is neither a success nor an error response.
    Malformed,
    /// An error response, with its code if the code is known. Unknown codes are dropped, because they could come from
    /// an attacker, as in CVE-2021-32702. `error_description` is free text from identity providers and triggers, so it
    /// is not read.
    Denied(Option<&'static str>),
}

impl Callback {
    /// Reads the query of a callback request.
    ///
    /// A query that repeats a parameter is malformed (RFC 6749 §3.1), because two programs could read different values
    /// from it. A query with both `code` and `error` is malformed, too.
    pub(super) fn parse(query: &str) -> Self {
        if query.len() > MAX_QUERY {
            return Self { state: None, code: Err(CallbackError::Malformed) };
        }
        // Counts each parameter, and keeps its first value.
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.entry(name).or_insert((0_u32, value)).0 += 1;
        }
        let is_repeated = parameters.values().any(|(count, _)| *count > 1);
        let single = |name: &str| match parameters.get(name) {
            Some((1, value)) if !value.is_empty() => Some(value.clone().into_owned()),
            _ => None,
        };
        let code = match (single("code"), single("error")) {
            _ if is_repeated => Err(CallbackError::Malformed),
            (Some(code), None) if !parameters.contains_key("error") => Ok(code),
            (None, Some(error)) if !parameters.contains_key("code") => Err(CallbackError::Denied(known(&error))),
            _ => Err(CallbackError::Malformed),
        };
        Self { state: single("state"), code }
    }
}

fn known(error: &str) -> Option<&'static str> {
    ERROR_CODES.into_iter().find(|code| *code == error)
}

/// Returns the value of a parameter, or [`None`] if the parameter is missing or repeated.
pub(super) fn only_value(query: &str, name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(found, _)| found == name);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_query_is_a_code_an_error_or_malformed() {
        use CallbackError::{Denied, Malformed};

        for (query, state, code) in [
            ("code=c&state=s", Some("s"), Ok("c")),
            ("state=s&code=c&session_state=x", Some("s"), Ok("c")),
            ("code=a%2Bb%20c+d&state=%73", Some("s"), Ok("a+b c d")),
            ("code=c", None, Ok("c")),
            ("code=c&state=", None, Ok("c")),
            ("error=access_denied&state=s", Some("s"), Err(Denied(Some("access_denied")))),
            ("error=login_required&state=s&error_description=text", Some("s"), Err(Denied(Some("login_required")))),
            // Cognito's documentation shows error responses without `state`.
            ("error=invalid_scope", None, Err(Denied(Some("invalid_scope")))),
            ("error=Access_Denied&state=s", Some("s"), Err(Denied(None))),
            ("error=other&state=s", Some("s"), Err(Denied(None))),
            // In CVE-2021-32702, an error parameter contained a script.
            ("error=%3Cscript%3Ealert(1)%3C/script%3E&state=s", Some("s"), Err(Denied(None))),
            ("", None, Err(Malformed)),
            ("state=s", Some("s"), Err(Malformed)),
            ("code=&state=s", Some("s"), Err(Malformed)),
            ("error=&state=s", Some("s"), Err(Malformed)),
            ("code&state=s", Some("s"), Err(Malformed)),
            ("Code=c&state=s", Some("s"), Err(Malformed)),
            ("code=c&error=access_denied&state=s", Some("s"), Err(Malformed)),
            ("code=c&error=&state=s", Some("s"), Err(Malformed)),
            ("code=&error=access_denied&state=s", Some("s"), Err(Malformed)),
            ("code=c&code=c&state=s", Some("s"), Err(Malformed)),
            ("code=c&%63ode=d&state=s", Some("s"), Err(Malformed)),
            ("code=c&state=s&state=s", None, Err(Malformed)),
            ("code=c&state=s&state=t", None, Err(Malformed)),
            ("code=c&state=s&state=", None, Err(Malformed)),
            ("error=access_denied&error=access_denied&state=s", Some("s"), Err(Malformed)),
            ("code=c&state=s&other=1&other=2", Some("s"), Err(Malformed)),
        ] {
            let expected = Callback { state: state.map(str::to_owned), code: code.map(str::to_owned) };
            assert_eq!(Callback::parse(query), expected, "{query}");
        }
    }

    #[test]
    fn every_known_error_code_is_shown_and_no_other() {
        for code in ERROR_CODES {
            assert_eq!(known(code), Some(code));
            assert_eq!(known(&format!("{code} ")), None);
        }
    }

    #[test]
    fn oversized_query_is_malformed() {
        let query = format!("state=s&code={}", "c".repeat(MAX_QUERY - 13));
        assert!(Callback::parse(&query).code.is_ok());
        let expected = Callback { state: None, code: Err(CallbackError::Malformed) };
        assert_eq!(Callback::parse(&format!("{query}c")), expected);
    }

    #[test]
    fn repeated_parameter_has_no_value() {
        for (query, value) in [
            ("return_to=%2Fa%3Fb%3D1", Some("/a?b=1")),
            ("x=1&return_to=/a", Some("/a")),
            ("return_to=", Some("")),
            ("return_to=/a&return_to=/a", None),
            ("x=1", None),
            ("", None),
        ] {
            assert_eq!(only_value(query, "return_to").as_deref(), value, "{query}");
        }
    }
}
