//! Writes a new key set and seed corpus. Run it with `cargo run --example seed` in this folder.

use std::{error::Error, fs, path::Path};

use axum_cognito::testing::{FakeUserPool, TokenBuilder};
use axum_cognito_fuzz::{CLIENT, POOL, now};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fake = FakeUserPool::with_ids(POOL, CLIENT);
    fs::write(folder.join("jwks.json"), fake.jwks_json())?;
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        fs::write(corpus.join(name), bytes)
    };

    let access = || fake.access_token("alice").issued_at(now());
    let tokens: [(&str, TokenBuilder); 12] = [
        ("access", access()),
        ("id", fake.id_token("bob").issued_at(now())),
        ("machine", fake.machine_token().issued_at(now()).scope("orders/read")),
        ("groups", access().group("admins").group("\u{e9}\"\\")),
        ("audience", access().claim("aud", "https://api.example.com")),
        ("expired", access().expired()),
        ("not-before", access().claim("nbf", 1_800_000_060)),
        ("updated-issuer", access().claim("iss", format!("https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}"))),
        ("other-issuer", access().claim("iss", "https://evil.example")),
        ("alg-none", access().header("alg", "none")),
        ("critical", access().header("crit", "exp")),
        ("wrong-key", access().signed_with_wrong_key()),
    ];
    for (name, token) in tokens {
        write("claims", name, &token.payload())?;
        let token = token.sign();
        write("token", name, token.as_bytes())?;
        write("header", name, format!("Bearer {token}").as_bytes())?;
        if name == "access" {
            for (source, value) in [("cookie", "t="), ("subprotocol", "b."), ("custom-header", ""), ("query", "/?t=")] {
                write("header", source, format!("{value}{token}").as_bytes())?;
            }
        }
    }
    for (name, payload) in [
        (
            "escaped",
            r#"{"iss":"https:\/\/cognito-idp.us-east-1.amazonaws.com\/us-east-1_FakePool1","token_use":"access","client_id":"1fakeclient23456789","exp":1.8000036e9,"username":"\u0061\ud83d\ude00","sub":"\u0073"}"#,
        ),
        (
            "types",
            r#"{"a":[null,true,false,-0,1e308,"",{"":{"b":[[]]}}],"cognito:groups":[],"scope":" a  b ","exp":253402300799,"iat":0.5}"#,
        ),
        ("duplicate", r#"{"exp":1,"exp":2}"#),
        ("deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    ] {
        write("claims", name, payload.as_bytes())?;
    }
    for (name, value) in
        [("basic", "Basic dTpw"), ("two", "Bearer a\nBearer b"), ("tab", "Bearer\ta"), ("padded", "bearer  a.b.c==")]
    {
        write("header", name, value.as_bytes())?;
    }
    for (name, token) in [("dots", "..."), ("letters", "e30.e30.AA"), ("padding", "e30=.e30=.AA==")] {
        write("token", name, token.as_bytes())?;
    }
    let key = r#"{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","e":"AQAB","n":"AQAB"}"#;
    for (name, document) in [
        ("pool", fake.jwks_json()),
        ("small", format!(r#"{{"keys":[{key}]}}"#)),
        ("duplicate-kid", fake.jwks_json().replace(&fake.key_ids().1, &fake.key_ids().0)),
        ("other-kinds", format!(r#"{{"keys":[{{"kty":"EC"}},{{"kty":"oct","k":"AA"}},null,1,[],{key}],"x":1}}"#)),
        ("empty", r#"{"keys":[]}"#.to_owned()),
        ("html", "<html>".to_owned()),
    ] {
        write("jwks", name, document.as_bytes())?;
    }
    Ok(())
}
