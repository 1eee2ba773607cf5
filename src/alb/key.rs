//! [`VerifyingKey`]: a public key that verifies the signatures of a load balancer, and [`KeyName`], its name.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::product::Product;

/// The maximum length of a PEM text, in bytes. The PEM text of a P-384 key is 215 bytes long.
pub(super) const PEM_MAX: usize = 1024;

/// A key ID, which is a UUID. The key's URL ends with this ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kid(u128);

impl Kid {
    /// Parses a lowercase UUID with hyphens. Any other spelling is rejected, so a key has exactly one name and one URL.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
        let is_valid = |(at, byte)| match byte {
            b'-' => is_hyphen(at),
            b'0'..=b'9' | b'a'..=b'f' => !is_hyphen(at),
            _ => false,
        };
        if text.len() != 36 || !text.bytes().enumerate().all(is_valid) {
            return None;
        }
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Self)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// The name of a key: its ID, and the index of the endpoint that publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyName {
    pub(super) endpoint: usize,
    pub(super) kid: Kid,
}

pub(super) struct VerifyingKey {
    public: ParsedPublicKey,
    point: Box<[u8]>,
    proven: AtomicBool,
}

impl VerifyingKey {
    /// Parses a public key in PEM format (RFC 7468 §13). Returns [`None`] if the text is not exactly one key on the
    /// product's curve.
    pub(super) fn from_pem(pem: &[u8], product: &Product) -> Option<Self> {
        let text = str::from_utf8(pem).ok().filter(|text| text.len() <= PEM_MAX)?.trim_ascii();
        let body = text.strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
        let base64: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(base64).ok()?;
        let point = der.strip_prefix(product.spki_prefix).filter(|point| point.len() == product.point_bytes)?;
        // The first byte of an uncompressed point is 4 (SEC 1 §2.3.3).
        let point = Some(point).filter(|point| point.first() == Some(&4))?;
        let public = ParsedPublicKey::new(product.verification, point).ok()?;
        Some(Self { public, point: point.into(), proven: AtomicBool::new(false) })
    }

    pub(super) fn is_the_same_as(&self, other: &Self) -> bool {
        self.point == other.point
    }

    /// Returns `true` if this key verifies the signature over these bytes.
    pub(super) fn verify(&self, signing_input: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(signing_input, signature).is_ok()
    }

    /// Records that a valid token was signed with this key. Returns `true` only on the first call.
    pub(super) fn prove(&self) -> bool {
        !self.proven.load(Ordering::Relaxed) && !self.proven.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alb::product::{LOAD_BALANCER, VERIFIED_ACCESS};

    const PUBLIC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjPHY1j9umvc8nZEswOzs+lPpLKLnqCBqvyZGJfBlXapmtGiqYEwpIqh/lZdkr4wDii7CP1DzIUSHONbc+jufiQ==";

    #[test]
    fn kid_has_one_spelling() {
        let kid = "c2f80c8b-c05c-4068-af14-17299f7896b1";
        assert_eq!(Kid::parse(kid).unwrap().to_string(), kid);
        assert_eq!(
            Kid::parse(&"00000000-0000-0000-0000-000000000001".replace('1', "a")).unwrap().to_string().len(),
            36
        );
        for other in [
            "",
            "C2F80C8B-C05C-4068-AF14-17299F7896B1",
            "c2f80c8bc05c4068af1417299f7896b1",
            "c2f80c8b-c05c-4068-af14-17299f7896b",
            "c2f80c8b-c05c-4068-af14-17299f7896b1/",
            "c2f80c8b-c05c-4068-af14-17299f7896bg",
            "c2f80c8bc-05c-4068-af14-17299f7896b1",
            "../../..-c05c-4068-af14-17299f7896b1",
            "+2f80c8b-c05c-4068-af14-17299f7896b1",
        ] {
            assert_eq!(Kid::parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_one_key_on_the_curve_is_parsed() {
        let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let parse = |pem: &str| VerifyingKey::from_pem(pem.as_bytes(), &LOAD_BALANCER);
        let valid = pem(PUBLIC);
        assert!(parse(&valid).is_some());
        assert!(parse(&valid.replace('\n', "\r\n")).is_some());
        assert!(VerifyingKey::from_pem(valid.as_bytes(), &VERIFIED_ACCESS).is_none(), "another curve");
        // The last byte of `y` is changed, so the point is off the curve.
        let off_curve = pem(&PUBLIC.replace("ufiQ==", "ufiA=="));
        let compressed = pem(&PUBLIC.replace("QgAEjP", "QgACjP"));
        for (why, text) in [
            ("empty", String::new()),
            ("off the curve", off_curve),
            ("compressed form", compressed),
            ("truncated", pem(&PUBLIC[..PUBLIC.len() - 4])),
            ("two keys", format!("{valid}{valid}")),
            ("text before", format!("x{valid}")),
            ("certificate", valid.replace("PUBLIC KEY", "CERTIFICATE")),
            ("other alphabet", valid.replace('+', "-")),
            ("too long", format!("{valid}{}", " ".repeat(PEM_MAX))),
        ] {
            assert!(parse(&text).is_none(), "{why}");
        }
    }
}
