//! From the bytes of a payload to a [`ClaimSet`], in one pass and two allocations.
//!
//! A claim set keeps the payload as it was signed and remembers where in it each value stands. Values that JSON escapes are
//! written out once behind it. So claims cost one buffer whatever their number, and the verified JSON stays at hand for claims
//! that nobody foresaw.
//!
//! What Cognito documents is read strictly: each claim in its documented type, members at most once, in every object
//! however deep (two parsers that pick different duplicates are how a check is passed with one value and a right
//! used with another; RFC 7519 §4 allows the refusal). What is unknown is ignored, as "Parse user pool tokens safely" asks.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{
    json::{MemberNames, Name, Text, Unique, other_types},
    token_use::TokenUse,
};

/// Where a value stands in [`ClaimSet::text`], in bytes.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// No value. A text is never this long, and a cached token is a third smaller than with `Option`.
    const NONE: Self = Self { start: u32::MAX, end: u32::MAX };
}

/// A date in milliseconds since 1970, or the largest number for none: half the size of `Option<Duration>`.
#[derive(Clone, Copy)]
struct Date(u64);

impl Date {
    const NONE: Self = Self(u64::MAX);

    fn of(since: Duration) -> Self {
        // INVARIANT: before the year 10000, so that it fits.
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn time(self) -> Option<SystemTime> {
        (self.0 != u64::MAX).then(|| UNIX_EPOCH + Duration::from_millis(self.0))
    }
}

/// The claims of one token, read but by themselves worth nothing: who holds one inside a
/// [`VerifiedToken`](super::VerifiedToken) knows that the signature and the policy hold.
#[derive(Clone)]
pub(crate) struct ClaimSet {
    /// The payload as signed, then the values that were escaped in it.
    text: String,
    json_end: u32,
    strings: [Span; Member::COUNT],
    groups: Vec<Span>,
    exp: Date,
    iat: Date,
    nbf: Date,
    auth_time: Date,
    wrong_type: Option<&'static str>,
}

/// The members that are strings and looked at on every request or by most handlers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Iss,
    Sub,
    TokenUse,
    ClientId,
    Aud,
    Username,
    CognitoUsername,
    Scope,
    Jti,
    OriginJti,
}

impl Member {
    const COUNT: usize = 10;

    /// Means nothing in an ID token, where a pre token generation trigger may write what it likes under these names.
    fn is_of_access_tokens(self) -> bool {
        matches!(self, Self::ClientId | Self::Username | Self::Scope)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::TokenUse => "token_use",
            Self::ClientId => "client_id",
            Self::Aud => "aud",
            Self::Username => "username",
            Self::CognitoUsername => "cognito:username",
            Self::Scope => "scope",
            Self::Jti => "jti",
            Self::OriginJti => "origin_jti",
        }
    }
}

impl ClaimSet {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// A fixed phrase if it is not one JSON object with unique members. Claims of a wrong type are not an error yet (nobody
    /// knows who wrote them before the signature is checked) but remembered in [`wrong_type`](Self::wrong_type).
    pub(crate) fn parse(payload: Vec<u8>) -> Result<Self, &'static str> {
        let mut text = String::from_utf8(payload).map_err(|_| "the payload is not UTF-8")?;
        let json_end = u32::try_from(text.len()).map_err(|_| "the payload is too long")?;
        let mut reader = Reader::new(&text);
        let mut json = serde_json::Deserializer::from_str(&text);
        (&mut reader)
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|_| "the payload is not a JSON object with unique members")?;
        let Reader { unescaped, strings, groups, exp, iat, nbf, auth_time, wrong_type, wrong_in_access, .. } = reader;
        let date = |date: Once<Duration>| date.into_option().map_or(Date::NONE, Date::of);
        // Milliseconds are rounded so that no token is valid too long: down, and the beginning up.
        let nbf = nbf.into_option().map_or(Date::NONE, |nbf| Date::of(nbf + Duration::from_nanos(999_999)));
        let [exp, iat, auth_time] = [exp, iat, auth_time].map(date);
        let groups = groups.into_option().unwrap_or_default();
        let strings = strings.map(|string| string.into_option().unwrap_or(Span::NONE));
        if !unescaped.is_empty() {
            text.push_str(&unescaped);
        }
        let mut claims = Self { text, json_end, strings, groups, exp, iat, nbf, auth_time, wrong_type };
        if claims.token_use() != Some(TokenUse::Id) {
            claims.wrong_type = wrong_type.or(wrong_in_access);
        }
        Ok(claims)
    }

    /// The payload as it was signed.
    pub(crate) fn json(&self) -> &str {
        &self.text[..self.json_end as usize]
    }

    /// One of the claims below that has another type than Cognito documents for this kind of token, if any.
    pub(crate) fn wrong_type(&self) -> Option<&'static str> {
        self.wrong_type
    }

    pub(crate) fn iss(&self) -> Option<&str> {
        self.string(Member::Iss)
    }

    pub(crate) fn sub(&self) -> Option<&str> {
        self.string(Member::Sub)
    }

    /// The claim as it stands; [`token_use`](Self::token_use) is its meaning.
    pub(crate) fn token_use_claim(&self) -> Option<&str> {
        self.string(Member::TokenUse)
    }

    pub(crate) fn token_use(&self) -> Option<TokenUse> {
        match self.token_use_claim()? {
            "access" => Some(TokenUse::Access),
            "id" => Some(TokenUse::Id),
            _ => None,
        }
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.string(Member::ClientId)
    }

    pub(crate) fn aud(&self) -> Option<&str> {
        self.string(Member::Aud)
    }

    /// Access tokens call it `username`, ID tokens `cognito:username`; tokens of machines have neither.
    pub(crate) fn username(&self) -> Option<&str> {
        match self.token_use()? {
            TokenUse::Access => self.string(Member::Username),
            TokenUse::Id => self.string(Member::CognitoUsername),
        }
    }

    pub(crate) fn scope(&self) -> Option<&str> {
        self.string(Member::Scope)
    }

    pub(crate) fn jti(&self) -> Option<&str> {
        self.string(Member::Jti)
    }

    pub(crate) fn origin_jti(&self) -> Option<&str> {
        self.string(Member::OriginJti)
    }

    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.groups.iter().map(|span| self.slice(*span))
    }

    pub(crate) fn exp(&self) -> Option<SystemTime> {
        self.exp.time()
    }

    pub(crate) fn iat(&self) -> Option<SystemTime> {
        self.iat.time()
    }

    pub(crate) fn nbf(&self) -> Option<SystemTime> {
        self.nbf.time()
    }

    pub(crate) fn auth_time(&self) -> Option<SystemTime> {
        self.auth_time.time()
    }

    fn string(&self, member: Member) -> Option<&str> {
        let Span { start, end } = self.strings[member as usize];
        // `None` for `Span::NONE`, which is beyond every text.
        self.text.get(start as usize..end as usize)
    }

    fn slice(&self, Span { start, end }: Span) -> &str {
        // INVARIANT: spans are made by `Reader::locate` from whole strings of this very text.
        &self.text[start as usize..end as usize]
    }
}

/// A member that may be seen once.
#[derive(Clone, Copy, Default)]
enum Once<T> {
    #[default]
    Unseen,
    /// Seen, with a value of another type.
    Wrong,
    Seen(T),
}

impl<T> Once<T> {
    fn into_option(self) -> Option<T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Unseen | Self::Wrong => None,
        }
    }

    fn is_unseen(&self) -> bool {
        matches!(self, Self::Unseen)
    }
}

/// Walks the payload and notes where the known members stand.
struct Reader<'t> {
    text: &'t str,
    unescaped: String,
    strings: [Once<Span>; Member::COUNT],
    groups: Once<Vec<Span>>,
    exp: Once<Duration>,
    iat: Once<Duration>,
    nbf: Once<Duration>,
    auth_time: Once<Duration>,
    wrong_type: Option<&'static str>,
    /// The same of what is only looked at in access tokens.
    wrong_in_access: Option<&'static str>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
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

    /// The span of a value: its place in the text where it stands there verbatim, else a new place behind the text.
    fn locate<E: de::Error>(&mut self, value: Cow<'t, str>) -> Result<Span, E> {
        let length = value.len();
        let start = match value {
            // A borrowed value is a part of `text`, so the difference of the addresses is its place.
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
            Some(value) => Once::Seen(self.locate(value)?),
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

    /// Returns `true` if a number follows this member's name in the text. An escaped name is not a part of the text, and yields `false`.
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

impl<'de> DeserializeSeed<'de> for &mut Reader<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut others = MemberNames::default();
        while let Some(name) = map.next_key_seed(Name)? {
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

/// Seconds since 1970 (RFC 7519 §2), fractions allowed; [`None`] for another type, a negative number or one after the year
/// 9999.
struct NumericDate {
    /// Numbers are asked for as such. Read as "any value" they would come as an object where another crate of the program turns on
    /// `serde_json/arbitrary_precision`, and then no token would have a date.
    is_number: bool,
}

/// The last second of the year 9999, where calendars end.
const LAST_DATE: u64 = 253_402_300_799;

impl<'de> DeserializeSeed<'de> for NumericDate {
    type Value = Option<Duration>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.is_number { deserializer.deserialize_f64(self) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for NumericDate {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok((seconds <= LAST_DATE).then(|| Duration::from_secs(seconds)))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST_DATE).map(Duration::from_secs))
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Self::Value, E> {
        // Refuses negative numbers, infinities and NaN, which `Duration` cannot be.
        Ok(Duration::try_from_secs_f64(seconds).ok().filter(|date| date.as_secs() <= LAST_DATE))
    }

    other_types!(bool string null array object => None);
}

/// An array of strings; [`None`] for anything else.
struct Groups<'r, 't>(&'r mut Reader<'t>);

impl<'de> DeserializeSeed<'de> for Groups<'_, 'de> {
    type Value = Option<Vec<Span>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Groups<'_, 'de> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ClaimSet, &'static str> {
        ClaimSet::parse(json.as_bytes().to_vec())
    }

    #[test]
    fn values_are_found_verbatim_and_escaped() {
        let json = r#" {"sub":"s","iss":"https:\/\/a\/b","token_use":"access","username":"al\u0069ce \ud83d\ude00",
            "cognito:groups":["plain","with \"quotes\"","","é"],"scope":"a/b c","exp":1.5,"iat":1e3,"x":{"y":[null,true]}} "#;
        let claims = parse(json).unwrap();
        assert_eq!(claims.sub(), Some("s"));
        assert_eq!(claims.iss(), Some("https://a/b"));
        assert_eq!(claims.username(), Some("alice 😀"));
        assert_eq!(claims.groups().collect::<Vec<_>>(), ["plain", "with \"quotes\"", "", "é"]);
        assert_eq!(claims.exp(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
        assert_eq!(claims.iat(), Some(UNIX_EPOCH + Duration::from_secs(1000)));
        // Between a name and its number JSON allows white space.
        let spaced = parse("{\"exp\" \t:\r\n 7,\"nbf\":-0,\"iat\" : \"1\"}").unwrap();
        assert_eq!(
            (spaced.exp(), spaced.nbf(), spaced.wrong_type()),
            (Some(UNIX_EPOCH + Duration::from_secs(7)), Some(UNIX_EPOCH), Some("iat"))
        );
        assert_eq!(claims.json(), json);
        assert_eq!(claims.wrong_type(), None);
    }

    #[test]
    fn what_is_not_one_object_with_unique_members_is_refused() {
        for json in [
            "",
            " ",
            "null",
            "1",
            "[]",
            "\"a\"",
            "{",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"exp\":1e400}",
            "{\"a\":-Infinity}",
            "{\"a\":1,\"a\":1}",
            "{\"exp\":1,\"exp\":1}",
            "{\"sub\":1,\"sub\":\"a\"}",
            "{\"s\\u0075b\":\"a\",\"sub\":\"b\"}",
            "{\"a\":{\"b\":1,\"b\":2}}",
            "{\"a\":[{\"b\":1,\"b\":2}]}",
            "{\"sub\":{\"b\":1,\"b\":2}}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"cognito:groups\":[],\"cognito:groups\":[]}",
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
        // With `serde_json/arbitrary_precision` the number is kept as it is written, and harms nobody.
        let kept = serde_json::from_str::<serde_json::Value>("1e400").is_ok();
        assert_eq!(parse("{\"a\":1e400}").is_ok(), kept, "a number out of range");
        assert!(parse("{\"exp\":{\"b\":1,\"b\":2}}").is_err(), "a duplicate where a date should be");
        assert!(parse(&format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200))).is_err(), "deep nesting");
        assert!(ClaimSet::parse(b"{\"a\":\"\xff\"}".to_vec()).is_err(), "invalid UTF-8");
        let many = (0..40).map(|n| format!("\"m{n}\":1")).collect::<Vec<_>>().join(",") + ",";
        assert!(parse(&format!("{{{many}\"last\":1}}")).is_ok());
        assert!(parse(&format!("{{{many}\"m39\":1}}")).is_err(), "a duplicate among many");
    }

    #[test]
    fn a_value_of_another_type_is_noticed_and_not_read() {
        for (member, values) in [
            ("iss", &["null", "1", "true", "[\"a\"]", "{}"][..]),
            ("sub", &["null", "1"]),
            ("token_use", &["null", "[\"access\"]"]),
            ("client_id", &["[]", "7"]),
            ("aud", &["[\"client\"]", "0"]),
            ("scope", &["[\"a\"]"]),
            ("cognito:groups", &["\"admins\"", "null", "[1]", "[\"a\",null]", "{\"a\":1}"]),
            ("exp", &["\"1\"", "true", "-1", "-0.5", "1e300", "253402300800", "18446744073709551616", "[1]", "null"]),
            ("nbf", &["\"1\"", "-1"]),
            ("iat", &["\"1\""]),
        ] {
            for value in values {
                let claims = parse(&format!("{{\"{member}\":{value}}}")).unwrap();
                assert_eq!(claims.wrong_type(), Some(member), "{member}: {value}");
                assert_eq!(claims.groups().len(), 0);
                assert_eq!((claims.exp(), claims.nbf(), claims.iat(), claims.sub()), (None, None, None, None));
            }
        }
    }
}
