//! JSON that two parsers would read in two ways, or one would choke on. All of it under good signatures: the check must not hang on those.

use axum_cognito::VerifyErrorKind::{Expired, InvalidClaim, Malformed, UnsupportedAlgorithm};

use crate::kit::{FORGE, NOW, STRICT, accepted, access, builder, refused, refused_by};

/// Documents that are no JSON object.
fn no_objects() -> Vec<Vec<u8>> {
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
    documents.push(b"{\"a\":\"\xc0\xaf\"}".to_vec()); // overlong `/`
    documents.push(b"{\"a\":\"\xed\xa0\x80\"}".to_vec()); // a surrogate
    documents.push(b"{\"a\":\"\xf4\x90\x80\x80\"}".to_vec()); // beyond Unicode
    documents.push(b"\xff\xfe{\0}\0".to_vec()); // UTF-16
    documents.push(b"{\0\"\0a\0\"\0:\x001\0}\0".to_vec());
    documents.push(b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()); // gzip
    documents
}

#[test]
fn header_and_payload_are_each_one_object() {
    for document in no_objects() {
        if !document.is_empty() {
            refused(&access().header(&document).sign(), Malformed);
        }
        refused(&access().payload(&document).sign(), Malformed);
    }
    refused(&access().payload("{\"a\":\"\u{1}\"}").sign(), Malformed);
}

/// The first of two counts for one parser, the last for another.
#[test]
fn members_are_unique() {
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
        refused(&access().member_json(member).sign(), Malformed);
    }
    for claim in [
        "\"exp\":1",
        "\"exp\":99999999999",
        "\"exp\":null",
        "\"e\\u0078p\":99999999999",
        "\"iss\":\"x\"",
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
        refused(&access().claim_json(claim).sign(), Malformed);
    }
    let many: Vec<String> = (0..400).map(|n| format!("\"m{n}\":{n}")).collect();
    accepted(&access().claim_json(&many.join(",")).sign());
    refused(&access().claim_json(&format!("{},\"m399\":0", many.join(","))).sign(), Malformed);
}

/// Names differ where their letters do: no case folding, no Unicode normalization, no trimming.
#[test]
fn a_name_is_compared_to_the_letter() {
    for claim in ["\"EXP\":1", "\"Exp\":1", "\"exp \":1", "\"\u{435}xp\":1", "\"exp\\u0000\":1", "\"e\u{301}xp\":1"] {
        accepted(&access().claim_json(claim).sign());
    }
    refused(
        &access().header(r#"{"kid":"aB+/dE1example=","ALG":"RS256","Alg":"RS256","alg":"none"}"#).sign(),
        UnsupportedAlgorithm,
    );
}

/// A recursive parser must not be led to the end of its stack.
#[test]
fn depth_is_bounded() {
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
    let roomy = builder(FORGE.pool()).max_token_bytes(1024 * 1024).build().unwrap();
    for value in ["[".repeat(700_000), "{\"a\":".repeat(140_000)] {
        refused_by(&roomy, &access().claim_json(&format!("\"x\":{value}")).sign(), Malformed);
        refused_by(&roomy, &access().claim_json(&format!("\"nbf\":{value}")).sign(), Malformed);
        refused_by(&roomy, &access().payload(value).sign(), Malformed);
    }
    refused(&access().member_json(&format!("\"x\":{}", "[".repeat(900))).sign(), Malformed);
    accepted(&access().claim_json(&format!("\"x\":{}1{}", "[".repeat(100), "]".repeat(100))).sign());
}

/// `1e400` is infinite for one parser and an error for another.
#[test]
fn numbers_are_in_range() {
    for exp in ["1e400", "-1e400", "1e99999999999999999999"] {
        refused(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), Malformed);
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
        refused(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), InvalidClaim);
    }
    // With `serde_json/arbitrary_precision` such a number elsewhere is kept as it is written.
    if serde_json::from_str::<serde_json::Value>("1e400").is_err() {
        refused(&access().claim_json("\"x\":1e400").sign(), Malformed);
    }
    accepted(&access().claim_json("\"x\":123456789012345678901234567890,\"y\":-0,\"z\":1E-400,\"w\":1e308").sign());
    for exp in ["0", "-0", "-0.0", "1e-300", "0.0001"] {
        refused(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign(), Expired);
    }
    for exp in
        [format!("{}.0", NOW + 1), format!("{}e1", (NOW + 10) / 10), "1800000000.5".into(), "253402300799".into()]
    {
        accepted(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign());
    }
}

/// An object that looks as numbers do inside of `serde_json` when it keeps their text.
#[test]
fn an_object_is_no_number() {
    for claim in ["exp", "nbf", "iat"] {
        let lie = format!("\"{claim}\":{{\"$serde_json::private::Number\":\"1800003600\"}}");
        refused(&access().without(claim).claim_json(&lie).sign(), InvalidClaim);
        let lie = format!("\"{claim}\":{{\"$serde_json::private::RawValue\":\"1800003600\"}}");
        refused(&access().without(claim).claim_json(&lie).sign(), Malformed);
    }
}
