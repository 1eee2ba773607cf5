//! The tokens that are asked about.

use std::time::UNIX_EPOCH;

use aws_lc_rs::{
    hmac,
    signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256},
};
use axum_cognito::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::kit::{ACCESS_KID, CLIENT, FORGE, ID_KID, Token, UPDATED_ISSUER, access};

/// A token, what was done to it, and the verdict of this crate.
pub(crate) struct Case {
    pub(crate) label: &'static str,
    pub(crate) accepted: bool,
    pub(crate) token: String,
}

/// How many tokens of each kind.
const OF_EACH: u64 = 60;

/// SplitMix64: the same tokens in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}

/// The others have no clock to set, so tokens are of today. What is to come stays so for an hour, however busy the machine.
fn today() -> u64 {
    SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An honest access token of a user who has this and that.
fn honest(dice: &mut Dice, now: u64) -> Token {
    let names = ["alice", "Google_123456", "\u{674e}\u{5c0f}\u{9f99}", "a@b.example", "O'Neill \"x\"", "\u{1f600}"];
    let values = [
        json!("x"),
        json!(1),
        json!(-1.5),
        json!(null),
        json!([1, "a"]),
        json!({"a": {"b": [true]}}),
        json!("\u{e9}/\\"),
    ];
    let mut token = access()
        .claim("exp", now + 7200 + dice.roll() % 70_000)
        .claim("iat", now - 60)
        .claim("auth_time", now - 60 - dice.roll() % 80_000)
        .claim("username", *dice.of(&names))
        .claim("cognito:groups", (0..dice.below(5)).map(|n| format!("group-{n}")).collect::<Vec<_>>());
    for n in 0..dice.below(4) {
        token = token.claim(&format!("custom:c{n}"), dice.of(&values).clone());
    }
    for claim in ["version", "event_id", "origin_jti", "jti", "scope"] {
        if dice.below(4) == 0 {
            token = token.without(claim);
        }
    }
    token
}

type Make = fn(&mut Dice, Token, u64) -> String;

/// Whatever is done, done to a fresh honest token each time.
pub(crate) fn cases() -> Vec<Case> {
    let now = today();
    let mut dice = Dice(2026);
    let mut cases = Vec::new();
    for (label, accepted, make) in HONEST
        .iter()
        .map(|(label, make)| (*label, true, *make))
        .chain(LIES.iter().map(|(label, make)| (*label, false, *make)))
    {
        for _ in 0..OF_EACH {
            let token = honest(&mut dice, now);
            cases.push(Case { label, accepted, token: make(&mut dice, token, now) });
        }
    }
    cases
}

const HONEST: &[(&str, Make)] = &[
    ("honest", |_, token, _| token.sign()),
    ("the updated issuer", |_, token, _| token.claim("iss", UPDATED_ISSUER).sign()),
    ("the other key pair", |_, token, _| token.member("kid", ID_KID).signed_by(&FORGE.id)),
    ("a machine", |_, token, _| token.without("username").without("cognito:groups").claim("sub", CLIENT).sign()),
    ("bound to a resource", |_, token, _| token.claim("aud", "https://api.example.com").sign()),
    ("a typ", |dice, token, _| token.member("typ", *dice.of(&["JWT", "at+jwt"])).sign()),
    ("an unknown header member", |_, token, _| token.member("x-new", json!({"a": 1})).sign()),
    ("escaped slashes", |_, token, _| {
        let escaped = String::from_utf8(token.payload.clone()).unwrap().replace('/', "\\/");
        token.payload(escaped).sign()
    }),
    ("blanks in the JSON", |_, token, _| {
        let pretty = serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&token.payload).unwrap()).unwrap();
        token.payload(pretty).sign()
    }),
    ("a fraction of a second", |_, token, now| token.claim("exp", json!(now as f64 + 9000.5)).sign()),
    ("nbf in the past", |_, token, now| token.claim("nbf", now - 100).sign()),
    ("without iat and auth_time", |_, token, _| token.without("iat").without("auth_time").sign()),
];

fn parts(token: &Token) -> [String; 3] {
    token.sign().split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

/// A token whose signature is written in another way.
fn respelled(token: &Token, spell: impl FnOnce(&str) -> String) -> String {
    let [header, payload, signature] = parts(token);
    format!("{header}.{payload}.{}", spell(&signature))
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const LIES: &[(&str, Make)] = &[
    ("a letter changed", |dice, token, _| {
        let mut token = token.sign().into_bytes();
        // Not the last one, of which some bits are left over: that is a kind of its own.
        let at = dice.below(token.len() - 1);
        let letter = *dice.of(LETTERS);
        token[at] = if token[at] == letter { b'.' } else { letter };
        String::from_utf8(token).unwrap()
    }),
    ("letters lost", |dice, token, _| {
        let mut token = token.sign();
        let at = dice.below(token.len() - 4);
        token.replace_range(at..at + 1 + dice.below(3), "");
        token
    }),
    ("two letters swapped", |dice, token, _| {
        let mut token = token.sign().into_bytes();
        let at = dice.below(token.len() - 3);
        if token[at] == token[at + 1] {
            token[at] = b'.';
        }
        token.swap(at, at + 1);
        String::from_utf8(token).unwrap()
    }),
    ("cut off", |dice, token, _| {
        let mut token = token.sign();
        token.truncate(dice.below(token.len() - 1));
        token
    }),
    ("left-over bits", |dice, token, _| {
        respelled(&token, |signature| {
            let (rest, last) = signature.split_at(signature.len() - 1);
            let place = LETTERS.iter().position(|letter| *letter == last.as_bytes()[0]).unwrap();
            format!("{rest}{}", char::from(LETTERS[place + 1 + dice.below(15)]))
        })
    }),
    ("padded signature", |_, token, _| respelled(&token, |signature| format!("{signature}=="))),
    ("the other alphabet", |_, token, _| {
        (0..)
            .find_map(|n| {
                let token = token.clone().claim("custom:n", n);
                let respelled = respelled(&token, |signature| signature.replace('-', "+").replace('_', "/"));
                respelled.rsplit('.').next().unwrap().contains(['+', '/']).then_some(respelled)
            })
            .unwrap()
    }),
    ("a line break in the signature", |dice, token, _| {
        respelled(&token, |signature| {
            let (one, two) = signature.split_at(1 + dice.below(signature.len() - 1));
            format!("{one}\n{two}")
        })
    }),
    ("a foreign letter in the signature", |dice, token, _| {
        respelled(&token, |signature| {
            let (one, two) = signature.split_at(1 + dice.below(signature.len() - 1));
            format!("{one}{}{two}", dice.of(&["!", "%", "*", "\u{e9}", "\0"]))
        })
    }),
    ("a blank before", |_, token, _| format!(" {}", token.sign())),
    ("a line break behind", |_, token, _| format!("{}\n", token.sign())),
    ("by a stranger", |_, token, _| token.signed_by(&FORGE.stranger)),
    ("by the other key", |_, token, _| token.signed_by(&FORGE.id)),
    ("under the other kid", |_, token, _| token.member("kid", ID_KID).sign()),
    ("without a signature", |_, token, _| token.with_signature([])),
    ("alg none", |dice, token, _| token.member("alg", *dice.of(&["none", "None", "NONE", "nOnE"])).with_signature([])),
    ("alg none over a good signature", |_, token, _| token.member("alg", "none").sign()),
    ("alg missing", |_, token, _| token.without_member("alg").sign()),
    ("alg of another type", |dice, token, _| {
        token.member("alg", dice.of(&[json!(null), json!(["RS256"]), json!(1)]).clone()).sign()
    }),
    ("alg in another case", |dice, token, _| token.member("alg", *dice.of(&["rs256", "Rs256", "RS256 "])).sign()),
    ("the public key as a secret", |dice, token, _| {
        let secrets = [FORGE.access.spki_der(), FORGE.access.pkcs1_der(), FORGE.access.modulus.to_bytes_be()];
        let token = token.member("alg", "HS256");
        let secret = hmac::Key::new(hmac::HMAC_SHA256, dice.of(&secrets).as_slice());
        token.with_signature(hmac::sign(&secret, token.input().as_bytes()))
    }),
    ("RS512 by the true key", |_, token, _| {
        let token = token.member("alg", "RS512");
        token.with_signature(FORGE.access.sign_with(&RSA_PKCS1_SHA512, token.input().as_bytes()))
    }),
    ("PS256 by the true key", |_, token, _| {
        let token = token.member("alg", "PS256");
        token.with_signature(FORGE.access.sign_with(&RSA_PSS_SHA256, token.input().as_bytes()))
    }),
    ("PSS under an RS256 header", |_, token, _| {
        token.with_signature(FORGE.access.sign_with(&RSA_PSS_SHA256, token.input().as_bytes()))
    }),
    ("a key of its own", |_, token, _| token.member("jwk", FORGE.stranger.jwk()).signed_by(&FORGE.stranger)),
    ("kid missing", |_, token, _| token.without_member("kid").sign()),
    ("kid unknown", |dice, token, _| {
        token.member("kid", *dice.of(&["x", "", "aB+/dE1example", "../../dev/null", "' OR '1'='1"])).sign()
    }),
    ("kid of another type", |dice, token, _| {
        token.member("kid", dice.of(&[json!(null), json!([ACCESS_KID]), json!(1)]).clone()).sign()
    }),
    ("crit", |dice, token, _| {
        token.member("crit", dice.of(&[json!(["exp"]), json!(["x"])]).clone()).member("x", 1).sign()
    }),
    ("b64", |_, token, _| token.member("b64", false).sign()),
    ("zip", |_, token, _| token.member("zip", "DEF").sign()),
    ("enc", |_, token, _| token.member("enc", "A128GCM").sign()),
    ("alg twice", |_, token, _| token.member_json("\"alg\":\"RS256\"").sign()),
    ("a header member twice", |_, token, _| token.member_json("\"x\":1,\"x\":2").sign()),
    ("exp twice", |_, token, now| token.claim_json(&format!("\"exp\":{}", now + 9000)).sign()),
    ("a claim twice", |_, token, _| token.claim_json("\"custom:x\":1,\"custom:x\":2").sign()),
    ("a member twice, deep", |_, token, _| token.claim_json("\"custom:x\":[{\"a\":1,\"a\":2}]").sign()),
    ("a BOM", |_, token, _| {
        let payload = [b"\xef\xbb\xbf", &token.payload[..]].concat();
        token.payload(payload).sign()
    }),
    ("not UTF-8", |_, token, _| {
        let payload =
            String::from_utf8(token.payload.clone()).unwrap().replacen('{', "{\"custom:x\":\"?\",", 1).into_bytes();
        let at = payload.iter().position(|byte| *byte == b'?').unwrap();
        let mut payload = payload;
        payload[at] = 0xff;
        token.payload(payload).sign()
    }),
    ("garbage behind the JSON", |dice, token, _| {
        let payload = [&token.payload[..], dice.of(&["x", "{}", "\0", ","]).as_bytes()].concat();
        token.payload(payload).sign()
    }),
    ("a number out of range", |_, token, _| token.claim_json("\"custom:x\":1e400").sign()),
    ("too deep", |_, token, _| {
        token.claim_json(&format!("\"custom:x\":{}{}", "[".repeat(200), "]".repeat(200))).sign()
    }),
    ("no object", |dice, token, _| token.payload(dice.of(&["[]", "null", "\"a\"", "1", ""])).sign()),
    ("too long", |_, token, _| token.claim("custom:x", "x".repeat(20_000)).sign()),
    ("two parts", |_, token, _| token.input()),
    ("four parts", |_, token, _| format!("{}.x", token.sign())),
    ("five parts", |_, token, _| format!("{}.x.x", token.sign())),
    ("another issuer", |dice, token, _| {
        let issuers = [
            "",
            "https://evil.example",
            "http://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/",
            "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_AbC123xyz",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0000",
            "https://COGNITO-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        ];
        token.claim("iss", *dice.of(&issuers)).sign()
    }),
    ("an issuer of another type", |dice, token, _| {
        token.claim("iss", dice.of(&[json!(null), json!(1), json!({})]).clone()).sign()
    }),
    ("an array of issuers", |_, token, _| token.claim("iss", json!([crate::kit::ISSUER])).sign()),
    ("iss missing", |_, token, _| token.without("iss").sign()),
    ("another client", |dice, token, _| {
        token.claim("client_id", *dice.of(&["", "other", "1EXAMPLE23456789", "1example23456789 "])).sign()
    }),
    ("the client in aud", |_, token, _| token.without("client_id").claim("aud", CLIENT).sign()),
    ("a client of another type", |dice, token, _| {
        token.claim("client_id", dice.of(&[json!(null), json!([CLIENT]), json!(1)]).clone()).sign()
    }),
    ("aud of another type", |dice, token, _| {
        token.claim("aud", dice.of(&[json!([CLIENT]), json!(["https://api.example.com"])]).clone()).sign()
    }),
    ("another use", |dice, token, _| token.claim("token_use", *dice.of(&["id", "refresh", "Access", ""])).sign()),
    ("a use of another type", |dice, token, _| {
        token.claim("token_use", dice.of(&[json!(null), json!(["access"]), json!(true)]).clone()).sign()
    }),
    ("use missing", |_, token, _| token.without("token_use").sign()),
    ("expired", |dice, token, now| token.claim("exp", now - 1 - dice.roll() % 100_000).sign()),
    ("exp missing", |_, token, _| token.without("exp").sign()),
    ("exp as a string", |_, token, now| token.claim("exp", (now + 9000).to_string()).sign()),
    ("exp of another type", |dice, token, now| {
        token.claim("exp", dice.of(&[json!(null), json!(true), json!([now + 9000]), json!({})]).clone()).sign()
    }),
    ("exp negative", |_, token, _| token.claim("exp", -1).sign()),
    ("exp out of range", |_, token, _| token.without("exp").claim_json("\"exp\":1e400").sign()),
    ("exp beyond all calendars", |_, token, now| token.claim("exp", now * 1000).sign()),
    ("nbf in the future", |dice, token, now| token.claim("nbf", now + 3600 + dice.roll() % 500).sign()),
    ("nbf of another type", |dice, token, _| {
        token.claim("nbf", dice.of(&[json!("1"), json!(true), json!([1])]).clone()).sign()
    }),
    ("iat in the future", |dice, token, now| token.claim("iat", now + 4000 + dice.roll() % 100).sign()),
    ("iat of another type", |_, token, _| token.claim("iat", "1").sign()),
    ("groups of another type", |dice, token, _| {
        token.claim("cognito:groups", dice.of(&[json!("admins"), json!([1]), json!({"admins": 1})]).clone()).sign()
    }),
    ("scope of another type", |_, token, _| token.claim("scope", json!(["a/b"])).sign()),
    ("a user without sub", |_, token, _| token.without("sub").sign()),
];
