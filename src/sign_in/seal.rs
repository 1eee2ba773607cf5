//! [`SessionKeys`] and [`Sealer`]: encryption and authentication of cookies.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, Prk, Salt},
    rand,
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{
        GeneralPurpose,
        general_purpose::{PAD_INDIFFERENT, URL_SAFE_NO_PAD},
    },
};

use crate::{base64url, error::ConfigError};

/// The minimum length of a session key, in bytes. An AES-256 key has the same length.
const MIN_KEY_BYTES: usize = 32;

/// Ensures that other programs and later formats derive different keys from the same session key.
const CONTEXT: &[u8] = b"axum-cognito sign-in 1";

/// The keys that encrypt the cookies of [`SignIn`](super::SignIn).
///
/// All instances of an application need the same keys, because any instance can receive a browser's next request. If no
/// keys are set, each process generates a random key, so sessions end with the process. Anyone who knows a key can read
/// and forge sessions. Keep the keys with the application's other secrets.
///
/// The first key encrypts, and all keys decrypt. To rotate a key without ending sessions:
///
/// 1. Append the new key to the list of every instance.
/// 2. Once all instances have both keys, move the new key to the front.
/// 3. Remove the old key after the session lifetime.
///
/// To end all sessions at once, for example after a leak, replace all keys.
///
/// The cookies are encrypted with AES-256-GCM. The encryption key is derived with HKDF-SHA256 (RFC 5869) from the
/// session key, the pool ID and the client ID. Cookies are therefore valid only for one pool and client.
///
/// ```
/// use axum_cognito::sign_in::SessionKeys;
///
/// // Made with `openssl rand -base64 32`. A real key comes from the environment or a secret store.
/// let key = "Sbq0mJlM6yt2kBBbSOEs3FTd2yLXqNmIZBaVHmjUJEY=";
/// let keys = SessionKeys::from_base64(key)?;
/// assert_eq!(format!("{keys:?}"), "SessionKeys");
///
/// // Rotation: the second key still decrypts.
/// let new = "hDqkyTnYJDbqdJ5GGAVYGpVJ0hVtBq2ayc8DOeYDbmo=";
/// let keys = SessionKeys::from_base64(&format!("{new},{key}"))?;
/// # let _ = keys;
///
/// let error = SessionKeys::from_base64("c2hvcnQ=").unwrap_err();
/// assert!(error.to_string().contains("key 1 of 1 has 5 bytes"));
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SessionKeys(Arc<[Prk]>);

impl SessionKeys {
    /// Creates the list from raw keys of at least 32 bytes.
    ///
    /// Each key must come from a cryptographic random number generator. Do not use a password as a key.
    ///
    /// ```
    /// use axum_cognito::sign_in::SessionKeys;
    ///
    /// # let secret: [u8; 32] = core::array::from_fn(|n| n as u8);
    /// let keys = SessionKeys::new([secret])?;
    /// assert!(SessionKeys::new([b"too short"]).is_err());
    /// # let _ = keys;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidSignIn`] if the list is empty, if a key is shorter than 32 bytes, or if a key is a
    /// placeholder that repeats one byte. The error contains the key's position, but never the key.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError> {
        let keys: Vec<K> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(invalid(format!("the list is empty: {FIX}")));
        }
        let salt = Salt::new(HKDF_SHA256, CONTEXT);
        let checked = keys.iter().enumerate().map(|(index, key)| {
            check(key.as_ref()).map_err(|fault| at(index, keys.len(), &fault))?;
            Ok(salt.extract(key.as_ref()))
        });
        Ok(Self(checked.collect::<Result<_, _>>()?))
    }

    /// Reads comma-separated keys in base64.
    ///
    /// Accepts the standard and the URL-safe alphabet, with or without padding, and whitespace around each key.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidSignIn`] if a key is empty or not base64, or if [`new`](Self::new) rejects the
    /// keys. The error contains the key's position, but never the key.
    pub fn from_base64(text: &str) -> Result<Self, ConfigError> {
        let count = text.split(',').count();
        let keys = text.split(',').enumerate().map(|(index, key)| match key.trim() {
            "" => Err(at(index, count, "is empty")),
            key => decode(key).ok_or_else(|| at(index, count, "is not base64")),
        });
        Self::new(keys.collect::<Result<Vec<_>, _>>()?)
    }

    pub(super) fn random() -> Result<Self, Unspecified> {
        let mut key = [0; MIN_KEY_BYTES];
        rand::fill(&mut key)?;
        Ok(Self([Salt::new(HKDF_SHA256, CONTEXT).extract(&key)].into()))
    }
}

/// Reveals nothing about the keys, not even their number.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

const FIX: &str = "expected 32 random bytes or more, as `openssl rand -base64 32` makes them";

fn decode(key: &str) -> Option<Vec<u8>> {
    let alphabet = if key.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, PAD_INDIFFERENT).decode(key).ok()
}

fn check(key: &[u8]) -> Result<(), String> {
    match key {
        _ if key.len() < MIN_KEY_BYTES => Err(format!("has {} bytes", key.len())),
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => Err("repeats one byte".to_owned()),
        _ => Ok(()),
    }
}

fn at(index: usize, count: usize, fault: &str) -> ConfigError {
    invalid(format!("key {} of {count} {fault}: {FIX}", index + 1))
}

fn invalid(reason: String) -> ConfigError {
    ConfigError::InvalidSignIn { setting: "session_keys", reason }
}

/// Seals the cookies of one pool and app client.
///
/// Nonces are random. With random 96-bit nonces, NIST SP 800-38D §8.3 allows 2^32 messages under one key. At 100 new
/// cookies per second, a key reaches this limit after 16 months, so rotate the keys of a busy site every year.
pub(super) struct Sealer {
    /// The list is empty only if a key could not be derived. Without keys, nothing can be sealed or opened.
    keys: Vec<RandomizedNonceKey>,
}

impl Sealer {
    pub(super) fn new(keys: &SessionKeys, pool_id: &str, client_id: &str) -> Self {
        let keys = keys.0.iter().map(|key| derive(key, pool_id, client_id)).collect::<Result<_, _>>();
        Self { keys: keys.unwrap_or_default() }
    }

    /// Encrypts and authenticates `plain` for one purpose, and returns base64url. [`open`](Self::open) requires the
    /// same purpose.
    ///
    /// The purpose is authenticated as additional data. To bind a value to one cookie, use the cookie's name as the
    /// purpose.
    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<String, Unspecified> {
        let key = self.keys.first().ok_or(Unspecified)?;
        let mut sealed = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(purpose), &mut sealed)?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Returns the plain bytes, or [`None`] if the text was not sealed with one of the keys for this purpose, pool and
    /// client.
    pub(super) fn open(&self, purpose: &str, sealed: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let mut bytes = vec![0; sealed.as_ref().len() / 4 * 3 + 3];
        let length = base64url::decode(sealed, &mut bytes)?;
        let (_, nonce) = bytes.get(..length)?.split_last_chunk::<NONCE_LEN>()?;
        let nonce = *nonce;
        bytes.truncate(length - NONCE_LEN);
        let (last, others) = self.keys.split_last()?;
        // Decrypting with a wrong key overwrites the input, so every attempt except the last works on a copy.
        let opened = others.iter().find_map(|key| open_with(key, purpose, &nonce, bytes.clone()));
        opened.or_else(|| open_with(last, purpose, &nonce, bytes))
    }
}

fn open_with(key: &RandomizedNonceKey, purpose: &str, nonce: &[u8; NONCE_LEN], mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let length = key.open_in_place(Nonce::from(nonce), Aad::from(purpose), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// Derives the encryption key for a pool and a client. Neither ID contains a zero byte, so zero bytes separate the
/// parts.
fn derive(key: &Prk, pool_id: &str, client_id: &str) -> Result<RandomizedNonceKey, Unspecified> {
    let mut derived = [0; 32];
    key.expand(&[CONTEXT, b"\0", pool_id.as_bytes(), b"\0", client_id.as_bytes()], &AES_256_GCM)?.fill(&mut derived)?;
    RandomizedNonceKey::new(&AES_256_GCM, &derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 32] = *b"01234567890123456789012345678901";
    const OTHER: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyzabcdef";

    fn sealer(keys: &[[u8; 32]]) -> Sealer {
        Sealer::new(&SessionKeys::new(keys).unwrap(), "eu-west-1_AbC123xyz", "1example23456789")
    }

    #[test]
    fn sealed_text_opens_to_what_was_sealed() {
        let sealer = sealer(&[ONE]);
        for length in [0, 1, 2, 3, 15, 16, 17, 1000, 20_000] {
            let plain: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0]).collect();
            let cookie = sealer.seal("session", &plain).unwrap();
            assert_eq!(sealer.open("session", &cookie), Some(plain.clone()));
            assert_ne!(sealer.seal("session", &plain).unwrap(), cookie, "each nonce is new");
        }
    }

    #[test]
    fn sealed_text_opens_only_for_its_purpose_pool_client_and_key() {
        let sealed = sealer(&[ONE]).seal("session", b"plain").unwrap();
        let keys = SessionKeys::new([ONE]).unwrap();
        for (what, sealer, purpose, opens) in [
            ("all equal", sealer(&[ONE]), "session", true),
            ("purpose", sealer(&[ONE]), "attempt", false),
            ("prefix of the purpose", sealer(&[ONE]), "sessio", false),
            ("no purpose", sealer(&[ONE]), "", false),
            ("key", sealer(&[OTHER]), "session", false),
            ("pool", Sealer::new(&keys, "eu-west-1_other", "1example23456789"), "session", false),
            ("client", Sealer::new(&keys, "eu-west-1_AbC123xyz", "2example"), "session", false),
            ("boundary", Sealer::new(&keys, "eu-west-1_AbC123xyz1", "example23456789"), "session", false),
            (
                "random key",
                Sealer::new(&SessionKeys::random().unwrap(), "eu-west-1_AbC123xyz", "1example23456789"),
                "session",
                false,
            ),
        ] {
            assert_eq!(sealer.open(purpose, &sealed).is_some(), opens, "{what}");
        }
    }

    #[test]
    fn every_key_opens_and_the_first_seals() {
        let old = sealer(&[ONE]).seal("session", b"old").unwrap();
        let rotated = sealer(&[OTHER, ONE]);
        assert_eq!(rotated.open("session", &old).as_deref(), Some(b"old".as_slice()));
        assert_eq!(sealer(&[ONE, OTHER]).open("session", &old).as_deref(), Some(b"old".as_slice()));
        let new = rotated.seal("session", b"new").unwrap();
        assert_eq!(sealer(&[OTHER]).open("session", &new).as_deref(), Some(b"new".as_slice()));
        assert_eq!(sealer(&[ONE]).open("session", &new), None);
    }

    #[test]
    fn tampered_and_truncated_text_does_not_open() {
        let sealer = sealer(&[ONE]);
        let cookie = sealer.seal("session", b"the plain text").unwrap();
        for at in 0..cookie.len() {
            let mut tampered = cookie.clone().into_bytes();
            tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.open("session", str::from_utf8(&tampered).unwrap()), None, "character {at}");
            assert_eq!(sealer.open("session", &cookie[..at]), None, "the first {at} characters");
            assert_eq!(sealer.open("session", &cookie[at + 1..]), None, "all but the first {} characters", at + 1);
        }
        for text in [format!("{cookie}="), format!("{cookie}A"), format!(" {cookie}"), "ä".repeat(100), "=".repeat(9)]
        {
            assert_eq!(sealer.open("session", &text), None, "{text}");
        }
    }

    #[test]
    fn sealer_without_keys_neither_seals_nor_opens() {
        let sealed = sealer(&[ONE]).seal("session", b"plain").unwrap();
        let empty = Sealer { keys: Vec::new() };
        assert!(empty.seal("session", b"plain").is_err());
        assert_eq!(empty.open("session", &sealed), None);
    }

    #[test]
    fn base64_keys_are_read_in_every_common_form() {
        let bytes = [0xfb_u8, 0xff, 0xfe, 0x00].repeat(8);
        let sealed = sealer_of(&SessionKeys::new([&bytes]).unwrap()).seal("session", b"plain").unwrap();
        let standard = "+//+APv//gD7//4A+//+APv//gD7//4A+//+APv//gA=";
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [
            standard.to_owned(),
            standard.trim_end_matches('=').to_owned(),
            url_safe.clone(),
            url_safe.trim_end_matches('=').to_owned(),
            format!("  {standard}\n"),
            format!("{}, {url_safe}", "QUJD".repeat(11)),
        ] {
            let keys = SessionKeys::from_base64(&text).unwrap();
            assert!(sealer_of(&keys).open("session", &sealed).is_some(), "{text}");
        }
    }

    fn sealer_of(keys: &SessionKeys) -> Sealer {
        Sealer::new(keys, "pool", "client")
    }

    #[test]
    fn unusable_keys_are_rejected_without_being_shown() {
        const SECRET: &str = "Sbq0mJlM6yt2kBBbSOEs3FTd2yLXqNmIZBaVHmjUJEY=";
        for (text, reason) in [
            (String::new(), "key 1 of 1 is empty"),
            (" \n".to_owned(), "key 1 of 1 is empty"),
            (format!("{SECRET},"), "key 2 of 2 is empty"),
            (format!(",{SECRET}"), "key 1 of 2 is empty"),
            (format!("{SECRET},{SECRET}?"), "key 2 of 2 is not base64"),
            (format!("{SECRET} {SECRET}"), "key 1 of 1 is not base64"),
            (format!("{SECRET};{SECRET}"), "key 1 of 1 is not base64"),
            ("+-AA".repeat(11), "key 1 of 1 is not base64"),
            (SECRET[..40].to_owned(), "key 1 of 1 has 30 bytes"),
            (format!("{SECRET},{SECRET},c2hvcnQ="), "key 3 of 3 has 5 bytes"),
            ("AAAA".repeat(11), "key 1 of 1 repeats one byte"),
        ] {
            let error = SessionKeys::from_base64(&text).unwrap_err();
            let expected =
                format!("{reason}: expected 32 random bytes or more, as `openssl rand -base64 32` makes them");
            assert_eq!(error, invalid(expected), "{text}");
            assert!(!error.to_string().contains(&SECRET[..8]));
        }
        let none: [[u8; 32]; 0] = [];
        assert!(SessionKeys::new(none).unwrap_err().to_string().contains("the list is empty"));
        assert!(SessionKeys::new([[1_u8; 32]]).is_err(), "a placeholder");
        assert_eq!(format!("{:?}", SessionKeys::from_base64(SECRET).unwrap()), "SessionKeys");
    }
}
