//! An entry of the token cache, and its tag.

use std::sync::Arc;

use crate::claims::VerifiedToken;

/// A token's tag: a GMAC over every byte of the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::verifier) struct Tag(pub(super) u128);

/// A verified token and the tag under which it is cached.
pub(super) struct Entry {
    pub(super) tag: Tag,
    pub(super) token: Arc<VerifiedToken>,
}

impl Tag {
    /// Returns bits 0 to 63 of the tag, which the table stores as the entry's hint.
    pub(super) fn low_half(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default()
    }

    /// Returns bits 64 to 95 of the tag, which select the set in the table.
    pub(super) fn set_bits(self) -> usize {
        usize::try_from(self.0 >> 64 & 0xffff_ffff).unwrap_or_default()
    }

    /// Returns bits 96 to 111 of the tag, which select the place of a copy. The hint and the set use other bits of the
    /// tag.
    pub(super) fn copy_bits(self) -> usize {
        usize::try_from(self.0 >> 96 & 0xffff).unwrap_or_default()
    }
}
