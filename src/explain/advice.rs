//! [`Advice`]: the usual cause of a rejection, and a fix.

use std::borrow::Cow;

/// A cause and a fix, in full sentences.
pub(super) struct Advice {
    pub(super) cause: Cow<'static, str>,
    pub(super) fix: Cow<'static, str>,
}

impl Advice {
    pub(super) fn new(cause: impl Into<Cow<'static, str>>, fix: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }
}
