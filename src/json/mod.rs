//! Strictly parses the JSON of token headers, payloads and key sets.
//!
//! `serde_json` checks the grammar, the depth (128) and the range of numbers. This module adds the check that member
//! names are unique, which RFC 7515 §4 and RFC 7519 §4 allow a recipient to require.

mod member;
mod names;
mod raw;
mod seeds;
mod verbatim;

pub(crate) use member::Member;
pub(crate) use names::{MemberNames, Name};
pub(crate) use raw::{elements, members};
pub(crate) use seeds::{Text, Unique, other_types};
pub(crate) use verbatim::Verbatim;
