//! The cache of verified tokens. Clients send the same token many times, but its signature is checked only once.
//!
//! # Content
//!
//! The cache keeps the claims of tokens that passed every check, under a 128-bit tag of the whole token. The cache does
//! not keep the token, so its memory contains no credential.
//!
//! The tag is a GMAC (NIST SP 800-38D §3), which is AES-128-GCM over an empty plaintext with the token as associated
//! data. The GMAC key is random for each verifier. The tag depends on every byte of the token. The tag is secure for
//! these reasons:
//!
//! - GHASH under an unknown key is a universal hash. Two different messages of at most `n` blocks of 16 bytes have the
//!   same value with probability at most `n / 2^128` over the choice of the key. The probability is `2^-118` for a pair
//!   of tokens of 16 KiB, and `2^-121` for the typical 1.2 KiB. Without the key, an attacker cannot construct a token
//!   that matches another token's entry.
//! - All tags use one nonce, which adds the same mask to each tag. A repeated nonce would break a MAC whose tags an
//!   attacker can see. No attacker can see or query the tags of this cache, because they are never logged and never
//!   leave the process.
//! - A hit requires that all 128 bits match.
//!
//! # Checks on a hit
//!
//! A hit compares `exp`, `nbf` and `iat` with the clock. A hit also requires that the pool's key set is not stale and
//! still contains the key that verified the token. A different key with the same ID is not sufficient. Removing an app
//! client invalidates all cached tokens of the pool. Rules and custom checks run on every request.
//!
//! # Limits
//!
//! The table limits the number of entries, and the maximum length of a cached token limits the size of an entry. Longer
//! tokens are verified on every request.
//!
//! The table is four-way set-associative. The first insertion allocates the table. A new token takes an empty or
//! expired place, or else the place of the token that expires first. One insertion therefore evicts at most one entry.
//! Only verified tokens are inserted. Invalid tokens therefore cannot change the table. Every insertion also clears
//! expired entries from the next few places in rotation, so claims are freed soon after their token has expired.
//!
//! A read takes no lock. The module [`copies`] avoids contention between threads that use the same token.

mod copies;
mod entry;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::{
    array, fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};

pub(super) use self::entry::Tag;
use self::{copies::Copies, entry::Entry};
use crate::claims::VerifiedToken;

/// The number of places in a set.
const WAYS: usize = 4;

/// The number of sets whose expired entries an insertion clears.
const SWEEP: usize = 2;

/// A set of four places, which has the size of a cache line.
struct Set {
    /// The low half of each entry's tag. A hint and its entry are not written atomically, so the hint can be outdated.
    /// Only the tag in the entry is authoritative.
    hints: [AtomicU64; WAYS],
    places: [ArcSwapOption<Entry>; WAYS],
}

/// The entries of the cache, which the first insertion allocates.
struct Table {
    sets: Box<[Set]>,
    copies: Copies,
}

pub(super) struct TokenCache {
    key: LessSafeKey,
    /// The number of sets, which is a power of two.
    set_count: usize,
    max_token_bytes: usize,
    table: OnceLock<Table>,
    sweeper: AtomicUsize,
    leeway: Duration,
}

impl Table {
    fn new(set_count: usize) -> Self {
        let set =
            || Set { hints: array::from_fn(|_| AtomicU64::new(0)), places: array::from_fn(|_| ArcSwapOption::empty()) };
        Self { sets: (0..set_count).map(|_| set()).collect(), copies: Copies::new() }
    }

    fn set(&self, tag: Tag) -> &Set {
        // INVARIANT: the number of sets is a power of two.
        &self.sets[tag.set_bits() & (self.sets.len() - 1)]
    }
}

impl TokenCache {
    /// Creates a cache with this capacity (rounded up to a power of two) for tokens of at most `max_token_bytes`.
    ///
    /// Returns [`None`] if the capacity is zero, or if the system provides no random numbers for the key.
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

    /// Returns the token with this tag if it is cached and still valid. `holds` returns `true` if a token's key and
    /// client are still accepted.
    pub(super) fn get(
        &self,
        tag: Tag,
        now: SystemTime,
        holds: impl Fn(&VerifiedToken) -> bool,
    ) -> Option<Arc<VerifiedToken>> {
        let lives = |token: &VerifiedToken| token.is_in_time(now, self.leeway) && holds(token);
        let table = self.table.get()?;
        if let Some(token) = table.copies.get(tag).filter(|token| lives(token)) {
            return Some(token);
        }
        let set = table.set(tag);
        for (hint, place) in set.hints.iter().zip(&set.places) {
            if hint.load(Ordering::Acquire) != tag.low_half() {
                continue;
            }
            let entry = place.load();
            if let Some(entry) = entry.as_ref().filter(|entry| entry.tag == tag && lives(&entry.token)) {
                table.copies.count_hit(tag, &entry.token);
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
                Some(entry) if entry.tag == tag || !lives(&entry.token) => None,
                Some(entry) => Some(entry.token.expires_at()),
                None => None,
            };
            if index == 0 || expires_at < first_to_go.1 {
                first_to_go = (index, expires_at);
            }
        }
        let (index, _) = first_to_go;
        set.places[index].store(Some(Arc::new(Entry { tag, token: Arc::clone(token) })));
        set.hints[index].store(tag.low_half(), Ordering::Release);
    }

    /// Clears entries that are no longer valid from the next few sets and from the next shard.
    fn sweep(&self, table: &Table, lives: &impl Fn(&VerifiedToken) -> bool) {
        let next = self.sweeper.fetch_add(SWEEP, Ordering::Relaxed);
        let sets = (next..next.wrapping_add(SWEEP)).map(|index| &table.sets[index & (self.set_count - 1)]);
        let copies = table.copies.places(next / SWEEP);
        for place in sets.flat_map(|set| &set.places).chain(copies) {
            let entry = place.load();
            if entry.as_ref().is_some_and(|entry| !lives(&entry.token)) {
                // Another thread may have stored a new entry in the meantime, and this new entry must stay.
                place.compare_and_swap(&entry, None);
            }
        }
    }

    /// Returns the number of tokens in the table, including expired tokens.
    #[cfg(test)]
    fn len(&self) -> usize {
        let sets = self.table.get().map(|table| &*table.sets).unwrap_or_default();
        sets.iter().flat_map(|set| &set.places).filter(|place| place.load().is_some()).count()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("capacity", &(self.set_count * WAYS)).finish_non_exhaustive()
    }
}
