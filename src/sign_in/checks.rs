//! Checks the values of the settings. Each error says how to fix the value. Secret values do not appear in errors.

use std::time::Duration;

use reqwest::Url;

use crate::{error::ConfigError, http_client::is_loopback, pool::UserPool, redact::redact, token_use::TokenUse};

/// The maximum length of a registered URL (`RedirectUrlType` in Cognito's API).
const URL_MAX: usize = 1024;

pub(super) fn invalid(setting: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::InvalidSignIn { setting, reason: reason.into() }
}

/// Checks the origin of the managed-login endpoints.
pub(super) fn domain(text: &str) -> Result<Url, ConfigError> {
    let url = absolute("domain", text, "https://app.auth.eu-west-1.amazoncognito.com")?;
    if url.path() != "/" || url.query().is_some() {
        let reason = format!("`{}` has a path or query: expected only the scheme and the host", redact(text));
        return Err(invalid("domain", reason));
    }
    Ok(url)
}

/// Checks the callback URL. The path of the URL becomes a route.
pub(super) fn redirect_url(text: &str) -> Result<Url, ConfigError> {
    let url = absolute("redirect_url", text, "https://app.example.com/auth/callback")?;
    if url.query().is_some() {
        let reason = format!("`{}` has a query: expected a URL without one", redact(text));
        return Err(invalid("redirect_url", reason));
    }
    path("redirect_url", url.path())?;
    Ok(url)
}

/// Checks the sign-out URL.
pub(super) fn logout_url(text: &str) -> Result<(), ConfigError> {
    absolute("logout_url", text, "https://app.example.com/").map(drop)
}

/// Parses an `https` URL, or an `http` URL with a loopback host.
fn absolute(setting: &'static str, text: &str, example: &str) -> Result<Url, ConfigError> {
    let error = |reason: &str| invalid(setting, format!("`{}` {reason}", redact(text)));
    if text.len() > URL_MAX {
        return Err(invalid(setting, format!("the URL has {} bytes: expected at most {URL_MAX}", text.len())));
    }
    let url =
        Url::parse(text).map_err(|_| error(&format!("is not an absolute URL: expected a URL such as `{example}`")))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(error("sends codes and tokens over plain HTTP: use `https`")),
        _ => return Err(error("has an unsupported scheme: expected `https`")),
    }
    // The URL parser removes spaces and line breaks, but Cognito compares the registered URL exactly.
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(error("contains a space or a character that is not ASCII: encode it"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(error("has a user name, a password or a fragment: remove it"));
    }
    Ok(url)
}

/// Checks the path of a route. The router must match the path literally, so special characters are rejected.
pub(super) fn path(setting: &'static str, path: &str) -> Result<(), ConfigError> {
    let is_segment = |segment: &str| {
        let is_dots = matches!(segment, "." | "..");
        !is_dots && !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(is_segment) => Ok(()),
        _ => {
            let reason = format!(
                "`{}` is not the path of a route: expected a path such as `/auth/sign-in`, with letters, digits and \
                 `-._~`",
                redact(path)
            );
            Err(invalid(setting, reason))
        }
    }
}

/// Checks that no two routes have the same path.
pub(super) fn distinct_paths(callback: &str, sign_in: &str, sign_out: &str) -> Result<(), ConfigError> {
    let taken = |by: &str, path: &str| format!("`{path}` is also the path of the {by}: choose another path");
    match () {
        () if callback == sign_in => Err(invalid("redirect_url", taken("sign-in route", callback))),
        () if callback == sign_out => Err(invalid("redirect_url", taken("sign-out route", callback))),
        () if sign_in == sign_out => Err(invalid("sign_out_path", taken("sign-in route", sign_in))),
        () => Ok(()),
    }
}

/// Returns a path prefix without its trailing slash.
pub(super) fn subtree(text: &str) -> Result<String, ConfigError> {
    let prefix = text.strip_suffix('/').unwrap_or(text);
    if text != "/" {
        path("api_subtree", prefix)?;
    }
    Ok(prefix.to_owned())
}

/// Returns the chosen app client, or the pool's only app client if none was chosen.
pub(super) fn client_id(pool: &UserPool, chosen: Option<&str>) -> Result<String, ConfigError> {
    let Some(ids) = pool.client_ids() else {
        return Err(invalid("client_id", "the pool accepts any app client: use a pool that lists its clients"));
    };
    let ids: Vec<_> = ids.collect();
    let listed = ids.join("`, `");
    match (chosen, &*ids) {
        (Some(id), ids) if ids.contains(&id) => Ok(id.to_owned()),
        (Some(id), _) => {
            Err(invalid("client_id", format!("`{id}` is not an app client of the pool: expected one of `{listed}`")))
        }
        (None, [id]) => Ok((*id).to_owned()),
        (None, _) => {
            let reason =
                format!("the pool has several app clients: select the one that signs users in, out of `{listed}`");
            Err(invalid("client_id", reason))
        }
    }
}

/// Checks that the pool accepts the access tokens that sessions contain.
pub(super) fn access_tokens(pool: &UserPool, client_id: &str, resource: Option<&str>) -> Result<(), ConfigError> {
    if !pool.token_uses().any(|token_use| token_use == TokenUse::Access) {
        return Err(invalid(
            "pool",
            "it accepts only ID tokens: let it accept access tokens, because every session contains one",
        ));
    }
    let accepts = |aud: Option<&str>| pool.policy.audience.check(aud, Some(client_id)).is_ok();
    match resource {
        Some(resource) if Url::parse(resource).is_err() || resource.contains('#') => {
            let reason = format!("`{}` is not an absolute URL without a fragment (RFC 8707 §2)", redact(resource));
            Err(invalid("resource", reason))
        }
        Some(resource) if !accepts(Some(resource)) => {
            let reason = format!(
                "the pool rejects tokens for the audience `{}`: accept it with `UserPool::audience`",
                redact(resource)
            );
            Err(invalid("resource", reason))
        }
        None if !accepts(None) && !accepts(Some(client_id)) => Err(invalid(
            "resource",
            "the pool requires an audience, which only tokens that are bound to a resource have: set `resource`",
        )),
        _ => Ok(()),
    }
}

/// Checks a client secret, which is visible ASCII (RFC 6749 appendix A.2). Spaces are rejected, because they usually
/// result from copying and pasting. Cognito's secrets consist of 24 to 64 letters, digits, `_` and `+`, but emulators
/// use other formats. The error does not contain the secret.
pub(super) fn client_secret(secret: &str) -> Result<(), ConfigError> {
    const LENGTH_MAX: usize = 256;
    if (1..=LENGTH_MAX).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason = format!(
        "the secret (not shown) has {} bytes: expected the app client's secret, 1 to {LENGTH_MAX} letters, digits and \
         signs without spaces",
        secret.len()
    );
    Err(invalid("client_secret", reason))
}

/// Checks the scopes. A scope consists of the characters that RFC 6749 §3.3 allows.
pub(super) fn scopes(scopes: &[String]) -> Result<(), ConfigError> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if let Some(scope) = scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(is_allowed)) {
        let reason = format!("`{scope}` is not a scope: expected names without spaces, such as `openid` or `email`");
        return Err(invalid("scopes", reason));
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(invalid("scopes", "`openid` is missing: add it, because sign-in needs the ID token"));
    }
    Ok(())
}

/// Checks the optional parameters of the authorization request.
pub(super) fn parameters(parameters: &[(&'static str, String)]) -> Result<(), ConfigError> {
    let is_unusable = |value: &str| value.trim().is_empty() || value.chars().any(char::is_control);
    if let Some((name, _)) = parameters.iter().find(|(_, value)| is_unusable(value)) {
        return Err(invalid(name, "it is empty or contains a control character: omit it or give it a value"));
    }
    let has = |name| parameters.iter().any(|(other, _)| *other == name);
    if has("identity_provider") && has("idp_identifier") {
        return Err(invalid("idp_identifier", "`identity_provider` selects a provider too: set only one of them"));
    }
    Ok(())
}

/// Checks a duration.
pub(super) fn duration(
    setting: &'static str,
    value: Duration,
    (least, most): (Duration, Duration),
) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let [value, least, most] = [value, least, most].map(|duration| duration.as_secs());
    Err(invalid(setting, format!("{value} seconds is out of range: expected {least} to {most}")))
}
