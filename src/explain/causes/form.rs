//! Finds the cause of a rejection in the token's format, before any claim is read.

use crate::{
    error::VerifyError,
    explain::{advice::Advice, reading::Reading, rules::Rules},
    step::VerificationStep,
};

pub(super) fn on_length(rules: &Rules<'_>) -> Advice {
    let fix = format!(
        "Keep claims small: store lists in a database and read them by `sub`. Or raise the limit of {} bytes with \
         `Verifier::builder().max_token_bytes(..)`, and the header limit of proxies in front of this host.",
        rules.inner.max_token_bytes
    );
    Advice::new(
        "The token is longer than usual. Usually it contains many groups, or large claims from a pre token generation \
         trigger. The text may also be something other than a token.",
        fix,
    )
}

/// Recognizes text that surrounds a token but is not part of it.
pub(super) fn on_wrapping(token: &str) -> Option<Advice> {
    let starts_with_scheme = token.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer"));
    if starts_with_scheme {
        return Some(Advice::new(
            "The text starts with `Bearer`, the name of the authentication scheme, which is not part of the token.",
            "Pass only the text after `Bearer `. In a request, write `Authorization: Bearer <token>`, with `Bearer` \
             once.",
        ));
    }
    if token.trim_start().starts_with(['{', '[']) {
        return Some(Advice::new(
            "This is JSON, usually the whole response of the token endpoint or of `InitiateAuth`.",
            "Send the value of `access_token` or `AccessToken`, without the quotes.",
        ));
    }
    let wraps = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '`' | ',' | ';' | '<' | '>');
    let (first, last) = (token.chars().next(), token.chars().next_back());
    if token.contains(char::is_whitespace) || first.is_some_and(wraps) || last.is_some_and(wraps) {
        return Some(Advice::new(
            "There are quotes, brackets or white space in or around the token. A line break counts too.",
            "Send the token alone, in one line. In a shell, use `curl -H \"Authorization: Bearer $TOKEN\"`, and `tr -d \
             '\\n'` to join wrapped lines.",
        ));
    }
    None
}

/// Recognizes text that is not an access or ID token.
pub(super) fn on_other_text(Reading { token, parts, header, .. }: &Reading<'_>) -> Option<Advice> {
    let is_uuid = token.len() == 36
        && token.char_indices().all(|(at, char)| match at {
            8 | 13 | 18 | 23 => char == '-',
            _ => char.is_ascii_hexdigit(),
        });
    Some(match (*token, *parts) {
        ("" | "null" | "undefined" | "None" | "nil" | "[object Object]", _) => Advice::new(
            "There is no token here. The client sends a variable that is empty or not set.",
            "Check that the client is signed in, and that it reads the stored token before it sends the request.",
        ),
        (_, 5) => Advice::new(
            if header.as_ref().is_some_and(|header| header.contains_key("enc")) {
                "This is an encrypted token with five parts, usually a refresh token. Only Cognito can read a refresh \
                 token, and it must not be sent to an API."
            } else {
                "It has five parts, like an encrypted token. Usually it is a refresh token, which is encrypted. \
                 Access and ID tokens have three parts."
            },
            "Send the access token from the same response. Send the refresh token only to Cognito, to get new tokens.",
        ),
        (_, 1) if is_uuid => Advice::new(
            "This looks like the authorization code of a sign-in or another ID, not like a token.",
            "Exchange the code at the pool's token endpoint, and send the access token from the response.",
        ),
        (_, 1) => Advice::new(
            "It has no dots, so it is not a JWT. Usually it is a session ID, an API key, or a token from another \
             service.",
            "Send the access token of the user pool. It has three parts separated by dots, and starts with `eyJ`.",
        ),
        (_, 2) => Advice::new(
            "The last part is missing. The token was cut off, or it is not signed.",
            "Get the token again and copy it completely, including the part after the second dot.",
        ),
        _ => return None,
    })
}

pub(super) fn on_form(error: &VerifyError) -> Advice {
    let cause = if error.step() == VerificationStep::Parts {
        "It does not have the three parts of a signed token."
    } else {
        "The part before the first dot is not the header of a signed token. It was cut off or edited, or the text is \
         not a token."
    };
    Advice::new(
        cause,
        "Send the access token of the user pool. It has three parts separated by dots, and starts with `eyJ`.",
    )
}

pub(super) fn on_algorithm(reading: &Reading<'_>) -> Advice {
    let alg = reading.header_string("alg").unwrap_or_default();
    if alg == "ES256" && reading.header.as_ref().is_some_and(|header| header.contains_key("signer")) {
        return Advice::new(
            "This is the value of `x-amzn-oidc-data`, which an Application Load Balancer signs.",
            "Use the header `x-amzn-oidc-accesstoken`, which contains the access token of the user pool.",
        );
    }
    let cause = match &*alg {
        alg if alg.eq_ignore_ascii_case("none") => {
            "The token says that it is not signed. User pools never issue such a token, so it is a test or an attack."
        }
        "HS256" | "HS384" | "HS512" => {
            "The token is signed with a shared secret. It comes from another service or a test, or it is a known \
             attack. User pools sign with RS256."
        }
        _ => "User pools sign with RS256, so the token comes from another identity provider or an emulator.",
    };
    Advice::new(cause, "Send a token that the user pool issued.")
}
