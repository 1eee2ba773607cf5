//! [`ClaimSet`]: the claims of one token.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeSeed;

use super::{
    compact::{Date, Span},
    member::Member,
    reader::{Once, Reader},
};
use crate::token_use::TokenUse;

/// The claims of one token, which may be unverified. Only the claims of a
/// [`VerifiedToken`](crate::claims::VerifiedToken) have passed every check.
#[derive(Clone)]
pub(crate) struct ClaimSet {
    /// The signed payload, followed by the unescaped form of each known value that contains escapes.
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

impl ClaimSet {
    /// Parses the payload of a token.
    ///
    /// If `iss` is a string, it is passed to `accepts_issuer` as soon as it has been read. If `accepts_issuer` returns
    /// `false`, the rest of the payload is not read.
    ///
    /// # Errors
    /// Returns a fixed phrase if the payload is not one JSON object with unique members, or if the issuer is not
    /// accepted. A claim with the wrong type is not an error here, because the signature is not verified yet. After the
    /// verification, [`wrong_type`](Self::wrong_type) returns the claim.
    pub(crate) fn parse(payload: Vec<u8>, accepts_issuer: &mut dyn FnMut(&str) -> bool) -> Result<Self, &'static str> {
        let mut text = String::from_utf8(payload).map_err(|_| "the payload is not UTF-8")?;
        let json_end = u32::try_from(text.len()).map_err(|_| "the payload is too long")?;
        let mut reader = Reader::new(&text, accepts_issuer);
        let mut json = serde_json::Deserializer::from_str(&text);
        let read = (&mut reader).deserialize(&mut json).and_then(|()| json.end());
        if reader.is_stopped {
            return Err("the issuer is not accepted");
        }
        read.map_err(|_| "the payload is not a JSON object with unique members")?;
        let Reader { unescaped, strings, groups, exp, iat, nbf, auth_time, wrong_type, wrong_in_access, .. } = reader;
        let date = |date: Once<Duration>| date.into_option().map_or(Date::NONE, Date::of);
        // `nbf` is rounded up to milliseconds and all other dates are rounded down, so that no token is accepted before
        // its `nbf` or after its `exp`.
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

    /// Returns the payload as signed.
    pub(crate) fn json(&self) -> &str {
        &self.text[..self.json_end as usize]
    }

    /// Returns the first claim whose type differs from the type that Cognito documents for this token kind.
    pub(crate) fn wrong_type(&self) -> Option<&'static str> {
        self.wrong_type
    }

    pub(crate) fn iss(&self) -> Option<&str> {
        self.string(Member::Iss)
    }

    pub(crate) fn sub(&self) -> Option<&str> {
        self.string(Member::Sub)
    }

    /// Returns the value of `token_use`, even if it is neither `access` nor `id`.
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

    /// Returns `username` of an access token, or `cognito:username` of an ID token. Machine tokens have neither claim.
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
        // `Span::NONE` is beyond the end of every text, so it yields `None`.
        self.text.get(start as usize..end as usize)
    }

    fn slice(&self, Span { start, end }: Span) -> &str {
        // INVARIANT: the span comes from `Reader::locate`, so it covers a whole string in this text.
        &self.text[start as usize..end as usize]
    }
}
