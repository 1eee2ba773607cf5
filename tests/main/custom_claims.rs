//! Custom claims that cannot be deserialized. Errors name the field and contain no text from the token.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::LazyLock,
};

use axum::{Router, body::Body, http::Request, routing::get};
use axum_cognito::{
    CognitoAuth, CognitoClaims, CustomClaims, TokenUse, Verifier, claims::ClaimError, testing::FakeUserPool,
};
use http_body_util::BodyExt;
use serde::{
    Deserialize,
    de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::log::Log;

/// A text in the token's values and keys that must not appear in errors.
const SECRET: &str = "s3cret";

#[derive(Deserialize)]
#[allow(dead_code)]
struct Member {
    #[serde(rename = "custom:tenant")]
    tenant: String,
    seats: Option<u32>,
    address: Option<Address>,
    #[serde(default)]
    desks: Vec<Desk>,
    #[serde(default)]
    limits: HashMap<String, Limit>,
    plan: Option<Plan>,
    #[serde(default, alias = "colour")]
    color: Option<Rgb>,
    #[serde(default)]
    by_number: BTreeMap<u32, u32>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Address {
    street: String,
    lines: Option<(u8, u8)>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Desk {
    row: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Limit {
    per_day: u32,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Plan {
    Free,
    Paid { euros: u32 },
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Rgb(u8, u8, u8);

#[derive(Deserialize)]
#[allow(dead_code)]
struct Flat {
    tenant: String,
    #[serde(flatten)]
    rest: HashMap<String, u32>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Alike {
    seat: Option<u32>,
    seats: u32,
}

/// Ignores an invalid value of one field and continues with the next field.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Tolerant {
    #[serde(default, deserialize_with = "or_none")]
    desk: Option<Desk>,
    zzz: u32,
}

fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Desk>, D::Error> {
    Ok(Desk::deserialize(deserializer).ok())
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Whole(Member);

#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Either {
    One { seats: u32 },
    Other { rows: u32 },
}

/// A type whose error imitates serde's error for a missing field, with a value from the token as the field name.
struct Imitator;

impl<'de> Deserialize<'de> for Imitator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = String::deserialize(deserializer)?;
        Err(D::Error::custom(format_args!("missing field `{value}`")))
    }
}

/// A struct with the same error, at the point where serde reports a missing field.
struct ImitatorByHand;

impl<'de> Deserialize<'de> for ImitatorByHand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByHand;

        impl<'de> Visitor<'de> for ByHand {
            type Value = ImitatorByHand;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a struct")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut last = Value::Null;
                while let Some((_, value)) = map.next_entry::<String, Value>()? {
                    last = if value == json!(SECRET) { value } else { last };
                }
                Err(A::Error::custom(format_args!("missing field `{}`", last.as_str().unwrap_or_default())))
            }
        }

        deserializer.deserialize_struct("ImitatorByHand", &["name", "other"], ByHand)
    }
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Imitated {
    name: Imitator,
}

fn claims(extra: Value) -> CognitoClaims {
    static FAKE: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);
    let fake = &*FAKE;
    let token = fake.access_token("alice");
    let token =
        extra.as_object().unwrap().iter().fold(token, |token, (name, value)| token.trigger_claim(name, value.clone()));
    Verifier::new(fake.user_pool()).check(&token.sign()).unwrap()
}

#[track_caller]
fn assert_no_token_text(error: &ClaimError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let shown = format!("{error} {error:?} {error:#?} {source:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.len() < 600, "{shown}");
}

#[track_caller]
fn rejected<T: CustomClaims>(extra: Value, field: Option<&str>, is_missing: bool) {
    let error = claims(extra).with_custom::<T>().expect_err("invalid claims");
    assert_no_token_text(&error);
    assert_eq!((error.field(), error.is_missing()), (field, is_missing), "{error}: {}", error.detail());
    assert_eq!(error.to_string().contains("missing"), is_missing);
    assert!(field.is_none_or(|field| error.to_string().contains(&format!("`{field}`"))));
}

#[test]
fn missing_or_mistyped_field_is_named() {
    let with = |name: &str, value: Value| json!({ "custom:tenant": "blue", name: value });
    // Missing fields are named like the claim.
    rejected::<Member>(json!({}), Some("custom:tenant"), true);
    rejected::<Whole>(json!({}), Some("custom:tenant"), true);
    rejected::<Alike>(json!({}), Some("seats"), true);
    rejected::<Member>(with("address", json!({})), Some("address.street"), true);
    rejected::<Member>(with("desks", json!([{"row": 1}, {}])), Some("desks[1].row"), true);
    rejected::<Member>(with("limits", json!({ SECRET: {} })), Some("limits.*.per_day"), true);
    // Mistyped fields.
    rejected::<Member>(json!({ "custom:tenant": 7 }), Some("custom:tenant"), false);
    rejected::<Member>(json!({ "custom:tenant": [SECRET] }), Some("custom:tenant"), false);
    rejected::<Member>(with("seats", json!(SECRET)), Some("seats"), false);
    rejected::<Member>(with("seats", json!(-1)), Some("seats"), false);
    rejected::<Member>(with("address", json!(SECRET)), Some("address"), false);
    rejected::<Member>(with("address", json!({ "street": { SECRET: SECRET } })), Some("address.street"), false);
    rejected::<Member>(with("address", json!({"street": "a", "lines": [1, SECRET]})), Some("address.lines[1]"), false);
    rejected::<Member>(with("address", json!({"street": "a", "lines": [1]})), Some("address.lines"), false);
    rejected::<Member>(with("desks", json!([{"row": 1}, {"row": SECRET}])), Some("desks[1].row"), false);
    rejected::<Member>(with("color", json!([1, 2, 300])), Some("color[2]"), false);
    rejected::<Member>(with("colour", json!([1, 2, SECRET])), Some("colour[2]"), false);
    // A map key is text from the token, so it is shown as `*`.
    rejected::<Member>(with("limits", json!({ SECRET: {"per_day": SECRET} })), Some("limits.*.per_day"), false);
    rejected::<Member>(with("limits", json!({ SECRET: 1 })), Some("limits.*"), false);
    rejected::<Member>(with("limits", json!({ "a": {"per_day": 1, SECRET: 1} })), Some("limits.*"), false);
    rejected::<Member>(with("by_number", json!({ SECRET: 1 })), Some("by_number"), false);
    rejected::<Member>(with("plan", json!(SECRET)), Some("plan"), false);
    rejected::<Member>(with("plan", json!({ SECRET: 1 })), Some("plan"), false);
    rejected::<Member>(with("plan", json!({"Paid": {"euros": SECRET}})), Some("plan"), false);
    rejected::<Imitated>(json!({ "name": SECRET }), Some("name"), false);
    rejected::<ImitatorByHand>(json!({ "name": SECRET }), None, false);
    // A map key is not shown even if it equals a declared field.
    rejected::<Member>(with("limits", json!({ "custom:tenant": SECRET })), Some("limits.*"), false);
    rejected::<BTreeMap<String, Desk>>(json!({ "sub": SECRET }), None, false);
    rejected::<HashMap<String, BTreeMap<String, Value>>>(json!({ SECRET: SECRET }), None, false);
    // An error that the type ignores is not reported.
    rejected::<Tolerant>(json!({ "desk": {}, "zzz": SECRET }), Some("zzz"), false);
    rejected::<Tolerant>(json!({ "desk": {} }), Some("zzz"), true);
    // No declared field is at fault.
    rejected::<u32>(json!({}), None, false);
    rejected::<Vec<String>>(json!({}), None, false);
    rejected::<Flat>(json!({ SECRET: SECRET }), None, false);
    rejected::<Either>(json!({ "seats": SECRET, "rows": SECRET }), None, false);
}

/// Tracking the path does not change how values are deserialized, so all fields before the invalid field are read.
#[test]
fn fields_of_every_type_are_read_before_the_invalid_one() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Many {
        a_bool: bool,
        a_char: char,
        bytes: Vec<u8>,
        by_number: BTreeMap<u32, BTreeMap<bool, i8>>,
        color: Rgb,
        float: f64,
        large: u128,
        nothing: (),
        option: Option<Option<i64>>,
        plan: Plan,
        plans: Vec<Plan>,
        tree: Value,
        tuple: (u8, String),
        unit: Unit,
        zzz: u32,
    }
    #[derive(Deserialize)]
    struct Unit;

    let valid = json!({
        "a_bool": true, "a_char": "ä", "bytes": [1, 2], "by_number": {"7": {"true": -1}}, "color": [1, 2, 3], "float": 1.5,
        "large": 18_446_744_073_709_551_615_u64, "nothing": null, "option": null, "plan": {"Paid": {"euros": 3}},
        "plans": ["Free", {"Paid": {"euros": 1}}], "tree": {"y": [null, 1.5, "\u{1F600}"]}, "tuple": [1, "a"],
        "unit": null, "zzz": 1,
    });
    assert!(claims(valid.clone()).with_custom::<Many>().is_ok());
    for (name, value, field) in [
        ("zzz", json!(SECRET), "zzz"),
        ("tuple", json!([1, 2]), "tuple[1]"),
        ("plans", json!(["Free", SECRET]), "plans[1]"),
        ("by_number", json!({"7": {"true": 200}}), "by_number.*.*"),
    ] {
        let mut invalid = valid.clone();
        invalid[name] = value;
        rejected::<Many>(invalid, Some(field), false);
    }
}

#[test]
fn error_of_a_single_claim_names_the_claim() {
    #[track_caller]
    fn rejected<V: DeserializeOwned>(claims: &CognitoClaims, name: &str, field: &str, is_missing: bool) {
        let error = claims.get::<V>(name).err().expect("an invalid claim");
        assert_no_token_text(&error);
        assert_eq!((error.field(), error.is_missing()), (Some(field), is_missing));
    }
    let claims = claims(json!({ "tenant": SECRET, "address": {"street": 1}, "desks": [{"row": SECRET}], "empty": {} }));
    rejected::<u32>(&claims, "tenant", "tenant", false);
    rejected::<Address>(&claims, "address", "address.street", false);
    rejected::<Address>(&claims, "empty", "empty.street", true);
    rejected::<Vec<Desk>>(&claims, "desks", "desks[0].row", false);
    assert!(
        claims.get::<Vec<Desk>>("tenant").err().unwrap().detail().to_string().contains(SECRET),
        "the detail quotes the token"
    );
    assert_eq!(claims.get::<u32>("absent").unwrap(), None);
}

#[test]
fn log_names_the_field_and_the_response_does_not() {
    let fake = FakeUserPool::shared();
    let app = Router::new()
        .route("/", get(async |_: CognitoClaims<Member>| "a member"))
        .layer(CognitoAuth::new(fake.user_pool()));
    let token = fake.access_token("alice").trigger_claim("custom:tenant", "blue").trigger_claim("seats", SECRET).sign();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut response = None;
    let log = Log::of(|| {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        response = Some(runtime.block_on(async {
            let response = app.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, challenge, String::from_utf8(body.to_vec()).unwrap())
        }));
    });
    let challenge = r#"Bearer error="insufficient_scope", error_description="the caller is not allowed to do this""#;
    let body = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"the caller is not allowed to do this","error":"insufficient_scope"}"#;
    assert_eq!(response.unwrap(), (403, challenge.to_owned(), body.to_owned()));
    assert!(log.contains("does not have the claims that the handler requires"), "{log}");
    assert!(log.contains("field=\"seats\" missing=false") && !log.contains(SECRET), "{log}");
    assert!(log.contains("token_use=\"access\"") && !log.contains("hint"), "{log}");
}

#[test]
fn log_says_that_access_tokens_have_no_profile_attributes() {
    let fake = FakeUserPool::shared();
    let app = Router::new()
        .route("/", get(async |_: CognitoClaims<Member>| "a member"))
        .layer(CognitoAuth::new(fake.user_pool().allow_token_use(TokenUse::Id)));
    for (token, token_use, is_hinted) in
        [(fake.access_token("alice"), "access", true), (fake.id_token("alice"), "id", false)]
    {
        let request = Request::get("/").header("authorization", format!("Bearer {}", token.sign())).body(Body::empty());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut status = 0;
        let log = Log::of(|| {
            status = runtime.block_on(app.clone().oneshot(request.unwrap())).unwrap().status().as_u16();
        });
        assert_eq!(status, 403);
        let line = format!("field=\"custom:tenant\" missing=true token_use=\"{token_use}\"");
        assert!(log.contains(&line), "{log}");
        let hint = "an access token contains them only if a pre-token-generation trigger adds them";
        assert_eq!(log.contains(hint), is_hinted, "{log}");
    }
}
