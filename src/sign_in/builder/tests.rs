//! Tests accepted and rejected values of every setting.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::sync::LazyLock;

use super::*;
use crate::{
    pool::TokenUse,
    sign_in::{attempt::Attempt, authorize, log::Log, return_to::ReturnTo},
    testing::FakeUserPool,
    token_source::TokenSource,
};

const DOMAIN: &str = "https://app.auth.eu-west-1.amazoncognito.com";
const CALLBACK: &str = "https://app.example.com/auth/callback";
const SECRET: &str = "1secret+3456789abcdefghijkl";

static POOL: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);

fn builder() -> SignInBuilder {
    with_urls(DOMAIN, CALLBACK)
}

fn with_urls(domain: &str, redirect_url: &str) -> SignInBuilder {
    SignIn::builder(POOL.user_pool(), domain, redirect_url)
}

fn with_pool(pool: UserPool) -> SignInBuilder {
    SignIn::builder(pool, DOMAIN, CALLBACK)
}

#[test]
fn usual_values_are_accepted() {
    for (domain, callback) in [
        (DOMAIN, CALLBACK),
        ("https://login.example.com/", "https://app.example.com/callback"),
        ("http://127.0.0.1:3002", "http://127.0.0.1:3001/auth/callback"),
        ("http://localhost:3002", "http://[::1]:3001/auth/callback"),
    ] {
        let sign_in = with_urls(domain, callback).build().unwrap();
        assert_eq!(sign_in.settings.domain, domain.trim_end_matches('/'));
        assert_eq!(sign_in.settings.redirect_url, callback);
        let (origin, path) = (&sign_in.settings.origin, &sign_in.settings.callback_path);
        assert_eq!(format!("{origin}{path}"), callback);
        assert_eq!(sign_in.settings.logout_url, format!("{origin}/"));
    }
    let pool = POOL.user_pool().audience("https://api.example.com").unwrap();
    let bound = with_pool(pool).resource("https://api.example.com").build().unwrap();
    assert_eq!(bound.settings.parameters, [("resource", "https://api.example.com".to_owned())]);
    for secret in [&"x".repeat(24), &"x".repeat(64), SECRET] {
        assert!(builder().client_secret(secret).build().is_ok());
    }
    for (path, prefix) in [("/api", "/api"), ("/api/", "/api"), ("/", "")] {
        assert_eq!(builder().api_subtree(path).build().unwrap().settings.api_subtrees, [prefix]);
    }
    let chosen = with_pool(POOL.user_pool_for(["1client", "2client"])).client_id("2client").build().unwrap();
    assert_eq!(chosen.settings.client_id, "2client");
}

/// Checks that each builder fails with an error for the setting. The error must contain the fragment and no secret.
#[track_caller]
fn check_rejected<const N: usize>(cases: [(&str, SignInBuilder, &str); N]) {
    for (number, (setting, builder, fragment)) in cases.into_iter().enumerate() {
        let error = builder.build().expect_err(setting);
        let ConfigError::InvalidSignIn { setting: named, reason } = &error else { panic!("{setting}: {error}") };
        assert_eq!(*named, setting, "{number}: {reason}");
        assert!(reason.contains(fragment), "{number}: {setting}: {reason}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn domain_that_is_not_an_origin_is_rejected() {
    check_rejected([
        ("domain", with_urls("app.auth.eu-west-1.amazoncognito.com", CALLBACK), "absolute URL"),
        ("domain", with_urls("", CALLBACK), "absolute URL"),
        ("domain", with_urls("//login.example.com", CALLBACK), "absolute URL"),
        ("domain", with_urls("http://login.example.com", CALLBACK), "use `https`"),
        ("domain", with_urls("http://127.0.0.1.example.com", CALLBACK), "use `https`"),
        ("domain", with_urls("ftp://login.example.com", CALLBACK), "`https`"),
        ("domain", with_urls("https://login.example.com/oauth2", CALLBACK), "path"),
        ("domain", with_urls("https://login.example.com?a", CALLBACK), "query"),
        ("domain", with_urls("https://login.example.com#a", CALLBACK), "fragment"),
        ("domain", with_urls("https://user:hidden@login.example.com", CALLBACK), "user name"),
        ("domain", with_urls(" https://login.example.com", CALLBACK), "space"),
        ("domain", with_urls("https://login.exam\nple.com", CALLBACK), "space"),
    ]);
}

#[test]
fn unusable_redirect_url_is_rejected() {
    let long = format!("https://app.example.com/{}", "x".repeat(1001));
    check_rejected([
        ("redirect_url", with_urls(DOMAIN, "/auth/callback"), "absolute URL"),
        ("redirect_url", with_urls(DOMAIN, "http://app.example.com/auth/callback"), "use `https`"),
        ("redirect_url", with_urls(DOMAIN, "myapp://callback/a"), "`https`"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/auth/callback?a=hidden"), "query"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/auth/callback#a"), "fragment"),
        ("redirect_url", with_urls(DOMAIN, "https://u@app.example.com/auth/callback"), "user name"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com"), "path"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/{a}"), "path"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com//a"), "path"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/a%2fb"), "path"),
        ("redirect_url", with_urls(DOMAIN, &long), "at most 1024"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/auth/sign-in"), "sign-in route"),
        ("redirect_url", with_urls(DOMAIN, "https://app.example.com/auth/sign-out"), "sign-out route"),
    ]);
}

#[test]
fn unusable_logout_url_is_rejected() {
    let long = format!("https://app.example.com/{}", "x".repeat(1001));
    check_rejected([
        ("logout_url", builder().logout_url("/"), "absolute URL"),
        ("logout_url", builder().logout_url("http://app.example.com/"), "use `https`"),
        ("logout_url", builder().logout_url("https://app.example.com/#a"), "fragment"),
        ("logout_url", builder().logout_url(&*long), "at most 1024"),
    ]);
}

#[test]
fn unusable_path_is_rejected() {
    check_rejected([
        ("sign_in_path", builder().sign_in_path("auth/sign-in"), "route"),
        ("sign_in_path", builder().sign_in_path(""), "route"),
        ("sign_in_path", builder().sign_in_path("/"), "route"),
        ("sign_in_path", builder().sign_in_path("/a/../b"), "route"),
        ("sign_in_path", builder().sign_in_path("/a?b=hidden"), "route"),
        ("sign_out_path", builder().sign_out_path("/{*path}"), "route"),
        ("sign_out_path", builder().sign_out_path("/auth/sign-in"), "sign-in route"),
        ("api_subtree", builder().api_subtree("api"), "route"),
        ("api_subtree", builder().api_subtree(""), "route"),
        ("api_subtree", builder().api_subtree("/api//"), "route"),
    ]);
}

#[test]
fn unusable_client_is_rejected() {
    let any = UserPool::dangerous_any_client("us-east-1_AbC123xyz").unwrap();
    let several = || POOL.user_pool_for(["1client", "2client"]);
    check_rejected([
        ("client_id", with_pool(several()), "`1client`, `2client`"),
        ("client_id", with_pool(several()).client_id("3client"), "`3client`"),
        ("client_id", builder().client_id(""), "not an app client"),
        ("client_id", with_pool(any.clone()), "any app client"),
        ("client_id", with_pool(any).client_id("1client"), "any app client"),
        ("client_secret", builder().client_secret(""), "has 0 bytes"),
        ("client_secret", builder().client_secret("hidden".repeat(43)), "has 258 bytes"),
        ("client_secret", builder().client_secret("hidden hidden"), "without spaces"),
        ("client_secret", builder().client_secret("hidden-é"), "letters, digits and signs"),
        ("client_secret", builder().client_secret(format!("{SECRET}\n")), "without spaces"),
        ("pool", with_pool(POOL.user_pool().only_token_use(TokenUse::Id)), "access tokens"),
    ]);
}

#[test]
fn unusable_authorization_parameter_is_rejected() {
    let no_scopes: [&str; 0] = [];
    let bound = || POOL.user_pool().audience("https://api.example.com").unwrap();
    check_rejected([
        ("scopes", builder().scopes(no_scopes), "`openid`"),
        ("scopes", builder().scopes(["email"]), "`openid`"),
        ("scopes", builder().scopes(["openid email"]), "spaces"),
        ("scopes", builder().scopes(["openid", ""]), "not a scope"),
        ("scopes", builder().scopes(["openid", "\"a"]), "not a scope"),
        ("lang", builder().lang(""), "empty"),
        ("prompt", builder().prompt(" "), "empty"),
        ("login_hint", builder().login_hint("a\nb"), "control"),
        ("identity_provider", builder().identity_provider(""), "empty"),
        ("idp_identifier", builder().identity_provider("Google").idp_identifier("example.com"), "only one"),
        ("resource", builder().resource("api"), "absolute URL"),
        ("resource", with_pool(bound()).resource("https://api.example.com#a"), "fragment"),
        ("resource", builder().resource("https://api.example.com"), "UserPool::audience"),
        ("resource", with_pool(bound()), "requires an audience"),
    ]);
}

#[test]
fn duration_out_of_range_and_replaced_verifier_are_rejected() {
    let other_verifier = || Verifier::new(POOL.user_pool());
    let other_pool = || UserPool::new("us-east-1_AnotherPool", "1client").unwrap();
    check_rejected([
        ("session_lifetime", builder().session_lifetime(Duration::ZERO), "60"),
        ("session_lifetime", builder().session_lifetime(Duration::MAX), "315360000"),
        ("refresh_before", builder().refresh_before(Duration::from_secs(241)), "0 to 240"),
        ("verifier", builder().verifier(|_| Verifier::builder().pool(other_pool())), "given builder"),
        ("auth", builder().auth(move |_| Ok(CognitoAuth::from(other_verifier()))), "given layer"),
        (
            "auth",
            builder().auth(|auth| Ok(auth.token_sources([TokenSource::cookie("__Host-session")]))),
            "a token source reads the cookie `__Host-session`: use another name",
        ),
    ]);
}

#[test]
fn unusable_proxy_and_certificates_are_rejected() {
    let proxy = builder().proxy("socks5://u:hidden@proxy.example.com").build().unwrap_err();
    assert!(matches!(&proxy, ConfigError::InvalidProxyUrl { .. }) && !proxy.to_string().contains("hidden"), "{proxy}");
    let roots = builder().root_certificates("text").build().unwrap_err();
    assert!(matches!(roots, ConfigError::InvalidRootCertificates { .. }), "{roots}");
    assert!(builder().proxy("http://proxy.example.com:3128").build().is_ok());
}

#[test]
fn errors_of_the_verifier_and_of_the_layer_are_passed_on() {
    let leeway = builder().verifier(|verifier| verifier.leeway(Duration::from_secs(301))).build().unwrap_err();
    assert!(matches!(leeway, ConfigError::LeewayTooLong { .. }), "{leeway}");
    let timeout = builder().auth(|auth| auth.custom_check_timeout(Duration::ZERO)).build().unwrap_err();
    assert!(matches!(timeout, ConfigError::OutOfRange { .. }), "{timeout}");
}

#[test]
fn debug_output_contains_no_secret() {
    let builder = with_urls("https://u:hidden@login.example.com", CALLBACK).client_secret(SECRET);
    let text = format!("{builder:?}");
    assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
    let sign_in = self::builder().client_secret(SECRET).build().unwrap();
    let text = format!("{sign_in:?} {:?}", sign_in.settings.endpoint);
    assert!(text.contains(DOMAIN) && !text.contains(SECRET), "{text}");
}

#[test]
fn missing_session_key_is_logged_once_as_a_warning() {
    let log = Log::of(|| drop(builder().build().unwrap()));
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("`session_keys`") && log.contains("`COGNITO_SESSION_KEY`"), "{log}");
    let keys = SessionKeys::from_base64("Sbq0mJlM6yt2kBBbSOEs3FTd2yLXqNmIZBaVHmjUJEY=").unwrap();
    let log = Log::of(|| drop(builder().session_keys(keys).build().unwrap()));
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn authorization_url_has_every_parameter_once() {
    let sign_in = builder()
        .scopes(["openid", "email", "orders/read"])
        .identity_provider("Google")
        .identity_provider("My IdP")
        .lang("de")
        .login_hint("a+b@example.com")
        .prompt("login")
        .build()
        .unwrap();
    let attempt = Attempt::start(ReturnTo::root(), sign_in.settings.clock.now()).unwrap();
    let url = Url::parse(&authorize::authorization_url(&sign_in.settings, &attempt)).unwrap();
    assert!(url.as_str().starts_with("https://app.auth.eu-west-1.amazoncognito.com/oauth2/authorize?"), "{url}");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("response_type", "code"),
        ("client_id", POOL.client_id()),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email orders/read"),
        ("state", &attempt.state),
        ("nonce", &attempt.nonce_hash()),
        ("code_challenge", &attempt.challenge()),
        ("code_challenge_method", "S256"),
        ("identity_provider", "My IdP"),
        ("lang", "de"),
        ("login_hint", "a+b@example.com"),
        ("prompt", "login"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for secret in [&attempt.nonce, &attempt.verifier] {
        assert!(!url.as_str().contains(secret), "{url}");
    }
}

#[test]
fn logout_url_names_the_client_and_the_registered_url() {
    let sign_in = builder().logout_url("https://app.example.com/bye?a=b&c").build().unwrap();
    assert_eq!(
        authorize::logout_url(&sign_in.settings),
        "https://app.auth.eu-west-1.amazoncognito.com/logout?client_id=1fakeclient23456789&\
         logout_uri=https%3A%2F%2Fapp.example.com%2Fbye%3Fa%3Db%26c"
    );
}
