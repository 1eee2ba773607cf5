//! The cache of verified tokens. A client sends the same token for up to an hour, and its signature is the same each time.
//!
//! # Content
//!
//! The cache keeps the claims of tokens that passed every check, under a 128-bit tag of the whole token. It does not keep the token, so
//! the memory contains no credential that could be sent to another service.
//!
//! The tag is a GMAC (NIST SP 800-38D §3): AES-128-GCM over an empty plaintext with the token as associated data, under a random key
//! per verifier. Every byte of the token is part of it. Why that is enough:
//!
//! - GHASH under an unknown key is a universal hash: two different messages of at most `n` blocks of 16 bytes have the same value with
//!   probability at most `n / 2^128` over the choice of the key. For tokens of 16 KiB that is `2^-118` a pair, and for the usual 1.2 KiB
//!   `2^-121`. So without the key no one can construct a token that hits the entry of another one.
//! - All tags use one nonce. That would be fatal for a MAC that is sent out. Here it adds the same mask to all tags, and no tag leaves
//!   the process, is logged, or can be queried.
//! - A hit is decided by all 128 bits.
//!
//! # Checks on a hit
//!
//! A hit compares `exp`, `nbf` and `iat` with the clock, and requires that the key which verified the token (not one with the same id)
//! is still in a usable set and that no app client was removed from the pool since. Rules and custom checks run on every request.
//!
//! # Bounds
//!
//! The number of entries is bounded by the table, and the size of an entry by the longest token that is cached. Longer tokens are
//! verified each time.
//!
//! The table is four-way set-associative, and is allocated with the first insertion. A new token takes an empty or expired place, or
//! else the place of the token that expires first. So one insertion evicts at most one entry, and only verified tokens are inserted:
//! invalid tokens cannot touch the table, and a client with many valid tokens evicts one entry with each. Every insertion also clears
//! expired entries from the next few places in turn, so claims do not stay in memory for long after their token expired.
//!
//! # Copies
//!
//! A read takes no lock and writes nothing shared except the reference count of the claims. If several threads use the same token all
//! the time, they contend for that count, and two threads together are slower than one. So each thread has a small shard of copies
//! with counts of its own. Only every [`COPY_EVERY`]th table hit of a shard makes a copy, which is rare for one token among thousands
//! and soon for a token that dominates. The cache owns the shards, so the copies end with the verifier.

use std::{
    array, fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};

use crate::claims::VerifiedToken;

/// The number of places that a token may take.
const WAYS: usize = 4;

/// The number of sets that an insertion sweeps.
const SWEEP: usize = 2;

/// The number of shards of copies. Two threads share a shard if there are more threads, which costs speed only.
const SHARDS: usize = 64;

/// The number of copies in a shard.
const COPIES: usize = 16;

/// The number of table hits in a shard for one that is copied.
const COPY_EVERY: u32 = 64;

/// A verified token with the tag it was verified under.
struct Entry {
    tag: u128,
    token: Arc<VerifiedToken>,
}

/// Four places, in one cache line.
struct Set {
    /// The low half of each place's tag. It is written apart from the entry, so it may be wrong for a moment. The entry's own tag
    /// decides.
    hints: [AtomicU64; WAYS],
    places: [ArcSwapOption<Entry>; WAYS],
}

/// The copies of one thread, in cache lines that other threads do not write.
#[repr(align(64))]
struct Shard {
    copies: [ArcSwapOption<Entry>; COPIES],
    hits: AtomicU32,
}

/// The memory that the first insertion allocates.
struct Table {
    sets: Box<[Set]>,
    shards: Box<[Shard]>,
}

pub(super) struct TokenCache {
    key: LessSafeKey,
    /// A power of two.
    set_count: usize,
    max_token_bytes: usize,
    table: OnceLock<Table>,
    sweeper: AtomicUsize,
    leeway: Duration,
}

/// A token's tag, from [`TokenCache::tag`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u128);

impl Table {
    fn new(set_count: usize) -> Self {
        let set =
            || Set { hints: array::from_fn(|_| AtomicU64::new(0)), places: array::from_fn(|_| ArcSwapOption::empty()) };
        let shard = || Shard { copies: array::from_fn(|_| ArcSwapOption::empty()), hits: AtomicU32::new(0) };
        Self { sets: (0..set_count).map(|_| set()).collect(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn set(&self, Tag(tag): Tag) -> &Set {
        // INVARIANT: the number of sets is a power of two.
        let high = usize::try_from(tag >> 64 & 0xffff_ffff).unwrap_or_default();
        &self.sets[high & (self.sets.len() - 1)]
    }

    fn shard(&self) -> &Shard {
        &self.shards[thread_number() % SHARDS]
    }
}

impl Shard {
    fn place(&self, Tag(tag): Tag) -> &ArcSwapOption<Entry> {
        &self.copies[usize::try_from(tag >> 96 & 0xffff).unwrap_or_default() % COPIES]
    }

    fn get(&self, tag: Tag) -> Option<Arc<VerifiedToken>> {
        self.place(tag).load().as_ref().filter(|copy| copy.tag == tag.0).map(|copy| Arc::clone(&copy.token))
    }

    /// Counts a table hit, and copies the token if its turn has come.
    fn count_hit(&self, tag: Tag, token: &VerifiedToken) {
        if self.hits.fetch_add(1, Ordering::Relaxed) % COPY_EVERY == COPY_EVERY - 1 {
            self.place(tag).store(Some(Arc::new(Entry { tag: tag.0, token: Arc::new(token.duplicate()) })));
        }
    }
}

/// A number for each thread, counted in the order of their first use of any cache.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.try_with(|number| *number).unwrap_or_default()
}

impl TokenCache {
    /// Creates a cache for this many tokens, rounded up to a power of two, none longer than `max_token_bytes`.
    ///
    /// Returns [`None`] for a capacity of zero, and if the system has no random numbers, because then there is no safe key.
    pub(super) fn new(capacity: usize, max_token_bytes: usize, leeway: Duration) -> Option<Self> {
        if capacity == 0 {
            return None;
        }
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
        let set_count = capacity.div_ceil(WAYS).next_power_of_two();
        Some(Self { key, set_count, max_token_bytes, table: OnceLock::new(), sweeper: AtomicUsize::new(0), leeway })
    }

    /// Computes the tag over every byte of a token. Returns [`None`] if the token is too long for the cache.
    pub(super) fn tag(&self, token: &[u8]) -> Option<Tag> {
        if token.len() > self.max_token_bytes {
            return None;
        }
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []).ok()?;
        <[u8; 16]>::try_from(tag.as_ref()).ok().map(|tag| Tag(u128::from_le_bytes(tag)))
    }

    /// Returns the token with this tag if it is cached and still valid. `holds` tells whether a token's key and client are still
    /// accepted.
    pub(super) fn get(
        &self,
        tag: Tag,
        now: SystemTime,
        holds: impl Fn(&VerifiedToken) -> bool,
    ) -> Option<Arc<VerifiedToken>> {
        let lives = |token: &VerifiedToken| token.is_in_time(now, self.leeway) && holds(token);
        let table = self.table.get()?;
        let shard = table.shard();
        if let Some(token) = shard.get(tag).filter(|token| lives(token)) {
            return Some(token);
        }
        let set = table.set(tag);
        for (hint, place) in set.hints.iter().zip(&set.places) {
            if hint.load(Ordering::Acquire) != low_half(tag) {
                continue;
            }
            let entry = place.load();
            if let Some(entry) = entry.as_ref().filter(|entry| entry.tag == tag.0 && lives(&entry.token)) {
                shard.count_hit(tag, &entry.token);
                return Some(Arc::clone(&entry.token));
            }
        }
        None
    }

    /// Caches a token that has just passed every check.
    pub(super) fn insert(
        &self,
        tag: Tag,
        token: &Arc<VerifiedToken>,
        now: SystemTime,
        holds: impl Fn(&VerifiedToken) -> bool,
    ) {
        let lives = |token: &VerifiedToken| token.is_in_time(now, self.leeway) && holds(token);
        let table = self.table.get_or_init(|| Table::new(self.set_count));
        self.sweep(table, &lives);
        let set = table.set(tag);
        let mut first_to_go = (0, None);
        for (index, place) in set.places.iter().enumerate() {
            let expires_at = match &*place.load() {
                Some(entry) if entry.tag == tag.0 || !lives(&entry.token) => None,
                Some(entry) => Some(entry.token.expires_at()),
                None => None,
            };
            if index == 0 || expires_at < first_to_go.1 {
                first_to_go = (index, expires_at);
            }
        }
        let (index, _) = first_to_go;
        set.places[index].store(Some(Arc::new(Entry { tag: tag.0, token: Arc::clone(token) })));
        set.hints[index].store(low_half(tag), Ordering::Release);
    }

    /// Clears expired entries from the next few sets and from the next shard.
    fn sweep(&self, table: &Table, lives: &impl Fn(&VerifiedToken) -> bool) {
        let next = self.sweeper.fetch_add(SWEEP, Ordering::Relaxed);
        let sets = (next..next.wrapping_add(SWEEP)).map(|index| &table.sets[index & (self.set_count - 1)]);
        let copies = &table.shards[next / SWEEP % SHARDS].copies;
        for place in sets.flat_map(|set| &set.places).chain(copies) {
            let entry = place.load();
            if entry.as_ref().is_some_and(|entry| !lives(&entry.token)) {
                // Another thread may have stored a new entry since.
                place.compare_and_swap(&entry, None);
            }
        }
    }

    /// The number of tokens in the table, expired ones included.
    #[cfg(test)]
    fn len(&self) -> usize {
        let sets = self.table.get().map(|table| &*table.sets).unwrap_or_default();
        sets.iter().flat_map(|set| &set.places).filter(|place| place.load().is_some()).count()
    }
}

fn low_half(Tag(tag): Tag) -> u64 {
    u64::try_from(tag & u128::from(u64::MAX)).unwrap_or_default()
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("capacity", &(self.set_count * WAYS)).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        clock::{Clock, SystemClock},
        testing::FakeUserPool,
        verifier::Verifier,
    };

    const NO_LEEWAY: Duration = Duration::ZERO;
    const LONGEST: usize = 4096;

    /// `count` verified tokens with their strings, the first expiring first.
    fn tokens(fake: &FakeUserPool, count: u64) -> Vec<(String, Arc<VerifiedToken>)> {
        let verifier = Verifier::builder().pool(fake.user_pool()).token_cache_capacity(0).build().unwrap();
        let mint = |n| fake.access_token("alice").expires_in(Duration::from_secs(1000 + n)).sign();
        (0..count).map(mint).map(|token| (token.clone(), verifier.check_to_keep(&token).unwrap())).collect()
    }

    #[test]
    fn every_changed_byte_prefix_and_suffix_has_another_tag() {
        let cache = TokenCache::new(1, LONGEST, NO_LEEWAY).unwrap();
        let token = FakeUserPool::new().access_token("alice").sign();
        let mut tags = HashSet::from([cache.tag(token.as_bytes()).unwrap().0]);
        let mut variants = 0;
        for at in 0..token.len() {
            for byte in [b'A', b'B', b'.', b'=', b' ', b'\0'] {
                let mut changed = token.clone().into_bytes();
                if changed[at] != byte {
                    changed[at] = byte;
                    variants += 1;
                    tags.insert(cache.tag(&changed).unwrap().0);
                }
            }
            variants += 1;
            tags.insert(cache.tag(&token.as_bytes()[..at]).unwrap().0);
        }
        for suffix in ["=", ".", " ", "\0", "A", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
            variants += 1;
            tags.insert(cache.tag(format!("{token}{suffix}").as_bytes()).unwrap().0);
        }
        assert_eq!(tags.len(), variants + 1);
    }

    #[test]
    fn another_cache_has_other_tags() {
        let tag = || TokenCache::new(1, LONGEST, NO_LEEWAY).unwrap().tag(b"a.b.c").unwrap().0;
        assert_ne!(tag(), tag());
    }

    #[test]
    fn a_hit_ends_with_exp_and_with_the_key() {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
        let (string, token) = tokens(&fake, 1).remove(0);
        let (tag, now) = (cache.tag(string.as_bytes()).unwrap(), SystemClock.now());
        cache.insert(tag, &token, now, |_| true);
        let last = token.expires_at() - Duration::from_millis(1);
        assert!(cache.get(tag, now, |_| true).is_some() && cache.get(tag, last, |_| true).is_some());
        assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
        let long_before = now - Duration::from_secs(3600);
        assert!(cache.get(tag, long_before, |_| true).is_none(), "a clock that moved backwards");
        assert!(cache.get(tag, now, |_| false).is_none());
        assert!(cache.get(tag, now, |known| known.key_serial() == token.key_serial()).is_some());
        let lenient = TokenCache { leeway: Duration::from_secs(5), ..cache };
        assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(4), |_| true).is_some());
        assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(5), |_| true).is_none());
    }

    #[test]
    fn a_full_set_evicts_the_token_that_expires_first() {
        let fake = FakeUserPool::new();
        let now = SystemClock.now();
        let tokens = tokens(&fake, 5);
        for order in [[4, 3, 2, 1, 0], [1, 2, 3, 4, 0], [2, 1, 4, 3, 0], [3, 4, 1, 2, 0], [2, 3, 4, 1, 0]] {
            let cache = TokenCache::new(WAYS, LONGEST, NO_LEEWAY).unwrap();
            let tags: Vec<_> = tokens.iter().map(|(string, _)| cache.tag(string.as_bytes()).unwrap()).collect();
            for index in order {
                cache.insert(tags[index], &tokens[index].1, now, |_| true);
                cache.insert(tags[index], &tokens[index].1, now, |_| true);
            }
            let there: Vec<_> = tags.iter().map(|tag| cache.get(*tag, now, |_| true).is_some()).collect();
            // The last token was inserted into a full set and evicted the one that expires first.
            assert_eq!(there, [true, false, true, true, true], "{order:?}");
            assert_eq!(cache.len(), WAYS);
        }
    }

    #[test]
    fn expired_entries_are_swept_by_insertions() {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(64, LONGEST, NO_LEEWAY).unwrap();
        let now = SystemClock.now();
        let tokens = tokens(&fake, 40);
        let (last, others) = tokens.split_last().unwrap();
        for (string, token) in others {
            cache.insert(cache.tag(string.as_bytes()).unwrap(), token, now, |_| true);
        }
        assert!(cache.len() > 20);
        let later = others.last().unwrap().1.expires_at();
        for _ in 0..64 / WAYS / SWEEP {
            cache.insert(cache.tag(last.0.as_bytes()).unwrap(), &last.1, later, |_| true);
        }
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn only_frequent_tokens_are_copied() {
        let (_, token) = tokens(&FakeUserPool::new(), 1).remove(0);
        let table = Table::new(1);
        let tags = [0, 1, 2, 15].map(|place| Tag(place << 96));
        for tag in tags {
            (1..COPY_EVERY).for_each(|_| table.shard().count_hit(tag, &token));
            assert!(table.shard().get(tag).is_none());
            table.shard().count_hit(tag, &token);
        }
        assert!(tags.iter().all(|tag| table.shard().get(*tag).is_some()));
    }

    #[test]
    fn a_hint_is_half_of_the_tag() {
        assert_eq!(low_half(Tag(u128::MAX - 5)), u64::MAX - 5);
        assert_eq!(low_half(Tag(7 << 64 | 3)), 3);
        assert_eq!(
            format!("{:?}", TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap()),
            "TokenCache { capacity: 16, .. }"
        );
    }

    /// A cache with one token that this thread has a copy of.
    fn with_copy() -> (TokenCache, Tag, Arc<VerifiedToken>) {
        let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
        let (string, token) = tokens(&FakeUserPool::new(), 1).remove(0);
        let (tag, now) = (cache.tag(string.as_bytes()).unwrap(), SystemClock.now());
        cache.insert(tag, &token, now, |_| true);
        for _ in 0..=COPY_EVERY {
            assert!(cache.get(tag, now, |_| true).is_some());
        }
        (cache, tag, token)
    }

    #[test]
    fn copies_pass_the_same_checks() {
        let (cache, tag, token) = with_copy();
        let now = SystemClock.now();
        let copy = cache.table.get().unwrap().shard().get(tag).unwrap();
        assert!(!Arc::ptr_eq(&copy, &token) && Arc::ptr_eq(&cache.get(tag, now, |_| true).unwrap(), &copy));
        assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
        assert!(cache.get(tag, now, |_| false).is_none());
    }

    #[test]
    fn copies_end_with_the_cache() {
        let (cache, tag, _) = with_copy();
        let copy = Arc::downgrade(&cache.get(tag, SystemClock.now(), |_| true).unwrap());
        assert!(copy.upgrade().is_some());
        drop(cache);
        assert!(copy.upgrade().is_none());
    }

    #[test]
    fn expired_copies_are_swept() {
        let (cache, tag, token) = with_copy();
        let copy = Arc::downgrade(&cache.get(tag, SystemClock.now(), |_| true).unwrap());
        for _ in 0..SHARDS {
            cache.insert(tag, &token, token.expires_at(), |_| true);
        }
        assert!(copy.upgrade().is_none());
    }

    #[test]
    fn tokens_above_the_limit_have_no_tag() {
        let cache = TokenCache::new(16, 100, NO_LEEWAY).unwrap();
        assert!(cache.tag(&[b'a'; 100]).is_some() && cache.tag(&[b'a'; 101]).is_none());
    }

    #[test]
    fn the_table_is_allocated_with_the_first_insertion() {
        let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
        let (_, token) = tokens(&FakeUserPool::new(), 1).remove(0);
        assert!(cache.get(Tag(1), SystemClock.now(), |_| true).is_none() && cache.table.get().is_none());
        cache.insert(Tag(1), &token, SystemClock.now(), |_| true);
        assert!(cache.table.get().is_some());
    }

    /// Ten million with `--include-ignored`; here as many as a debug build does in a moment.
    fn does_not_grow_with(distinct: u128) {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(1024, LONGEST, NO_LEEWAY).unwrap();
        let (now, (_, token)) = (SystemClock.now(), tokens(&fake, 1).remove(0));
        // Tags as the GMAC makes them: spread over all bits.
        for n in 1..=distinct {
            cache.insert(Tag(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)), &token, now, |_| true);
        }
        assert!(cache.len() <= 1024);
        assert!(Arc::strong_count(&token) <= 1025, "evicted tokens are freed");
    }

    #[test]
    fn many_distinct_tokens_do_not_grow_the_cache() {
        does_not_grow_with(100_000);
    }

    #[test]
    #[ignore = "half a minute without optimization"]
    fn ten_million_distinct_tokens_do_not_grow_the_cache() {
        does_not_grow_with(10_000_000);
    }

    #[test]
    fn a_capacity_of_zero_means_no_cache() {
        assert!(TokenCache::new(0, LONGEST, NO_LEEWAY).is_none());
    }
}
