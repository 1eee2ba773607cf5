//! Splits an object or array one level deep, and keeps the values as text.
//!
//! `serde_json` can keep values as text with its feature `raw_value`, but the feature changes how every crate in the
//! program deserializes a `serde_json::Value`. With `raw_value`, the object
//! `{"$serde_json::private::RawValue":"<json>"}` becomes the JSON inside the string. The depth limit starts again for
//! this JSON, so nested objects of this form overflow the stack.
//!
//! This crate remains safe if another crate enables `raw_value`. The crate never deserializes untrusted text as a
//! `Value`, and it skips values without recursion.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, IgnoredAny};

use super::names::Name;

/// Returns the members of an object in order, including duplicates. Returns [`None`] if `json` is not a single JSON
/// object.
pub(crate) fn members(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut text = Text(json);
    let mut members = Vec::new();
    text.list(['{', '}'], |text| {
        let name = Name.deserialize(&mut serde_json::Deserializer::from_str(text.value()?)).ok()?;
        text.accept(':').then_some(())?;
        members.push((name, text.value()?));
        Some(())
    })?;
    Some(members)
}

/// Returns the elements of an array. Returns [`None`] if `json` is not a single JSON array.
pub(crate) fn elements(json: &str) -> Option<Vec<&str>> {
    let mut text = Text(json);
    let mut elements = Vec::new();
    text.list(['[', ']'], |text| {
        elements.push(text.value()?);
        Some(())
    })?;
    Some(elements)
}

/// The unread rest of a document.
struct Text<'j>(&'j str);

impl<'j> Text<'j> {
    /// Reads comma-separated items between `opening` and `closing`, up to the end of the document.
    fn list(&mut self, [opening, closing]: [char; 2], mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.accept(opening).then_some(())?;
        if !self.accept(closing) {
            item(self)?;
            while self.accept(',') {
                item(self)?;
            }
            self.accept(closing).then_some(())?;
        }
        self.skip_whitespace();
        self.0.is_empty().then_some(())
    }

    /// Reads a punctuation character if it comes next.
    fn accept(&mut self, punctuation: char) -> bool {
        self.skip_whitespace();
        self.0.strip_prefix(punctuation).map(|rest| self.0 = rest).is_some()
    }

    /// Reads one value of any type.
    fn value(&mut self) -> Option<&'j str> {
        self.skip_whitespace();
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, rest) = self.0.split_at_checked(values.byte_offset())?;
        self.0 = rest;
        Some(value)
    }

    fn skip_whitespace(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_keep_their_text() {
        let json = " {\"a\" : [1, {\"b\":\"}\"}] ,\"\\u0063\":1e400\t,\"a\":\"\\ud800\",\"d\":-0.5 }\n";
        let expected = [("a", "[1, {\"b\":\"}\"}]"), ("c", "1e400"), ("a", "\"\\ud800\""), ("d", "-0.5")];
        assert_eq!(members(json).unwrap(), expected.map(|(name, value)| (Cow::Borrowed(name), value)));
        assert_eq!(elements(" [ 1,\"]\" , null,[ ] ]").unwrap(), ["1", "\"]\"", "null", "[ ]"]);
        assert_eq!((members("{ }").unwrap().len(), elements("[]").unwrap().len()), (0, 0));
    }

    #[test]
    fn text_that_is_not_one_object_or_array_is_rejected() {
        for json in [
            "",
            "[]",
            "{",
            "{}{}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{1:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":01}",
        ] {
            assert!(members(json).is_none(), "{json}");
        }
        for json in ["", "{}", "[", "[]]", "[1,]", "[,]", "[1 2]", "[nul]", "[1][1]"] {
            assert!(elements(json).is_none(), "{json}");
        }
    }
}
