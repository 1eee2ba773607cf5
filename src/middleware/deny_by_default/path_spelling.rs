//! Recognizes paths that software behind the layer may read as another path.
//!
//! A router compares the bytes of a path. A file service, a proxy or a URL parser behind the router may decode escapes,
//! remove dot segments (RFC 3986 §5.2.4), drop tabs and newlines (WHATWG URL §4.4), trim spaces, or remove parameters
//! (`;`). The functions in this module allocate nothing and read a path once.

use percent_encoding::percent_decode_str;

/// Returns `true` if a router and the software behind it find the same segments in the path, apart from empty segments.
pub(super) fn is_unambiguous(path: &str) -> bool {
    // A relative reference that begins with `//` names a host (RFC 3986 §4.2).
    !path.starts_with("//") && has_only_plain_characters(path) && !path.split('/').any(is_dots_or_blank)
}

/// Returns `true` if the segment equals the literal, as it is or after normalization.
///
/// Normalization decodes the segment and the literal, and removes the segment's parameters, its leading and trailing
/// spaces, and its trailing dots. Windows ignores spaces and dots at the end of a file name. Form decoders read `+` as
/// a space.
pub(super) fn is_spelling_of(segment: &str, literal: &str) -> bool {
    segment == literal || without_prefix(segment, literal).is_some_and(|mut rest| rest.all(is_trimmed))
}

/// Returns `true` if the segment begins with the literal, as it is or after normalization.
pub(super) fn has_prefix(segment: &str, literal: &str) -> bool {
    segment.starts_with(literal) || without_prefix(segment, literal).is_some()
}

fn without_prefix(segment: &str, literal: &str) -> Option<impl Iterator<Item = u8>> {
    // The first attempt trims nothing, because the literal itself may begin with a space or `+`.
    [false, true].into_iter().find_map(|trims| {
        let mut rest = decoded(segment).skip_while(move |byte| trims && is_space(*byte));
        let is_next = |byte| rest.next().is_some_and(|found| found == byte || (is_space(found) && is_space(byte)));
        percent_decode_str(literal).all(is_next).then_some(rest)
    })
}

fn is_dots_or_blank(segment: &str) -> bool {
    !segment.is_empty() && decoded(segment).all(is_trimmed)
}

fn is_trimmed(byte: u8) -> bool {
    is_space(byte) || byte == b'.'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'+')
}

/// Decodes the segment once and removes its parameters.
fn decoded(segment: &str) -> impl Iterator<Item = u8> {
    percent_decode_str(segment).take_while(|byte| *byte != b';')
}

/// Returns `false` if the path contains an escaped delimiter, an incomplete escape, a backslash, a control character,
/// Unicode whitespace, or an overlong encoding.
fn has_only_plain_characters(path: &str) -> bool {
    let mut bytes = path.bytes();
    let mut last = [0; 3];
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => match (bytes.next().and_then(hex_digit), bytes.next().and_then(hex_digit)) {
                (Some(high), Some(low)) if !is_delimiter(high << 4 | low) => high << 4 | low,
                _ => return false,
            },
            byte => byte,
        };
        last = [last[1], last[2], decoded];
        if decoded.is_ascii_control() || decoded == b'\\' || is_space_or_control(last) || is_overlong(last) {
            return false;
        }
    }
    true
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns `true` for a delimiter whose escaped form is ambiguous. For example, an escaped `%` can hide another escape.
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'.' | b'/' | b'\\' | b'%' | b';' | b'?' | b'#')
}

/// Returns `true` for the UTF-8 encoding of a C1 control character, a byte order mark, or whitespace other than a plain
/// space.
fn is_space_or_control(last: [u8; 3]) -> bool {
    matches!(
        last,
        [_, 0xc2, 0x80..=0xa0]
            | [0xe1, 0x9a, 0x80]
            | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf]
            | [0xe2, 0x81, 0x9f]
            | [0xe3, 0x80, 0x80]
            | [0xef, 0xbb, 0xbf]
    )
}

/// Returns `true` for an overlong encoding, which UTF-8 forbids but lax decoders accept (RFC 3629 §10).
fn is_overlong(last: [u8; 3]) -> bool {
    matches!(last, [_, _, 0xc0 | 0xc1] | [_, 0xe0, 0x80..=0x9f] | [_, 0xf0, 0x80..=0x8f])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_paths_are_recognized() {
        for path in [
            "//host/a",
            "/a/..",
            "/a/./b",
            "/a/...",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a/..%2fb",
            "/a/..%5cb",
            "/a/..\\b",
            "/a/..;/b",
            "/a/..;x=1/b",
            "/a/..%3b/b",
            "/a/%252e%252e/b",
            "/a/b%00.css",
            "/a/.%09./b",
            "/a/.%0a./b",
            "/a/.%0D./b",
            "/a/%20../b",
            "/a/..%20/b",
            "/a/%20/b",
            "/a/..+",
            "/a/+../b",
            "/a/+",
            "/a/%2b..",
            "/a/;x/b",
            "/a/b%3fc",
            "/a/b%3Fc",
            "/a/b%23c",
            "/a/b%7f",
            "/a/b\u{7f}",
            "/a/b\t",
            "/a/b%1F",
            "/a/b%",
            "/a/b%2",
            "/a/b%zz",
            "/a/%u002e%u002e/b",
            "/a/b%c2%85",
            "/a/b\u{85}",
            "/a/b%C2%A0",
            "/a/%e3%80%80../b",
            "/a/%e2%80%a8..",
            "/a/%ef%bb%bf..",
            "/a/%c0%ae%c0%ae/b",
            "/a/%e0%80%ae",
            "/a/%f0%80%80%ae",
        ] {
            assert!(!is_unambiguous(path), "{path:?}");
        }
        for path in [
            "/",
            "/a",
            "/a/",
            "/a//b",
            "/a/.b",
            "/a/b.",
            "/a/..b",
            "/a/b%20c",
            "/a/b%20",
            "/a/b;c",
            "/a/caf%C3%A9",
            "/a/%E6%97%A5",
            "/a/b%2Bc",
            "/a/b+c",
            "/a/~b",
            "/a/%41",
            "/a/%e2%80%8d",
            "/a/日本",
        ] {
            assert!(is_unambiguous(path), "{path:?}");
        }
    }

    #[test]
    fn other_spellings_of_a_literal_are_recognized() {
        for segment in
            ["export", "%65xpor%74", "export%20", "%20export", "export;v=1", "export.", "%20export%20.%20", "+export+"]
        {
            assert!(is_spelling_of(segment, "export"), "{segment}");
        }
        for segment in ["", "exports", "Export", "expor", ".export", "export%20x", "e%20xport"] {
            assert!(!is_spelling_of(segment, "export"), "{segment}");
        }
        for segment in ["+a+b", "%2Ba+b", "%20a%20b;x", "+a+b+"] {
            assert!(is_spelling_of(segment, "+a+b"), "{segment}");
        }
        assert!(!is_spelling_of("a+b", "+a+b"));
    }
}
