//! Splits JSON into members or elements, one level at a time, and leaves their values as text.
//!
//! The feature `raw_value` of `serde_json` could do this, but it changes what a `serde_json::Value` reads, for every crate of the
//! program: `{"$serde_json::private::RawValue":"<json>"}` becomes the JSON inside the string, and the depth limit starts again there.
//! Nested wrappers then overflow the stack. This crate does not enable the feature, and stays safe if another crate does: it never
//! reads untrusted text as a `Value`. Skipping a value, as is done here, needs no recursion.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, IgnoredAny};
use serde::ser::{Error as _, Serialize, Serializer};

use super::Name;

/// Returns the members of an object in their order, repeated names included. [`None`] if `json` is not one JSON object.
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

/// Returns the elements of an array. [`None`] if `json` is not one JSON array.
pub(crate) fn elements(json: &str) -> Option<Vec<&str>> {
    let mut text = Text(json);
    let mut elements = Vec::new();
    text.list(['[', ']'], |text| {
        elements.push(text.value()?);
        Some(())
    })?;
    Some(elements)
}

/// The part of a document that has not been read yet.
struct Text<'j>(&'j str);

impl<'j> Text<'j> {
    /// Reads a list to the end of the document: `[opening, closing]` around items with commas between them.
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

    /// Reads one character of punctuation, if it is next.
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

/// JSON text that serializes as the value it stands for, with members in their order. Its depth must have been limited before.
pub(crate) struct Verbatim<'j>(pub(crate) &'j str);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(json) = *self;
        match json.trim_start().as_bytes().first() {
            Some(b'{') => {
                let members = members(json).ok_or_else(|| S::Error::custom("not JSON"))?;
                serializer.collect_map(members.into_iter().map(|(name, value)| (name, Verbatim(value))))
            }
            Some(b'[') => {
                let elements = elements(json).ok_or_else(|| S::Error::custom("not JSON"))?;
                serializer.collect_seq(elements.into_iter().map(Verbatim))
            }
            Some(b'"') => typed::<String, S>(json, serializer),
            Some(b'n') => typed::<(), S>(json, serializer),
            Some(b't' | b'f') => typed::<bool, S>(json, serializer),
            _ => typed::<serde_json::Number, S>(json, serializer),
        }
    }
}

fn typed<T: serde::de::DeserializeOwned + Serialize, S: Serializer>(
    json: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<T>(json).map_err(S::Error::custom)?.serialize(serializer)
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
    fn text_that_is_not_one_object_or_array_is_none() {
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

    #[test]
    fn verbatim_json_serializes_as_what_it_says() {
        let json = r#"{"z":[1,-2,1.5,true,false,null],"a":{"\u00e4":"\"\ud83d\ude00"}}"#;
        assert_eq!(
            serde_json::to_string(&Verbatim(json)).unwrap(),
            r#"{"z":[1,-2,1.5,true,false,null],"a":{"ä":"\"😀"}}"#
        );
    }
}
