//! Parses the payload of a token into a [`ClaimSet`], in one pass. A typical token causes two allocations.
//!
//! A claim set keeps the payload as signed and stores the position of each known value in it. Values with JSON escapes
//! are unescaped once, into the same buffer. Claims without an accessor can still be read from the verified JSON.
//!
//! The claims that the checks need are read strictly. Each of these claims must have its documented type. Objects at
//! any depth must not have duplicate members. If two parsers chose different duplicates, a token could pass a check
//! with one value and be used with the other. RFC 7519 §4 allows a recipient to reject duplicates. Unknown claims are
//! ignored, as AWS recommends ("Parse user pool tokens safely").
//!
//! There is only one reader, so a token cannot be read in two ways. If no key is found for the token, the reader stops
//! after `iss`, because the token is rejected in any case. An accepted token is always read to its end.

mod claim_set;
mod compact;
mod member;
mod numeric_date;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use claim_set::ClaimSet;
