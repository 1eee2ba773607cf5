//! JSON that parsers interpret differently or cannot parse is rejected. Every token has a valid signature, so only the
//! JSON can cause the rejection.

use axum_cognito::VerifyErrorKind::{
    Expired, InvalidClaim, InvalidSignature, Malformed, UnknownIssuer, UnknownKey, UnsupportedAlgorithm,
};

use serde_json::json;

use crate::kit::{ISSUER, KEYS, NOW, STRICT, accepted, access, builder, rejected, rejected_by};

/// Returns documents that are not exactly one JSON object in UTF-8.
fn invalid_documents() -> Vec<Vec<u8>> {
    let mut documents: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "1e3",
        "\"text\"",
        "[]",
        "[{}]",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":0x10}",
        "{\"a\":1_000}",
        "{\"a\":NaN}",
        "{\"a\":nan}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":undefined}",
        "{\"a\":True}",
        "{\"a\":1}//",
        "{\"a\":/**/1}",
        "{\"a\":1}#",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{}{}",
        "{} {}",
        "{}\n[]",
        "{}x",
        "{}\0",
        "\0{}",
        "\u{b}{}",
        "\u{a0}{}",
        "\u{feff}{}",
        "{}\u{feff}",
    ]
    .into_iter()
    .map(|json| json.as_bytes().to_vec())
    .collect();
    documents.push(b"{\"a\":\"\xff\"}".to_vec());
    documents.push(b"{\"a\xc3\":1}".to_vec());
    documents.push(b"{\"a\":\"\xc0\xaf\"}".to_vec()); // an overlong `/`
    documents.push(b"{\"a\":\"\xed\xa0\x80\"}".to_vec()); // a surrogate
    documents.push(b"{\"a\":\"\xf4\x90\x80\x80\"}".to_vec()); // beyond Unicode
    documents.push(b"\xff\xfe{\0}\0".to_vec()); // UTF-16
    documents.push(b"{\0\"\0a\0\"\0:\x001\0}\0".to_vec());
    documents.push(b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()); // gzip
    documents
}

#[test]
fn documents_other_than_one_json_object_are_rejected() {
    for document in invalid_documents() {
        if !document.is_empty() {
            rejected(&access().header(&document).sign(), Malformed);
        }
        rejected(&access().payload(&document).sign(), Malformed);
    }
    rejected(&access().payload("{\"a\":\"\u{1}\"}").sign(), Malformed);
}

/// Some parsers use the first of two equal members, others the last.
#[test]
fn duplicate_members_are_rejected() {
    for member in [
        "\"alg\":\"none\"",
        "\"alg\":\"RS256\"",
        "\"alg\":null",
        "\"kid\":\"other\"",
        "\"kid\":null",
        "\"a\\u006cg\":\"RS256\"",
        "\"\\u006b\\u0069\\u0064\":\"other\"",
        "\"x\":1,\"x\":2",
        "\"x\":1,\"\\u0078\":1",
        "\"jwk\":{\"n\":1,\"n\":2}",
        "\"x\":[[{\"\":1,\"\":1}]]",
        "\"typ\":\"a\",\"typ\":\"a\"",
    ] {
        rejected(&access().member_json(member).sign(), Malformed);
    }
    for claim in [
        "\"exp\":1",
        "\"exp\":99999999999",
        "\"exp\":null",
        "\"e\\u0078p\":99999999999",
        "\"sub\":\"root\"",
        "\"sub\":1",
        "\"username\":\"root\"",
        "\"\\u0075sername\":\"root\"",
        "\"client_id\":\"x\"",
        "\"token_use\":\"id\"",
        "\"cognito:groups\":[\"admins\"]",
        "\"cognito\\u003agroups\":[\"admins\"]",
        "\"scope\":\"a/b\"",
        "\"iat\":1",
        "\"jti\":\"x\"",
        "\"origin_jti\":\"x\"",
        "\"version\":3",
        "\"custom:a\":1,\"custom:a\":1",
        "\"x\":{\"a\":{\"b\":1,\"b\":2}}",
        "\"x\":[1,[{\"b\":1,\"b\":2}]]",
        "\"\":1,\"\":1",
        "\"\u{e9}\":1,\"\\u00e9\":2",
        "\"nbf\":1,\"nbf\":1",
        "\"aud\":\"a\",\"aud\":\"a\"",
        "\"nbf\":{\"a\":1,\"a\":1}",
    ] {
        rejected(&access().claim_json(claim).sign(), Malformed);
    }
    let many: Vec<String> = (0..400).map(|n| format!("\"m{n}\":{n}")).collect();
    accepted(&access().claim_json(&many.join(",")).sign());
    rejected(&access().claim_json(&format!("{},\"m399\":0", many.join(","))).sign(), Malformed);
}

/// A parser that uses the last `iss` must not select another pool than this crate.
#[test]
fn duplicate_issuer_is_rejected() {
    let issuers = [json!(ISSUER), json!("https://evil.example"), json!(null), json!([ISSUER])];
    for (first, kind) in issuers.iter().zip([Malformed, UnknownIssuer, Malformed, Malformed]) {
        for second in &issuers {
            for name in ["iss", "i\\u0073s"] {
                let token = access().claim("iss", second.clone()).claim_json(&format!("\"{name}\":{first}"));
                rejected(&token.sign(), kind);
            }
        }
    }
}

/// The payload is read up to `iss` to select the key, and then to its end. What follows `iss` must be as strictly
/// checked as what precedes it.
#[test]
fn malformed_json_after_the_issuer_is_rejected() {
    for rest in ["", ",", "}{}", "} x", ",\"a\":1,\"a\":2}", ",\"exp\":01}", ",\"sub\":\"\t\"}", ",\"a\":[1,]}", "]"] {
        let token = |issuer| access().payload(format!("{{\"sub\":\"s\",\"iss\":\"{issuer}\"{rest}"));
        rejected(&token(ISSUER).sign(), Malformed);
        rejected(&token(ISSUER).member("kid", "another").sign(), UnknownKey);
        rejected(&token("https://evil.example").sign(), UnknownIssuer);
        rejected(&token("https://evil.example").member("kid", "another").sign(), UnknownIssuer);
    }
    let valid = access().without("iss").claim_json(&format!("\"iss\":\"{ISSUER}\""));
    accepted(&valid.sign());
    rejected(&valid.signed_by(&KEYS.foreign), InvalidSignature);
}

/// Member names are not case-folded, normalized or trimmed.
#[test]
fn member_names_are_compared_exactly() {
    for claim in ["\"EXP\":1", "\"Exp\":1", "\"exp \":1", "\"\u{435}xp\":1", "\"exp\\u0000\":1", "\"e\u{301}xp\":1"] {
        accepted(&access().claim_json(claim).sign());
    }
    rejected(
        &access().header(r#"{"kid":"aB+/dE1example=","ALG":"RS256","Alg":"RS256","alg":"none"}"#).sign(),
        UnsupportedAlgorithm,
    );
}

/// Deep nesting must not overflow the stack of a recursive parser.
#[test]
fn deeply_nested_json_is_rejected() {
    for depth in [127, 200, 1000, 3900] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let open = open.repeat(if open.len() > 1 { depth / 3 } else { depth });
            let close = close.repeat(open.len());
            for value in [format!("{open}1{close}"), open.clone()] {
                for claim in ["x", "exp", "sub", "aud", "nbf", "cognito:groups"] {
                    let token = access().without(claim).claim_json(&format!("\"{claim}\":{value}"));
                    assert!(STRICT.check(&token.sign()).is_err());
                }
            }
        }
    }
    let large = builder(KEYS.pool()).max_token_bytes(1024 * 1024).build().unwrap();
    for value in ["[".repeat(700_000), "{\"a\":".repeat(140_000)] {
        rejected_by(&large, &access().claim_json(&format!("\"x\":{value}")).sign(), Malformed);
        rejected_by(&large, &access().claim_json(&format!("\"nbf\":{value}")).sign(), Malformed);
        rejected_by(&large, &access().payload(value).sign(), Malformed);
    }
    rejected(&access().member_json(&format!("\"x\":{}", "[".repeat(900))).sign(), Malformed);
    accepted(&access().claim_json(&format!("\"x\":{}1{}", "[".repeat(100), "]".repeat(100))).sign());
}

/// Some parsers read `1e400` as infinity, others report an error.
#[test]
fn out_of_range_numbers_are_rejected() {
    for exp in ["1e400", "-1e400", "1e99999999999999999999"] {
        rejected(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), Malformed);
    }
    for exp in [
        "1e308",
        "1e18",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775808",
        "253402300800",
        "-1",
        "-1e3",
        "-0.1",
    ] {
        rejected(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), InvalidClaim);
    }
    // With the feature `serde_json/arbitrary_precision`, other claims keep such a number as text.
    if serde_json::from_str::<serde_json::Value>("1e400").is_err() {
        rejected(&access().claim_json("\"x\":1e400").sign(), Malformed);
    }
    accepted(&access().claim_json("\"x\":123456789012345678901234567890,\"y\":-0,\"z\":1E-400,\"w\":1e308").sign());
    for exp in ["0", "-0", "-0.0", "1e-300", "0.0001"] {
        rejected(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), Expired);
    }
    for exp in
        [format!("{}.0", NOW + 1), format!("{}e1", (NOW + 10) / 10), "1800000000.5".into(), "253402300799".into()]
    {
        accepted(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign());
    }
}

/// `serde_json` represents numbers and raw values with objects of these names internally.
#[test]
fn object_in_place_of_a_number_is_rejected() {
    for claim in ["exp", "nbf", "iat"] {
        let tampered = format!("\"{claim}\":{{\"$serde_json::private::Number\":\"1800003600\"}}");
        rejected(&access().without(claim).claim_json(&tampered).sign(), InvalidClaim);
        let tampered = format!("\"{claim}\":{{\"$serde_json::private::RawValue\":\"1800003600\"}}");
        rejected(&access().without(claim).claim_json(&tampered).sign(), Malformed);
    }
}
