//! The valid and tampered tokens of the comparison.

use std::time::UNIX_EPOCH;

use aws_lc_rs::{
    hmac,
    signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256},
};
use axum_cognito::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::kit::{ACCESS_KID, CLIENT, ID_KID, KEYS, Token, UPDATED_ISSUER, access};

/// A token, the label of its change, and the expected result of this crate.
pub(crate) struct Case {
    pub(crate) label: &'static str,
    pub(crate) accepted: bool,
    pub(crate) token: String,
}

/// The number of tokens of each kind.
const PER_KIND: u64 = 60;

/// A `SplitMix64` generator, which returns the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn choose<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}

/// The clocks of the other verifiers cannot be set, so the tokens use the current time. Times in the future are at
/// least an hour away, so that they stay in the future on a slow machine.
fn current_time() -> u64 {
    SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns a valid access token with random claims.
fn valid(random: &mut Random, now: u64) -> Token {
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
        .claim("exp", now + 7200 + random.next() % 70_000)
        .claim("iat", now - 60)
        .claim("auth_time", now - 60 - random.next() % 80_000)
        .claim("username", *random.choose(&names))
        .claim("cognito:groups", (0..random.below(5)).map(|n| format!("group-{n}")).collect::<Vec<_>>());
    for n in 0..random.below(4) {
        token = token.claim(&format!("custom:c{n}"), random.choose(&values).clone());
    }
    for claim in ["version", "event_id", "origin_jti", "jti", "scope"] {
        if random.below(4) == 0 {
            token = token.without(claim);
        }
    }
    token
}

type Make = fn(&mut Random, Token, u64) -> String;

/// Applies each change to new valid tokens.
pub(crate) fn cases() -> Vec<Case> {
    let now = current_time();
    let mut random = Random(2026);
    let mut cases = Vec::new();
    for (label, accepted, make) in VALID
        .iter()
        .map(|(label, make)| (*label, true, *make))
        .chain(TAMPERED.iter().map(|(label, make)| (*label, false, *make)))
    {
        for _ in 0..PER_KIND {
            let token = valid(&mut random, now);
            cases.push(Case { label, accepted, token: make(&mut random, token, now) });
        }
    }
    cases
}

const VALID: &[(&str, Make)] = &[
    ("valid", |_, token, _| token.sign()),
    ("updated issuer", |_, token, _| token.claim("iss", UPDATED_ISSUER).sign()),
    ("signed with the other pool key", |_, token, _| token.member("kid", ID_KID).signed_by(&KEYS.id)),
    ("machine", |_, token, _| token.without("username").without("cognito:groups").claim("sub", CLIENT).sign()),
    ("configured audience", |_, token, _| token.claim("aud", "https://api.example.com").sign()),
    ("client in aud", |_, token, _| token.claim("aud", CLIENT).sign()),
    ("typ", |random, token, _| token.member("typ", *random.choose(&["JWT", "at+jwt"])).sign()),
    ("unknown header parameter", |_, token, _| token.member("x-new", json!({"a": 1})).sign()),
    ("escaped slashes", |_, token, _| {
        let escaped = String::from_utf8(token.payload.clone()).unwrap().replace('/', "\\/");
        token.payload(escaped).sign()
    }),
    ("white space in the JSON", |_, token, _| {
        let pretty = serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&token.payload).unwrap()).unwrap();
        token.payload(pretty).sign()
    }),
    ("fractional exp", |_, token, now| token.claim("exp", json!(now as f64 + 9000.5)).sign()),
    ("nbf in the past", |_, token, now| token.claim("nbf", now - 100).sign()),
    ("without iat and auth_time", |_, token, _| token.without("iat").without("auth_time").sign()),
];

fn parts(token: &Token) -> [String; 3] {
    token.sign().split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

/// Replaces the text of a token's signature.
fn with_signature_text(token: &Token, change: impl FnOnce(&str) -> String) -> String {
    let [header, payload, signature] = parts(token);
    format!("{header}.{payload}.{}", change(&signature))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const TAMPERED: &[(&str, Make)] = &[
    ("changed character", |random, token, _| {
        let mut token = token.sign().into_bytes();
        // The last character has unused bits, which "nonzero trailing bits" covers.
        let at = random.below(token.len() - 1);
        let character = *random.choose(ALPHABET);
        token[at] = if token[at] == character { b'.' } else { character };
        String::from_utf8(token).unwrap()
    }),
    ("removed characters", |random, token, _| {
        let mut token = token.sign();
        let at = random.below(token.len() - 4);
        token.replace_range(at..at + 1 + random.below(3), "");
        token
    }),
    ("swapped characters", |random, token, _| {
        let mut token = token.sign().into_bytes();
        let at = random.below(token.len() - 3);
        if token[at] == token[at + 1] {
            token[at] = b'.';
        }
        token.swap(at, at + 1);
        String::from_utf8(token).unwrap()
    }),
    ("truncated token", |random, token, _| {
        let mut token = token.sign();
        token.truncate(random.below(token.len() - 1));
        token
    }),
    ("nonzero trailing bits", |random, token, _| {
        with_signature_text(&token, |signature| {
            let (rest, last) = signature.split_at(signature.len() - 1);
            let index = ALPHABET.iter().position(|character| *character == last.as_bytes()[0]).unwrap();
            format!("{rest}{}", char::from(ALPHABET[index + 1 + random.below(15)]))
        })
    }),
    ("padded signature", |_, token, _| with_signature_text(&token, |signature| format!("{signature}=="))),
    ("standard base64 alphabet", |_, token, _| {
        (0..)
            .find_map(|n| {
                let token = token.clone().claim("custom:n", n);
                let changed = with_signature_text(&token, |signature| signature.replace('-', "+").replace('_', "/"));
                changed.rsplit('.').next().unwrap().contains(['+', '/']).then_some(changed)
            })
            .unwrap()
    }),
    ("line break in the signature", |random, token, _| {
        with_signature_text(&token, |signature| {
            let (one, two) = signature.split_at(1 + random.below(signature.len() - 1));
            format!("{one}\n{two}")
        })
    }),
    ("foreign character in the signature", |random, token, _| {
        with_signature_text(&token, |signature| {
            let (one, two) = signature.split_at(1 + random.below(signature.len() - 1));
            format!("{one}{}{two}", random.choose(&["!", "%", "*", "\u{e9}", "\0"]))
        })
    }),
    ("space before the token", |_, token, _| format!(" {}", token.sign())),
    ("line break after the token", |_, token, _| format!("{}\n", token.sign())),
    ("signed with a foreign key", |_, token, _| token.signed_by(&KEYS.foreign)),
    ("signed with the other key", |_, token, _| token.signed_by(&KEYS.id)),
    ("kid of the other key", |_, token, _| token.member("kid", ID_KID).sign()),
    ("without signature", |_, token, _| token.with_signature([])),
    ("alg none", |random, token, _| {
        token.member("alg", *random.choose(&["none", "None", "NONE", "nOnE"])).with_signature([])
    }),
    ("alg none with a valid signature", |_, token, _| token.member("alg", "none").sign()),
    ("missing alg", |_, token, _| token.without_member("alg").sign()),
    ("alg of another type", |random, token, _| {
        token.member("alg", random.choose(&[json!(null), json!(["RS256"]), json!(1)]).clone()).sign()
    }),
    ("alg in another case", |random, token, _| {
        token.member("alg", *random.choose(&["rs256", "Rs256", "RS256 "])).sign()
    }),
    ("public key as HMAC secret", |random, token, _| {
        let secrets = [KEYS.access.spki_der(), KEYS.access.pkcs1_der(), KEYS.access.modulus.to_bytes_be()];
        let token = token.member("alg", "HS256");
        let secret = hmac::Key::new(hmac::HMAC_SHA256, random.choose(&secrets).as_slice());
        token.with_signature(hmac::sign(&secret, token.input().as_bytes()))
    }),
    ("RS512 with the pool key", |_, token, _| {
        let token = token.member("alg", "RS512");
        token.with_signature(KEYS.access.sign_with(&RSA_PKCS1_SHA512, token.input().as_bytes()))
    }),
    ("PS256 with the pool key", |_, token, _| {
        let token = token.member("alg", "PS256");
        token.with_signature(KEYS.access.sign_with(&RSA_PSS_SHA256, token.input().as_bytes()))
    }),
    ("PSS with an RS256 header", |_, token, _| {
        token.with_signature(KEYS.access.sign_with(&RSA_PSS_SHA256, token.input().as_bytes()))
    }),
    ("key in the header", |_, token, _| token.member("jwk", KEYS.foreign.jwk()).signed_by(&KEYS.foreign)),
    ("missing kid", |_, token, _| token.without_member("kid").sign()),
    ("unknown kid", |random, token, _| {
        token.member("kid", *random.choose(&["x", "", "aB+/dE1example", "../../dev/null", "' OR '1'='1"])).sign()
    }),
    ("kid of another type", |random, token, _| {
        token.member("kid", random.choose(&[json!(null), json!([ACCESS_KID]), json!(1)]).clone()).sign()
    }),
    ("crit", |random, token, _| {
        token.member("crit", random.choose(&[json!(["exp"]), json!(["x"])]).clone()).member("x", 1).sign()
    }),
    ("b64", |_, token, _| token.member("b64", false).sign()),
    ("zip", |_, token, _| token.member("zip", "DEF").sign()),
    ("enc", |_, token, _| token.member("enc", "A128GCM").sign()),
    ("duplicate alg", |_, token, _| token.member_json("\"alg\":\"RS256\"").sign()),
    ("duplicate header parameter", |_, token, _| token.member_json("\"x\":1,\"x\":2").sign()),
    ("duplicate exp", |_, token, now| token.claim_json(&format!("\"exp\":{}", now + 9000)).sign()),
    ("duplicate claim", |_, token, _| token.claim_json("\"custom:x\":1,\"custom:x\":2").sign()),
    ("duplicate member in a nested object", |_, token, _| token.claim_json("\"custom:x\":[{\"a\":1,\"a\":2}]").sign()),
    ("byte order mark", |_, token, _| {
        let payload = [b"\xef\xbb\xbf", &token.payload[..]].concat();
        token.payload(payload).sign()
    }),
    ("invalid UTF-8", |_, token, _| {
        let payload =
            String::from_utf8(token.payload.clone()).unwrap().replacen('{', "{\"custom:x\":\"?\",", 1).into_bytes();
        let at = payload.iter().position(|byte| *byte == b'?').unwrap();
        let mut payload = payload;
        payload[at] = 0xff;
        token.payload(payload).sign()
    }),
    ("text after the JSON", |random, token, _| {
        let payload = [&token.payload[..], random.choose(&["x", "{}", "\0", ","]).as_bytes()].concat();
        token.payload(payload).sign()
    }),
    ("out-of-range number", |_, token, _| token.claim_json("\"custom:x\":1e400").sign()),
    ("deeply nested claim", |_, token, _| {
        token.claim_json(&format!("\"custom:x\":{}{}", "[".repeat(200), "]".repeat(200))).sign()
    }),
    ("not an object", |random, token, _| token.payload(random.choose(&["[]", "null", "\"a\"", "1", ""])).sign()),
    ("oversized token", |_, token, _| token.claim("custom:x", "x".repeat(20_000)).sign()),
    ("two parts", |_, token, _| token.input()),
    ("four parts", |_, token, _| format!("{}.x", token.sign())),
    ("five parts", |_, token, _| format!("{}.x.x", token.sign())),
    ("another issuer", |random, token, _| {
        let issuers = [
            "",
            "https://evil.example",
            "http://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/",
            "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_AbC123xyz",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0000",
            "https://COGNITO-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        ];
        token.claim("iss", *random.choose(&issuers)).sign()
    }),
    ("iss of another type", |random, token, _| {
        token.claim("iss", random.choose(&[json!(null), json!(1), json!({})]).clone()).sign()
    }),
    ("array of issuers", |_, token, _| token.claim("iss", json!([crate::kit::ISSUER])).sign()),
    ("missing iss", |_, token, _| token.without("iss").sign()),
    ("another client", |random, token, _| {
        token.claim("client_id", *random.choose(&["", "other", "1EXAMPLE23456789", "1example23456789 "])).sign()
    }),
    ("client in aud instead of client_id", |_, token, _| token.without("client_id").claim("aud", CLIENT).sign()),
    ("client_id of another type", |random, token, _| {
        token.claim("client_id", random.choose(&[json!(null), json!([CLIENT]), json!(1)]).clone()).sign()
    }),
    ("another audience", |random, token, _| {
        token.claim("aud", *random.choose(&["", "https://other.example.com", "2example23456789", "null"])).sign()
    }),
    ("aud of another type", |random, token, _| {
        token.claim("aud", random.choose(&[json!([CLIENT]), json!(["https://api.example.com"])]).clone()).sign()
    }),
    ("another token_use", |random, token, _| {
        token.claim("token_use", *random.choose(&["id", "refresh", "Access", ""])).sign()
    }),
    ("token_use of another type", |random, token, _| {
        token.claim("token_use", random.choose(&[json!(null), json!(["access"]), json!(true)]).clone()).sign()
    }),
    ("missing token_use", |_, token, _| token.without("token_use").sign()),
    ("expired", |random, token, now| token.claim("exp", now - 1 - random.next() % 100_000).sign()),
    ("missing exp", |_, token, _| token.without("exp").sign()),
    ("string exp", |_, token, now| token.claim("exp", (now + 9000).to_string()).sign()),
    ("exp of another type", |random, token, now| {
        token.claim("exp", random.choose(&[json!(null), json!(true), json!([now + 9000]), json!({})]).clone()).sign()
    }),
    ("negative exp", |_, token, _| token.claim("exp", -1).sign()),
    ("out-of-range exp", |_, token, _| token.without("exp").claim_json("\"exp\":1e400").sign()),
    ("exp after the year 9999", |_, token, now| token.claim("exp", now * 1000).sign()),
    ("nbf in the future", |random, token, now| token.claim("nbf", now + 3600 + random.next() % 500).sign()),
    ("nbf of another type", |random, token, _| {
        token.claim("nbf", random.choose(&[json!("1"), json!(true), json!([1])]).clone()).sign()
    }),
    ("iat in the future", |random, token, now| token.claim("iat", now + 4000 + random.next() % 100).sign()),
    ("iat of another type", |_, token, _| token.claim("iat", "1").sign()),
    ("groups of another type", |random, token, _| {
        token
            .claim("cognito:groups", random.choose(&[json!("admins"), json!([1]), json!({"admins": 1})]).clone())
            .sign()
    }),
    ("scope of another type", |_, token, _| token.claim("scope", json!(["a/b"])).sign()),
    ("user without sub", |_, token, _| token.without("sub").sign()),
];
