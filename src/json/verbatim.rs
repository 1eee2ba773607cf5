//! [`Verbatim`]: JSON text as a serializable value.

use serde::{
    de::DeserializeOwned,
    ser::{Error as _, Serialize, Serializer},
};

use super::raw::{elements, members};

/// JSON text that serializes as the value it contains, with the members in their original order. The caller must limit
/// the nesting depth of the text.
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

fn typed<T: DeserializeOwned + Serialize, S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<T>(json).map_err(S::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbatim_json_serializes_as_its_value() {
        let json = r#"{"z":[1,-2,1.5,true,false,null],"a":{"\u00e4":"\"\ud83d\ude00"}}"#;
        assert_eq!(
            serde_json::to_string(&Verbatim(json)).unwrap(),
            r#"{"z":[1,-2,1.5,true,false,null],"a":{"ä":"\"😀"}}"#
        );
    }
}
