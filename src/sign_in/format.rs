//! Converts the content of a session to bytes, which are then encrypted for a cookie or a store.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | [`VERSION`] |
//! | 4 x 8 | generation, time of the sign-in, end of the session, expiry of the access token |
//! | 6 x (2 + length) | ID, `sub`, issuer, access token, refresh token, profile claims: the length, then the bytes |
//!
//! Numbers and lengths are big-endian. The profile claims are JSON and come last. The refresh token is empty if the
//! session has none.
//!
//! The layer reads this format for every request whose session is in a cookie. Most of the bytes are tokens, which are
//! neither parsed nor copied.

use bytes::{Buf, BufMut, Bytes};

use super::{profile::Profile, session::SessionData};

/// The version of the format. Increase the version if a change makes older sessions unreadable or changes their
/// meaning.
///
/// A session with another version is treated as missing, so the user signs in again.
const VERSION: u8 = 1;

/// Returns the bytes of a session. Returns [`None`] if a part is longer than 65,535 bytes.
pub(super) fn write(session: &SessionData) -> Option<Vec<u8>> {
    let mut content = vec![VERSION];
    for number in [session.generation, session.signed_in_at, session.ends_at, session.access_expires_at] {
        content.put_u64(number);
    }
    let refresh_token = session.refresh_token.as_deref().unwrap_or_default();
    let profile = session.profile.json();
    for part in [
        session.id.as_bytes(),
        session.sub.as_bytes(),
        session.issuer.as_bytes(),
        &session.access_token,
        refresh_token,
        profile,
    ] {
        content.put_u16(u16::try_from(part.len()).ok()?);
        content.put_slice(part);
    }
    Some(content)
}

/// Reads the bytes that [`write()`] returned. The caller must have authenticated the bytes.
///
/// The tokens share the memory of `content`.
pub(super) fn read(content: Vec<u8>) -> Option<SessionData> {
    let mut content = Bytes::from(content);
    if content.try_get_u8().ok()? != VERSION {
        return None;
    }
    let session = SessionData {
        generation: content.try_get_u64().ok()?,
        signed_in_at: content.try_get_u64().ok()?,
        ends_at: content.try_get_u64().ok()?,
        access_expires_at: content.try_get_u64().ok()?,
        id: text(&mut content)?,
        sub: text(&mut content)?,
        issuer: text(&mut content)?,
        access_token: part(&mut content).filter(|token| !token.is_empty())?,
        refresh_token: Some(part(&mut content)?).filter(|token| !token.is_empty()),
        profile: Profile::from_json(part(&mut content)?),
    };
    content.is_empty().then_some(session)
}

/// Takes a length and that many bytes from the start of `content`.
fn part(content: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(content.try_get_u16().ok()?);
    (length <= content.len()).then(|| content.split_to(length))
}

/// Takes a part that must be a non-empty UTF-8 string.
fn text(content: &mut Bytes) -> Option<String> {
    let part = part(content).filter(|part| !part.is_empty())?;
    Some(str::from_utf8(&part).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::fixture::session;

    /// Returns the bytes of the parts, each preceded by its length.
    fn parts(parts: [&[u8]; 6]) -> Vec<u8> {
        let part = |part: &[u8]| [&u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        parts.map(part).concat()
    }

    fn numbers() -> Vec<u8> {
        [3_u64, 100, 1_000, 200].map(u64::to_be_bytes).concat()
    }

    const PARTS: [&[u8]; 6] = [b"id", b"sub", b"issuer", b"access", b"refresh", br#"{"email":"a@b"}"#];

    fn with(index: usize, part: &'static [u8]) -> Vec<u8> {
        let mut all = PARTS;
        all[index] = part;
        [&[VERSION], &*numbers(), &parts(all)].concat()
    }

    #[test]
    fn session_is_read_as_written() {
        let written = session("id", 3, 10_000);
        let read = read(write(&written).unwrap()).unwrap();
        assert_eq!((&read.id, &read.sub, &read.issuer), (&written.id, &written.sub, &written.issuer));
        assert_eq!((&read.access_token[..], read.refresh_token()), (b"access-3".as_slice(), Some("refresh-3")));
        assert_eq!((read.generation, read.signed_in_at), (3, 0));
        assert_eq!((read.access_expires_at, read.ends_at), (10_000, 1_000_000));
        assert_eq!(read.profile.get("email").unwrap(), "alice@example.com");
    }

    /// Sessions in browsers and stores outlive an update of the application, so the format must not change unnoticed.
    #[test]
    fn format_is_as_documented() {
        let bytes = [&[1], &*numbers(), &parts(PARTS)].concat();
        let read = read(bytes.clone()).unwrap();
        assert_eq!((read.generation, read.signed_in_at, read.ends_at, read.access_expires_at), (3, 100, 1_000, 200));
        assert_eq!((&*read.id, &*read.sub, &*read.issuer), ("id", "sub", "issuer"));
        assert_eq!((&read.access_token[..], read.refresh_token.as_deref()), (PARTS[3], Some(PARTS[4])));
        assert_eq!(read.profile.get("email").unwrap(), "a@b");
        assert_eq!(write(&read).unwrap(), bytes);
    }

    #[test]
    fn other_bytes_are_no_session() {
        let valid = with(0, b"id");
        assert!(read(valid.clone()).is_some());
        let profile = valid.len() - PARTS[5].len();
        let changed = |index: usize, byte: u8| {
            let mut bytes = valid.clone();
            bytes[index] = byte;
            bytes
        };
        let others = [
            ("nothing", Vec::new()),
            ("version 0", changed(0, 0)),
            ("a later version", changed(0, VERSION + 1)),
            ("JSON", br#"{"k":"id","g":3,"a":"access"}"#.to_vec()),
            ("only a version", vec![VERSION]),
            ("only numbers", valid[..33].to_vec()),
            ("a byte before", [&[VERSION], &*valid].concat()),
            ("a byte after", [&*valid, b"}"].concat()),
            ("a part after", [&*valid, &[0, 0]].concat()),
            ("the first length one too long", changed(34, 3)),
            ("the first length one too short", changed(34, 1)),
            ("the first length as long as possible", [&valid[..33], &[0xff; 2], &valid[35..]].concat()),
            ("the last length one too long", changed(profile - 1, 16)),
            ("the last length one too short", changed(profile - 1, 14)),
            ("empty ID", with(0, b"")),
            ("empty `sub`", with(1, b"")),
            ("empty issuer", with(2, b"")),
            ("empty access token", with(3, b"")),
            ("an ID that is not UTF-8", with(0, b"\xff")),
            ("a `sub` that is not UTF-8", with(1, b"\xff")),
            ("an issuer that is not UTF-8", with(2, b"\xff")),
        ];
        let accepted = others.into_iter().filter_map(|(what, bytes)| read(bytes).map(|_| what));
        assert_eq!(accepted.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn truncated_session_is_no_session() {
        let valid = with(0, b"id");
        for length in 0..valid.len() {
            assert!(read(valid[..length].to_vec()).is_none(), "the first {length} bytes");
        }
    }

    #[test]
    fn refresh_token_and_profile_may_be_empty() {
        assert_eq!(read(with(4, b"")).unwrap().refresh_token, None);
        assert_eq!(read(with(5, b"")).unwrap().profile.get("email"), None);
    }

    #[test]
    fn oversized_part_is_not_written() {
        let mut session = session("id", 3, 10_000);
        session.access_token = vec![b'a'; 65_535].into();
        assert!(write(&session).is_some_and(|bytes| read(bytes).is_some()));
        session.access_token = vec![b'a'; 65_536].into();
        assert!(write(&session).is_none());
    }

    #[test]
    fn tokens_are_not_copied() {
        let bytes = with(0, b"id");
        let memory = bytes.as_ptr_range();
        let read = read(bytes).unwrap();
        assert!(memory.contains(&read.access_token.as_ptr()));
        assert!(memory.contains(&read.refresh_token.unwrap().as_ptr()));
    }
}
