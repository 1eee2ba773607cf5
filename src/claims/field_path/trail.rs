//! [`Trail`]: the path of an error.

use std::{cell::RefCell, fmt};

/// The path of an error, innermost segment first.
#[derive(Default)]
pub(super) struct Trail(RefCell<Recorded>);

#[derive(Default)]
pub(super) struct Recorded {
    pub(super) segments: Vec<Segment>,
    pub(super) is_missing: bool,
}

pub(super) enum Segment {
    /// A field that the application's type declares.
    Field(&'static str),
    /// An entry of a map.
    Entry,
    Index(usize),
}

impl Trail {
    pub(super) fn into_recorded(self) -> Recorded {
        self.0.into_inner()
    }

    /// Adds a segment to the path if `read` is an error. A success clears the path, because the type has then recovered
    /// from any earlier error.
    pub(super) fn note<T, E>(&self, read: Result<T, E>, segment: impl FnOnce() -> Option<Segment>) -> Result<T, E> {
        let mut recorded = self.0.borrow_mut();
        match &read {
            Ok(_) => *recorded = Recorded::default(),
            Err(_) => recorded.segments.extend(segment()),
        }
        drop(recorded);
        read
    }

    /// Records the name of a missing field, if `error` reports one.
    ///
    /// Serde reports the field's name only in the message of the error. The message can also contain text from the
    /// token, so only a name that the type declares is recorded.
    pub(super) fn note_missing(&self, fields: &[&'static str], error: &impl fmt::Display) {
        let mut recorded = self.0.borrow_mut();
        if !recorded.segments.is_empty() {
            return;
        }
        let message = error.to_string();
        let Some(rest) = message.strip_prefix("missing field `") else { return };
        let is_named = |field: &&&str| rest.strip_prefix(**field).is_some_and(|rest| rest.starts_with('`'));
        if let Some(field) = fields.iter().find(is_named) {
            *recorded = Recorded { segments: vec![Segment::Field(field)], is_missing: true };
        }
    }
}
