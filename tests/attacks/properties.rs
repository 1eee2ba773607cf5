//! Properties that hold for every input, tested with random inputs.

use std::{borrow::Cow, collections::BTreeSet, future, sync::LazyLock};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, UserPool, Verifier, VerifyErrorKind,
    keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::kit::{BOTH, CLIENT, KEYS, POOL, STRICT, access, builder, id, verifier};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

static TOKEN: LazyLock<String> = LazyLock::new(|| access().claim("name", "\u{1f600} \u{e9}").sign());

/// Generates JSON values with up to four levels.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Generates registered names and arbitrary names.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "iss",
            "sub",
            "aud",
            "exp",
            "nbf",
            "iat",
            "auth_time",
            "jti",
            "origin_jti",
            "token_use",
            "client_id",
            "username",
            "cognito:username",
            "cognito:groups",
            "cognito:roles",
            "scope",
            "email",
            "email_verified",
            "identities",
            "amr",
            "acr",
            "version",
            "updated_at",
            "address",
            "alg",
            "kid",
            "crit",
            "b64",
            "typ",
            "jwk",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// Calls every method that reads claims.
fn read(claims: &CognitoClaims) {
    let _ =
        (claims.sub(), claims.username(), claims.client_id(), claims.token_use(), claims.is_machine(), claims.issuer());
    let _ =
        (claims.groups().count(), claims.scopes().count(), claims.in_group("a"), claims.has_scope("a"), claims.exp());
    let _ = (
        claims.issued_at(),
        claims.not_before(),
        claims.auth_time(),
        claims.expires_at(),
        claims.jti(),
        claims.origin_jti(),
    );
    let _ = (
        claims.audience(),
        claims.event_id(),
        claims.version(),
        claims.device_key(),
        claims.acr(),
        claims.amr().count(),
    );
    let _ = (
        claims.roles().count(),
        claims.identities().len(),
        claims.email(),
        claims.email_verified(),
        claims.updated_at(),
    );
    let _ = (claims.get::<Value>("x"), claims.raw_json(), format!("{claims:?}"), claims.clone().into_access());
    let _ = claims.with_custom::<Value>().map(|claims| claims.custom().clone());
}

fn check(token: &str) {
    for verifier in [&*STRICT, &*BOTH] {
        match verifier.check(token) {
            Ok(claims) => read(&claims),
            Err(error) => drop((error.to_string(), format!("{error:?}"), error.actual().map(str::to_owned))),
        }
    }
}

/// Replaces every byte of a valid token, with characters of the base64url alphabet and with other characters.
#[test]
fn token_with_a_changed_byte_is_rejected() {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    let token = access().sign();
    for at in 0..token.len() {
        for letter in LETTERS.iter().skip(at % 3).step_by(3) {
            if token.as_bytes()[at] != *letter {
                let mut changed = token.clone().into_bytes();
                changed[at] = *letter;
                let changed = String::from_utf8(changed).unwrap();
                assert!(
                    STRICT.check(&changed).is_err(),
                    "accepted after byte {at} was changed to {}",
                    letter.escape_ascii()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn edited_token_is_rejected(at in any::<prop::sample::Index>(), with in ".{0,3}", delete in 0..3usize) {
        let mut characters: Vec<char> = TOKEN.chars().collect();
        let at = at.index(characters.len());
        let end = (at + delete).min(characters.len());
        characters.splice(at..end, with.chars());
        let changed: String = characters.into_iter().collect();
        prop_assert_eq!(STRICT.check(&changed).is_ok(), changed == *TOKEN);
    }

    #[test]
    fn arbitrary_strings_do_not_panic(token in ".*") {
        check(&token);
    }

    #[test]
    fn arbitrary_token_parts_do_not_panic(
        header in "[A-Za-z0-9_=-]{0,80}", payload in "[A-Za-z0-9_=-]{0,80}", signature in "[A-Za-z0-9_=-]{0,80}",
    ) {
        check(&format!("{header}.{payload}.{signature}"));
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// The decoder processes many characters at a time. It must agree with a decoder that processes them one by one.
    #[test]
    fn base64url_is_decoded_strictly(
        letters in vec(prop_oneof![200 => "[A-Za-z0-9_-]", 1 => "[+/= \n%!é]"], 1..300), cut in 0..4usize,
    ) {
        let mut part = letters.concat();
        for _ in 0..cut {
            part.pop();
        }
        prop_assume!(!part.is_empty());
        let header = access().input().split('.').next().unwrap().to_owned();
        let error = STRICT.check(&format!("{header}.{part}.AA")).unwrap_err();
        let is_invalid = URL_SAFE_NO_PAD.decode(&part).is_err();
        prop_assert_eq!(error.reason() == "the payload is not base64url", is_invalid, "{}", error);
    }

    /// The signatures are valid, so every claim is read.
    #[test]
    fn arbitrary_claims_do_not_panic(claims in vec((name(), any_json()), 0..5)) {
        let token = claims.into_iter().fold(access(), |token, (name, value)| token.claim(&name, value));
        check(&token.sign());
    }

    #[test]
    fn arbitrary_header_parameters_do_not_panic(members in vec((name(), any_json()), 0..4)) {
        let token = members.into_iter().fold(access(), |token, (name, value)| token.member(&name, value));
        check(&token.sign());
    }

    #[test]
    fn arbitrary_header_and_payload_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..200), object in any_json()) {
        check(&access().header(&bytes).sign());
        check(&access().payload(&bytes).sign());
        check(&access().payload(object.to_string()).sign());
    }

    #[test]
    fn valid_claims_are_returned_unchanged(
        username in ".+", sub in ".+", groups in vec(any::<String>(), 0..8), scopes in vec("[!#-\\[\\]-~]{1,20}", 0..5),
        jti in any::<String>(), exp in 1_800_000_001u64..253_402_300_800, auth_time in 0u64..1_800_000_000,
        custom in any_json(), custom_name in "custom:[a-z]{1,8}", escape in any::<bool>(),
    ) {
        let scope = scopes.join(" ");
        let token = access()
            .claim("username", &*username).claim("sub", &*sub)
            .claim("cognito:groups", groups.clone()).claim("scope", &*scope)
            .claim("jti", &*jti).claim("exp", exp).claim("auth_time", auth_time).claim(&custom_name, custom.clone());
        let json = String::from_utf8(token.payload.clone()).unwrap();
        let json = if escape { escaped(&json) } else { json };
        let claims = STRICT.check(&token.payload(&json).sign()).unwrap();
        prop_assert_eq!(claims.username(), Some(&*username));
        prop_assert_eq!(claims.sub(), &*sub);
        prop_assert_eq!(claims.groups().collect::<Vec<_>>(), groups);
        prop_assert_eq!(claims.scopes().collect::<Vec<_>>(), scopes);
        prop_assert_eq!(claims.jti(), Some(&*jti));
        prop_assert_eq!(claims.exp(), exp);
        prop_assert_eq!(claims.auth_time(), Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(auth_time)));
        prop_assert_eq!(claims.client_id(), CLIENT);
        // `serde_json` may round the last digit of a long fraction, so the test compares with the value that it
        // reads from the payload.
        let custom: Value = serde_json::from_str(&custom.to_string()).unwrap();
        prop_assert_eq!(claims.get::<Value>(&custom_name).unwrap(), Some(custom));
        prop_assert_eq!(claims.raw_json(), &*json);
        read(&claims);
    }
}

/// Escapes every character in the strings of a JSON document, except hexadecimal digits and existing escapes.
fn escaped(json: &str) -> String {
    let mut inside = false;
    let mut after_backslash = false;
    let mut written = String::new();
    for letter in json.chars() {
        match letter {
            _ if after_backslash => {
                after_backslash = false;
                written.push(letter);
            }
            '\\' => {
                after_backslash = true;
                written.push(letter);
            }
            '"' => {
                inside = !inside;
                written.push(letter);
            }
            letter if inside && !letter.is_ascii_hexdigit() => {
                let mut units = [0; 2];
                written.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            letter => written.push(letter),
        }
    }
    written
}

fn app() -> Router {
    let auth = CognitoAuth::from(builder(KEYS.pool()).build().unwrap());
    Router::new().route("/", get(async |claims: CognitoClaims| claims.sub().to_owned())).layer(auth)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn send(app: &Router, value: HeaderValue) -> Response<Body> {
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.headers_mut().insert("authorization", value);
    run(app.clone().oneshot(request)).unwrap()
}

#[test]
fn arbitrary_authorization_values_do_not_panic() {
    let app = app();
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..60),
        ("[Bb]e[aA]rer[ \t,=]{0,3}", vec(any::<u8>(), 0..60))
            .prop_map(|(scheme, rest)| [scheme.into_bytes(), rest].concat()),
        ("Bearer ", any::<prop::sample::Index>(), any::<u8>()).prop_map(|(scheme, at, byte)| {
            let mut token = TOKEN.clone().into_bytes();
            let at = at.index(token.len());
            token[at] = byte;
            [scheme.into_bytes(), token].concat()
        }),
    ];
    proptest!(config(1000), |(bytes in bytes)| {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let valid = bytes == format!("Bearer {}", *TOKEN).into_bytes();
            let status = send(&app, value).status().as_u16();
            prop_assert!(if valid { status == 200 } else { [400, 401].contains(&status) }, "{}", status);
        }
    });
}

/// A client cannot learn from a response why its token was rejected. The whole responses are compared.
#[test]
fn rejections_of_invalid_tokens_are_identical() {
    let app = app();
    let tampered_tokens = [
        "x".to_owned(),
        "..".into(),
        access().member("alg", "none").with_signature([]),
        access().member("kid", "unknown").sign(),
        access().claim("iss", "https://evil.example").sign(),
        access().signed_by(&KEYS.foreign),
        access().signed_by(&KEYS.foreign).replace('A', "B"),
        access().claim("exp", 1).signed_by(&KEYS.foreign),
        access().claim("client_id", "other").sign(),
        access().without("exp").sign(),
        access().claim("nbf", u64::from(u32::MAX)).sign(),
        access().claim("cognito:groups", "admins").sign(),
        id().signed_by(&KEYS.id),
        "A".repeat(20_000),
    ];
    let responses: BTreeSet<String> = tampered_tokens
        .iter()
        .map(|tampered| {
            let (parts, body) = send(&app, HeaderValue::from_str(&format!("Bearer {tampered}")).unwrap()).into_parts();
            let body = run(body.collect()).unwrap().to_bytes();
            format!("{} {:?} {}", parts.status, parts.headers, body.escape_ascii())
        })
        .collect();
    assert_eq!(responses.len(), 1, "{responses:#?}");
    let kinds: BTreeSet<String> =
        tampered_tokens.iter().map(|tampered| format!("{:?}", STRICT.check(tampered).unwrap_err().kind())).collect();
    assert!(kinds.len() >= 9, "too few kinds of errors: {kinds:?}");
}

/// A key source with a fixed document.
struct Document(Vec<u8>);

impl KeySource for Document {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(future::ready(Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone())))))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a fixed document".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(KeyDocument::new(self.0.clone()))
    }
}

fn verifier_of(document: Vec<u8>) -> Verifier {
    verifier(UserPool::new(POOL, CLIENT).unwrap().key_source(Document(document)))
}

#[test]
fn arbitrary_key_sets_accept_no_forged_token() {
    let valid = KEYS.jwks().to_string();
    let token = access().signed_by(&KEYS.foreign);
    let members = prop::sample::select(vec!["kid", "kty", "alg", "use", "n", "e", "d", "x5c", "key_ops", "keys"]);
    let changed_key = vec((members, any_json()), 0..4).prop_map(|members| {
        let mut jwk = KEYS.access.jwk();
        members.into_iter().for_each(|(name, value)| jwk[name] = value);
        json!({"keys": [jwk, KEYS.id.jwk()]}).to_string().into_bytes()
    });
    let documents = prop_oneof![
        vec(any::<u8>(), 0..200),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        any_json().prop_map(|json| json!({"keys": json}).to_string().into_bytes()),
        any_json().prop_map(|json| json!({"keys": [json]}).to_string().into_bytes()),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(at, byte)| {
            let mut document = valid.clone().into_bytes();
            let at = at.index(document.len());
            document[at] = byte;
            document
        }),
        changed_key,
    ];
    proptest!(config(600), |(document in documents)| {
        let verifier = verifier_of(document);
        let _ = format!("{:?}", verifier.status());
        let kind = verifier.check(&token).unwrap_err().kind();
        let no_key = matches!(kind, VerifyErrorKind::UnknownKey | VerifyErrorKind::KeysUnavailable);
        prop_assert!(no_key || kind == VerifyErrorKind::InvalidSignature);
    });
}

/// Covers documents that are too deep, have too many keys or are too long.
#[test]
fn oversized_key_sets_are_rejected() {
    for document in [
        "[".repeat(200_000),
        "{\"keys\":".repeat(30_000),
        format!("{{\"keys\":[{}]}}", "{},".repeat(60_000)),
        "x".repeat(300_000),
    ] {
        assert_eq!(
            verifier_of(document.into_bytes()).check(&TOKEN).unwrap_err().kind(),
            VerifyErrorKind::KeysUnavailable
        );
    }
}
