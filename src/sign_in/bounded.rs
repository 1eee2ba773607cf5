//! [`Bounded`]: a map whose entries expire, with a limit on their number.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// A map from session IDs to values that expire. Times are seconds since 1970.
///
/// If the map is full, an insertion evicts the entry that expires first. Every insertion also removes a few expired
/// entries, so the map shrinks after a peak.
pub(super) struct Bounded<V> {
    entries: HashMap<Arc<str>, (u64, V)>,
    /// The IDs, ordered by expiry time.
    order: BTreeSet<(u64, Arc<str>)>,
    capacity: usize,
}

/// The largest number of expired entries that an insertion removes.
const SWEEP: usize = 4;

impl<V> Bounded<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeSet::new(), capacity }
    }

    /// Returns the value, unless it has expired.
    pub(super) fn get(&self, id: &str, now: u64) -> Option<&V> {
        self.entries.get(id).filter(|(until, _)| now < *until).map(|(_, value)| value)
    }

    /// Returns a mutable reference to the value, unless it has expired.
    pub(super) fn get_mut(&mut self, id: &str, now: u64) -> Option<&mut V> {
        self.entries.get_mut(id).filter(|(until, _)| now < *until).map(|(_, value)| value)
    }

    /// Inserts a value that expires at `until`, or replaces the previous value.
    pub(super) fn insert(&mut self, id: &str, value: V, until: u64, now: u64) {
        self.remove(id);
        for _ in 0..SWEEP {
            let expired = self.order.first().is_some_and(|(until, _)| *until <= now);
            if expired || self.entries.len() >= self.capacity {
                self.remove_first();
            }
        }
        let id: Arc<str> = id.into();
        self.order.insert((until, Arc::clone(&id)));
        self.entries.insert(id, (until, value));
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some((id, (until, _))) = self.entries.remove_entry(id) {
            self.order.remove(&(until, id));
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, id)) = self.order.pop_first() {
            self.entries.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_expires_at_its_time() {
        let mut map = Bounded::new(10);
        map.insert("a", 1, 100, 0);
        assert_eq!((map.get("a", 99), map.get("a", 100), map.get("b", 0)), (Some(&1), None, None));
        assert_eq!(map.get_mut("a", 100), None);
        assert_eq!(map.get_mut("a", 99), Some(&mut 1));
        map.insert("a", 2, 200, 0);
        assert_eq!((map.get("a", 150), map.len()), (Some(&2), 1));
        map.remove("a");
        assert_eq!((map.get("a", 0), map.len()), (None, 0));
    }

    #[test]
    fn full_map_evicts_the_entry_that_expires_first() {
        let mut map = Bounded::new(3);
        for (id, until) in [("late", 300), ("soon", 100), ("middle", 200), ("new", 50)] {
            map.insert(id, (), until, 0);
        }
        assert!(map.get("soon", 0).is_none());
        assert!(["late", "middle", "new"].iter().all(|id| map.get(id, 0).is_some()));
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn insertions_remove_expired_entries() {
        let mut map = Bounded::new(1_000);
        for number in 0..100 {
            map.insert(&number.to_string(), (), 10, 0);
        }
        assert_eq!(map.len(), 100);
        for number in 100..140 {
            map.insert(&number.to_string(), (), 20, 10);
        }
        assert_eq!(map.len(), 40);
    }
}
