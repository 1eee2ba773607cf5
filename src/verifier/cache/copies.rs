//! Avoids contention by copying tokens that several threads use continuously.
//!
//! All threads share the claims in the cache's table. Each use of a cached token changes the reference count of its
//! claims. If several threads use the same token continuously, they contend for this count, and two threads together
//! are slower than one. Each thread therefore has a small shard of copies with separate reference counts.
//!
//! Only every [`COPY_EVERY`]th table hit of a shard makes a copy. A frequently used token is therefore copied soon,
//! whereas a token among thousands of others is rarely copied. The cache owns the shards, so the copies are freed with
//! the verifier.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::entry::{Entry, Tag};
use crate::claims::VerifiedToken;

/// The number of shards. If there are more threads than shards, some threads share a shard and can contend for it.
pub(super) const SHARDS: usize = 64;

/// The number of copies in a shard.
const COPIES: usize = 16;

/// A copy is made after this many hits in the table. Each shard counts its own hits.
pub(super) const COPY_EVERY: u32 = 64;

pub(super) struct Copies {
    shards: Box<[Shard]>,
}

/// The copies that one thread uses, or several threads if there are more threads than shards. The alignment keeps
/// shards in separate cache lines.
#[repr(align(64))]
struct Shard {
    copies: [ArcSwapOption<Entry>; COPIES],
    hits: AtomicU32,
}

impl Copies {
    pub(super) fn new() -> Self {
        let shard = || Shard { copies: array::from_fn(|_| ArcSwapOption::empty()), hits: AtomicU32::new(0) };
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Returns this thread's copy of a token.
    pub(super) fn get(&self, tag: Tag) -> Option<Arc<VerifiedToken>> {
        let copy = self.shard().place(tag).load();
        copy.as_ref().filter(|copy| copy.tag == tag).map(|copy| Arc::clone(&copy.token))
    }

    /// Counts a table hit of this thread, and copies the token on every [`COPY_EVERY`]th hit.
    pub(super) fn count_hit(&self, tag: Tag, token: &VerifiedToken) {
        let shard = self.shard();
        if shard.hits.fetch_add(1, Ordering::Relaxed) % COPY_EVERY == COPY_EVERY - 1 {
            shard.place(tag).store(Some(Arc::new(Entry { tag, token: Arc::new(token.duplicate()) })));
        }
    }

    /// Returns the places of one shard, for clearing expired copies.
    pub(super) fn places(&self, shard: usize) -> &[ArcSwapOption<Entry>] {
        &self.shards[shard % SHARDS].copies
    }

    fn shard(&self) -> &Shard {
        &self.shards[thread_number() % SHARDS]
    }
}

impl Shard {
    fn place(&self, tag: Tag) -> &ArcSwapOption<Entry> {
        &self.copies[tag.copy_bits() % COPIES]
    }
}

/// Returns this thread's number. Threads are numbered in the order in which they first use a cache.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.try_with(|number| *number).unwrap_or_default()
}
