//! Reads the JSON of a payload and records the positions of the known members.

use std::{borrow::Cow, fmt, time::Duration};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{compact::Span, member::Member, numeric_date::NumericDate};
use crate::json::{MemberNames, Name, Text, Unique, other_types};

/// A member that may occur once.
#[derive(Clone, Copy, Default)]
pub(super) enum Once<T> {
    #[default]
    Unseen,
    Wrong,
    Seen(T),
}

impl<T> Once<T> {
    pub(super) fn into_option(self) -> Option<T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Unseen | Self::Wrong => None,
        }
    }

    fn is_unseen(&self) -> bool {
        matches!(self, Self::Unseen)
    }
}

pub(super) struct Reader<'t, 'a> {
    text: &'t str,
    accepts_issuer: &'a mut dyn FnMut(&str) -> bool,
    /// `true` if the issuer was not accepted, so the rest of the payload was not read.
    pub(super) is_stopped: bool,
    pub(super) unescaped: String,
    pub(super) strings: [Once<Span>; Member::COUNT],
    pub(super) groups: Once<Vec<Span>>,
    pub(super) exp: Once<Duration>,
    pub(super) iat: Once<Duration>,
    pub(super) nbf: Once<Duration>,
    pub(super) auth_time: Once<Duration>,
    /// The first member that has an unexpected type, except for members that are defined only for access tokens.
    pub(super) wrong_type: Option<&'static str>,
    /// The first member that has an unexpected type and is defined only for access tokens.
    pub(super) wrong_in_access: Option<&'static str>,
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(super) fn new(text: &'t str, accepts_issuer: &'a mut dyn FnMut(&str) -> bool) -> Self {
        Self {
            text,
            accepts_issuer,
            is_stopped: false,
            unescaped: String::new(),
            strings: [Once::Unseen; Member::COUNT],
            groups: Once::Unseen,
            exp: Once::Unseen,
            iat: Once::Unseen,
            nbf: Once::Unseen,
            auth_time: Once::Unseen,
            wrong_type: None,
            wrong_in_access: None,
        }
    }

    /// Returns the position of a value. A value without escapes is already part of the text. If a value has escapes,
    /// its unescaped form is appended to `unescaped`.
    fn locate<E: de::Error>(&mut self, value: Cow<'t, str>) -> Result<Span, E> {
        let length = value.len();
        let start = match value {
            // INVARIANT: a borrowed value is a part of `text`, so the difference of the addresses is its offset.
            Cow::Borrowed(part) => part.as_ptr().addr() - self.text.as_ptr().addr(),
            Cow::Owned(part) => {
                let start = self.text.len() + self.unescaped.len();
                self.unescaped.push_str(&part);
                start
            }
        };
        match (u32::try_from(start), u32::try_from(start + length)) {
            (Ok(start), Ok(end)) => Ok(Span { start, end }),
            _ => Err(E::custom("too long")),
        }
    }

    fn string<A: MapAccess<'t>>(&mut self, member: Member, map: &mut A) -> Result<(), A::Error> {
        if !self.strings[member as usize].is_unseen() {
            return Err(de::Error::duplicate_field(member.name()));
        }
        self.strings[member as usize] = match map.next_value_seed(Text)? {
            Some(value) => {
                self.is_stopped = member == Member::Iss && !(self.accepts_issuer)(&value);
                Once::Seen(self.locate(value)?)
            }
            None if member.is_of_access_tokens() => {
                self.wrong_in_access.get_or_insert(member.name());
                Once::Wrong
            }
            None => self.wrong(member.name()),
        };
        Ok(())
    }

    fn date<A: MapAccess<'t>>(
        &mut self,
        name: &'static str,
        found: &str,
        slot: fn(&mut Self) -> &mut Once<Duration>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if !slot(self).is_unseen() {
            return Err(de::Error::duplicate_field(name));
        }
        *slot(self) = match map.next_value_seed(NumericDate { is_number: self.is_number_next(found) })? {
            Some(date) => Once::Seen(date),
            None => self.wrong(name),
        };
        Ok(())
    }

    /// Returns `true` if a number follows this member name in the text. Returns `false` for a name with escapes,
    /// because its unescaped form is not part of the text.
    fn is_number_next(&self, name: &str) -> bool {
        let Some(start) = name.as_ptr().addr().checked_sub(self.text.as_ptr().addr()) else { return false };
        let after_quote = start + name.len() + 1;
        let rest = self.text.as_bytes().get(after_quote..).unwrap_or_default();
        let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':'));
        first.is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit())
    }

    fn groups<A: MapAccess<'t>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if !self.groups.is_unseen() {
            return Err(de::Error::duplicate_field("cognito:groups"));
        }
        self.groups = match map.next_value_seed(Groups(self))? {
            Some(groups) => Once::Seen(groups),
            None => self.wrong("cognito:groups"),
        };
        Ok(())
    }

    fn wrong<T>(&mut self, name: &'static str) -> Once<T> {
        self.wrong_type.get_or_insert(name);
        Once::Wrong
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader<'de, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader<'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut others = MemberNames::default();
        while !self.is_stopped
            && let Some(name) = map.next_key_seed(Name)?
        {
            match &*name {
                "iss" => self.string(Member::Iss, &mut map)?,
                "sub" => self.string(Member::Sub, &mut map)?,
                "token_use" => self.string(Member::TokenUse, &mut map)?,
                "client_id" => self.string(Member::ClientId, &mut map)?,
                "aud" => self.string(Member::Aud, &mut map)?,
                "username" => self.string(Member::Username, &mut map)?,
                "cognito:username" => self.string(Member::CognitoUsername, &mut map)?,
                "scope" => self.string(Member::Scope, &mut map)?,
                "jti" => self.string(Member::Jti, &mut map)?,
                "origin_jti" => self.string(Member::OriginJti, &mut map)?,
                "cognito:groups" => self.groups(&mut map)?,
                "exp" => self.date("exp", &name, |reader| &mut reader.exp, &mut map)?,
                "iat" => self.date("iat", &name, |reader| &mut reader.iat, &mut map)?,
                "nbf" => self.date("nbf", &name, |reader| &mut reader.nbf, &mut map)?,
                "auth_time" => self.date("auth_time", &name, |reader| &mut reader.auth_time, &mut map)?,
                _ => {
                    others.insert(name)?;
                    map.next_value_seed(Unique)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads an array of strings. Yields [`None`] for any other value.
struct Groups<'r, 't, 'a>(&'r mut Reader<'t, 'a>);

impl<'de> DeserializeSeed<'de> for Groups<'_, 'de, '_> {
    type Value = Option<Vec<Span>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Groups<'_, 'de, '_> {
    type Value = Option<Vec<Span>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut groups = Some(Vec::new());
        while let Some(group) = seq.next_element_seed(Text)? {
            match (group, &mut groups) {
                (Some(group), Some(groups)) => groups.push(self.0.locate(group)?),
                _ => groups = None,
            }
        }
        Ok(groups)
    }

    other_types!(bool number string null object => None);
}
