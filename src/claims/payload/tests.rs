use std::time::{Duration, UNIX_EPOCH};

use super::ClaimSet;

const MALFORMED: &str = "the payload is not a JSON object with unique members";
const STOPPED: &str = "the issuer is not accepted";

fn parse(json: &str) -> Result<ClaimSet, &'static str> {
    ClaimSet::parse(json.as_bytes().to_vec(), &mut |_| true)
}

#[test]
fn plain_and_escaped_values_are_read() {
    let json = r#" {"sub":"s","iss":"https:\/\/a\/b","token_use":"access","username":"al\u0069ce \ud83d\ude00",
        "cognito:groups":["plain","with \"quotes\"","","é"],"scope":"a/b c","exp":1.5,"iat":1e3,"x":{"y":[null,true]}} "#;
    let claims = parse(json).unwrap();
    assert_eq!(claims.sub(), Some("s"));
    assert_eq!(claims.iss(), Some("https://a/b"));
    assert_eq!(claims.username(), Some("alice 😀"));
    assert_eq!(claims.groups().collect::<Vec<_>>(), ["plain", "with \"quotes\"", "", "é"]);
    assert_eq!(claims.exp(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
    assert_eq!(claims.iat(), Some(UNIX_EPOCH + Duration::from_secs(1000)));
    let spaced = parse("{\"exp\" \t:\r\n 7,\"nbf\":-0,\"iat\" : \"1\"}").unwrap();
    assert_eq!(
        (spaced.exp(), spaced.nbf(), spaced.wrong_type()),
        (Some(UNIX_EPOCH + Duration::from_secs(7)), Some(UNIX_EPOCH), Some("iat"))
    );
    assert_eq!(claims.json(), json);
    assert_eq!(claims.wrong_type(), None);
}

#[test]
fn payload_that_is_not_one_object_with_unique_members_is_rejected() {
    for json in [
        "",
        " ",
        "null",
        "1",
        "[]",
        "\"a\"",
        "{",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"exp\":1e400}",
        "{\"a\":-Infinity}",
        "{\"a\":1,\"a\":1}",
        "{\"exp\":1,\"exp\":1}",
        "{\"sub\":1,\"sub\":\"a\"}",
        "{\"s\\u0075b\":\"a\",\"sub\":\"b\"}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":[{\"b\":1,\"b\":2}]}",
        "{\"sub\":{\"b\":1,\"b\":2}}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"cognito:groups\":[],\"cognito:groups\":[]}",
    ] {
        assert!(parse(json).is_err(), "{json}");
    }
    // With `serde_json/arbitrary_precision`, a number of any size is valid, because it is kept as text.
    let kept = serde_json::from_str::<serde_json::Value>("1e400").is_ok();
    assert_eq!(parse("{\"a\":1e400}").is_ok(), kept, "number out of range");
    assert!(parse("{\"exp\":{\"b\":1,\"b\":2}}").is_err(), "duplicate member inside a date");
    assert!(parse(&format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200))).is_err(), "deep nesting");
    assert!(ClaimSet::parse(b"{\"a\":\"\xff\"}".to_vec(), &mut |_| true).is_err(), "invalid UTF-8");
    let many = (0..40).map(|n| format!("\"m{n}\":1")).collect::<Vec<_>>().join(",") + ",";
    assert!(parse(&format!("{{{many}\"last\":1}}")).is_ok());
    assert!(parse(&format!("{{{many}\"m39\":1}}")).is_err(), "duplicate after many members");
}

/// Parses a payload, and returns the error and the arguments of `accepts_issuer`.
fn asked(json: &str, accepts: bool) -> (Option<&'static str>, Vec<String>) {
    let mut issuers = Vec::new();
    let parsed = ClaimSet::parse(json.as_bytes().to_vec(), &mut |issuer| {
        issuers.push(issuer.to_owned());
        accepts
    });
    (parsed.err(), issuers)
}

#[test]
fn payload_of_a_rejected_issuer_is_read_only_up_to_iss() {
    for iss in [r#""iss":"a/b""#, r#""\u0069ss":"a\/b""#] {
        for (rest, error) in [
            ("}", None),
            (",\"sub\":\"s\"}", None),
            ("", Some(MALFORMED)),
            ("}{}", Some(MALFORMED)),
            (",\"a\":01}", Some(MALFORMED)),
            (",\"iss\":\"c\"}", Some(MALFORMED)),
            (",\"\\u0069ss\":1}", Some(MALFORMED)),
        ] {
            for before in ["", "\"exp\":1,", "\"x\":{\"iss\":\"y\"},"] {
                let json = format!("{{{before}{iss}{rest}");
                assert_eq!(asked(&json, true), (error, vec!["a/b".to_owned()]), "{json}");
                assert_eq!(asked(&json, false), (Some(STOPPED), vec!["a/b".to_owned()]), "{json}");
            }
        }
    }
    for (json, error) in [
        (r#"{"x":{"iss":"a"},"Iss":"a"}"#, None),
        (r#"{"iss":["a"]}"#, None),
        (r#"{"iss":1,"iss":"a"}"#, Some(MALFORMED)),
        (r#"{"x":01,"iss":"a"}"#, Some(MALFORMED)),
        (r#"{"iss":"\ud800"}"#, Some(MALFORMED)),
    ] {
        assert_eq!(asked(json, false), (error, vec![]), "{json}");
    }
}

#[test]
fn claim_with_a_wrong_type_is_reported_and_absent() {
    for (member, values) in [
        ("iss", &["null", "1", "true", "[\"a\"]", "{}"][..]),
        ("sub", &["null", "1"]),
        ("token_use", &["null", "[\"access\"]"]),
        ("client_id", &["[]", "7"]),
        ("aud", &["[\"client\"]", "0"]),
        ("scope", &["[\"a\"]"]),
        ("cognito:groups", &["\"admins\"", "null", "[1]", "[\"a\",null]", "{\"a\":1}"]),
        ("exp", &["\"1\"", "true", "-1", "-0.5", "1e300", "253402300800", "18446744073709551616", "[1]", "null"]),
        ("nbf", &["\"1\"", "-1"]),
        ("iat", &["\"1\""]),
    ] {
        for value in values {
            let claims = parse(&format!("{{\"{member}\":{value}}}")).unwrap();
            assert_eq!(claims.wrong_type(), Some(member), "{member}: {value}");
            assert_eq!(claims.groups().len(), 0);
            assert_eq!((claims.exp(), claims.nbf(), claims.iat(), claims.sub()), (None, None, None, None));
        }
    }
}
