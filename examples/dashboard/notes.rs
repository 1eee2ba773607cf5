//! The notes of the users, in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The maximum number of notes per user.
const NOTES_MAX: usize = 20;
/// The maximum number of users with notes.
const USERS_MAX: usize = 1_000;
/// The maximum length of a note, in characters.
const LENGTH_MAX: usize = 200;

/// The notes of each user, by `sub`.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Notes {
    /// Adds a note, and drops the user's oldest note if the user has too many. Empty notes are ignored.
    pub(crate) fn add(&self, sub: &str, text: &str) {
        let text: String = text.trim().chars().take(LENGTH_MAX).collect();
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.is_empty() || (users.len() >= USERS_MAX && !users.contains_key(sub)) {
            return;
        }
        let notes = users.entry(sub.to_owned()).or_default();
        notes.push(text);
        if notes.len() > NOTES_MAX {
            notes.remove(0);
        }
    }

    /// Returns the notes of a user, newest first.
    pub(crate) fn of(&self, sub: &str) -> Vec<String> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(sub).into_iter().flatten().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{LENGTH_MAX, NOTES_MAX, Notes};

    #[test]
    fn notes_are_bounded_and_belong_to_one_user() {
        let notes = Notes::default();
        notes.add("alice", " ");
        (0..NOTES_MAX + 5).for_each(|number| notes.add("alice", &format!("note {number}")));
        notes.add("bob", &"x".repeat(LENGTH_MAX + 1));
        assert_eq!(notes.of("alice").len(), NOTES_MAX);
        assert_eq!(notes.of("alice")[0], format!("note {}", NOTES_MAX + 4));
        assert_eq!(notes.of("bob"), ["x".repeat(LENGTH_MAX)]);
        assert!(notes.of("carol").is_empty());
    }
}
