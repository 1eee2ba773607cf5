//! The cache of verified tokens: a client sends the same token for up to an hour, and its signature is the same each time.
//!
//! # What is kept
//!
//! The claims of tokens that passed every check, under a 128-bit tag of the whole token. Not the token: what is in memory cannot be sent to
//! anybody as a credential.
//!
//! The tag is a GMAC (NIST SP 800-38D §3): AES-128-GCM over an empty plaintext with the token as associated data, under a random key
//! made when the verifier is. Every byte of the token goes into it. Why that is enough:
//!
//! - GHASH under an unknown key is a universal hash: two different messages of at most `n` blocks of 16 bytes have the same value with
//!   probability at most `n / 2^128` over the choice of the key. For tokens of 16 KiB, the default bound, that is `2^-118` a pair; for the
//!   usual 1.2 KiB `2^-121`. So nobody who does not know the key can find a token that hits another's entry, however they try.
//! - The one nonce for all tags, which would be fatal for a MAC that is sent out, gives nothing away: it adds the same mask to all tags, and
//!   no tag leaves this process, is logged, or can be asked for.
//! - A hit is decided by all 128 bits.
//!
//! # What a hit still checks
//!
//! `exp`, `nbf` and `iat` against the clock, that the very key which verified the token (not one of the same id) is still in a trusted set,
//! and that no app client was removed from the pool since. Rules of routes are layers of their own and run on every request.
//!
//! # Bounds
//!
//! The table has four ways: a token has four places, chosen by its tag. One that is new takes an empty or dead place, or else the place of
//! the token that expires first. So one insertion evicts one entry at most, and only a verified token is ever inserted: garbage cannot
//! touch the table, and who holds many valid tokens evicts one entry with each. Every insertion also looks at the next few places of the
//! table in turn and clears what has died there, so that claims do not outlive their token for long.
//!
//! Reading takes no lock and writes nothing that is shared, except for the reference count of the claims. For a token that several threads
//! see all the time each keeps a copy of its own (`recent`), so that they do not fight over that count either.

use std::{
    array,
    cell::RefCell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
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

/// The number of sets that an insertion sweeps on its way.
const SWEEP: usize = 2;

/// A verified token with the tag it was verified under.
struct Entry {
    tag: u128,
    token: Arc<VerifiedToken>,
}

/// Four places, in one line of the processor's cache: hints to look by, and what they hint at.
struct Set {
    /// The low half of each place's tag. Only a hint: written apart from the entry, so it may be wrong for a moment, and the entry's own
    /// tag decides.
    hints: [AtomicU64; WAYS],
    places: [ArcSwapOption<Entry>; WAYS],
}

pub(super) struct TokenCache {
    /// Tells this cache's entries from another's in the copies that threads keep.
    id: u64,
    key: LessSafeKey,
    sets: Box<[Set]>,
    sweeper: AtomicUsize,
    leeway: Duration,
}

/// A token's tag, from [`TokenCache::tag`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u128);

impl TokenCache {
    /// A cache for about so many tokens, rounded up to a power of two; [`None`] for zero, or if the system has no random numbers, without
    /// which there is no safe key.
    pub(super) fn new(tokens: usize, leeway: Duration) -> Option<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        if tokens == 0 {
            return None;
        }
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
        let sets = tokens.div_ceil(WAYS).next_power_of_two();
        let empty =
            || Set { hints: array::from_fn(|_| AtomicU64::new(0)), places: array::from_fn(|_| ArcSwapOption::empty()) };
        let sets = (0..sets).map(|_| empty()).collect();
        Some(Self { id: IDS.fetch_add(1, Ordering::Relaxed), key, sets, sweeper: AtomicUsize::new(0), leeway })
    }

    /// The tag of every byte of a token. [`None`] if it cannot be made; then the token is verified as if there were no cache.
    pub(super) fn tag(&self, token: &[u8]) -> Option<Tag> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []).ok()?;
        <[u8; 16]>::try_from(tag.as_ref()).ok().map(|tag| Tag(u128::from_le_bytes(tag)))
    }

    /// The token with this tag, if it was verified before and nothing has happened since. `holds` says whether a token's key is still
    /// trusted and its client accepted.
    pub(super) fn get(
        &self,
        tag: Tag,
        now: SystemTime,
        holds: impl Fn(&VerifiedToken) -> bool,
    ) -> Option<Arc<VerifiedToken>> {
        let lives = |token: &VerifiedToken| token.is_in_time(now, self.leeway) && holds(token);
        if let Some(token) = recent::get(self.id, tag).filter(|token| lives(token)) {
            return Some(token);
        }
        let set = self.set_of(tag);
        for (hint, place) in set.hints.iter().zip(&set.places) {
            if hint.load(Ordering::Acquire) != low_half(tag) {
                continue;
            }
            let entry = place.load();
            if let Some(entry) = entry.as_ref().filter(|entry| entry.tag == tag.0 && lives(&entry.token)) {
                recent::keep(self.id, tag, &entry.token);
                return Some(Arc::clone(&entry.token));
            }
        }
        None
    }

    /// Keeps a token that has just passed every check.
    pub(super) fn insert(
        &self,
        tag: Tag,
        token: &Arc<VerifiedToken>,
        now: SystemTime,
        holds: impl Fn(&VerifiedToken) -> bool,
    ) {
        let lives = |token: &VerifiedToken| token.is_in_time(now, self.leeway) && holds(token);
        self.sweep(&lives);
        let set = self.set_of(tag);
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

    /// Clears what has died in the next few sets.
    fn sweep(&self, lives: &impl Fn(&VerifiedToken) -> bool) {
        let next = self.sweeper.fetch_add(SWEEP, Ordering::Relaxed);
        for set in (next..next.wrapping_add(SWEEP)).map(|index| &self.sets[index & (self.sets.len() - 1)]) {
            for place in &set.places {
                let entry = place.load();
                if entry.as_ref().is_some_and(|entry| !lives(&entry.token)) {
                    // Only if it is still that one: another may have been put there meanwhile.
                    place.compare_and_swap(&entry, None);
                }
            }
        }
    }

    fn set_of(&self, Tag(tag): Tag) -> &Set {
        // INVARIANT: the number of sets is a power of two.
        let high = usize::try_from(tag >> 64 & 0xffff_ffff).unwrap_or_default();
        &self.sets[high & (self.sets.len() - 1)]
    }

    /// The number of tokens in the table, dead ones included.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.sets.iter().flat_map(|set| &set.places).filter(|place| place.load().is_some()).count()
    }
}

fn low_half(Tag(tag): Tag) -> u64 {
    u64::try_from(tag & u128::from(u64::MAX)).unwrap_or_default()
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("places", &(self.sets.len() * WAYS)).finish_non_exhaustive()
    }
}

/// Each thread's own copies of the tokens that it sees most.
///
/// Handing out claims counts references, and when two threads count the same references each waits for the other's cache line: two
/// threads together are then slower than one. A copy costs its memory once a thread, so there are few places, and only every
/// [`EVERY`](recent::EVERY)th hit in the table takes one, which is rare for a token among thousands and soon for one that dominates.
mod recent {
    use super::{Arc, RefCell, Tag, VerifiedToken};

    /// Places a thread.
    const PLACES: usize = 16;

    /// Hits in the table for one that is copied.
    pub(super) const EVERY: u32 = 64;

    struct Copy {
        cache: u64,
        tag: Tag,
        token: Arc<VerifiedToken>,
    }

    struct Recent {
        copies: [Option<Copy>; PLACES],
        hits: u32,
    }

    thread_local! {
        static RECENT: RefCell<Recent> = const { RefCell::new(Recent { copies: [const { None }; PLACES], hits: 0 }) };
    }

    fn place(tag: Tag) -> usize {
        usize::try_from(tag.0 >> 96 & 0xffff).unwrap_or_default() % PLACES
    }

    pub(super) fn get(cache: u64, tag: Tag) -> Option<Arc<VerifiedToken>> {
        // A thread that is ending has no copies any more.
        RECENT
            .try_with(|recent| match &recent.borrow().copies[place(tag)] {
                Some(copy) if copy.tag == tag && copy.cache == cache => Some(Arc::clone(&copy.token)),
                _ => None,
            })
            .ok()
            .flatten()
    }

    pub(super) fn keep(cache: u64, tag: Tag, token: &VerifiedToken) {
        let _ = RECENT.try_with(|recent| {
            let mut recent = recent.borrow_mut();
            recent.hits = recent.hits.wrapping_add(1);
            if recent.hits % EVERY == 0 {
                recent.copies[place(tag)] = Some(Copy { cache, tag, token: Arc::new(token.duplicate()) });
            }
        });
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

    /// `count` verified tokens with their strings, the first expiring first.
    fn tokens(fake: &FakeUserPool, count: u64) -> Vec<(String, Arc<VerifiedToken>)> {
        let verifier = Verifier::builder().pool(fake.user_pool()).cached_tokens(0).build().unwrap();
        let mint = |n| fake.access_token("alice").expires_in(Duration::from_secs(1000 + n)).mint();
        (0..count).map(mint).map(|token| (token.clone(), verifier.check_to_keep(&token).unwrap())).collect()
    }

    #[test]
    fn every_changed_byte_prefix_and_suffix_has_another_tag() {
        let cache = TokenCache::new(1, NO_LEEWAY).unwrap();
        let token = FakeUserPool::new().access_token("alice").mint();
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
        let tag = || TokenCache::new(1, NO_LEEWAY).unwrap().tag(b"a.b.c").unwrap().0;
        assert_ne!(tag(), tag());
    }

    #[test]
    fn a_hit_ends_with_exp_and_with_the_key() {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(16, NO_LEEWAY).unwrap();
        let (string, token) = tokens(&fake, 1).remove(0);
        let (tag, now) = (cache.tag(string.as_bytes()).unwrap(), SystemClock.now());
        cache.insert(tag, &token, now, |_| true);
        let last = token.expires_at() - Duration::from_millis(1);
        assert!(cache.get(tag, now, |_| true).is_some() && cache.get(tag, last, |_| true).is_some());
        assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
        let long_before = now - Duration::from_secs(3600);
        assert!(cache.get(tag, long_before, |_| true).is_none(), "a clock that was set back");
        assert!(cache.get(tag, now, |_| false).is_none());
        assert!(cache.get(tag, now, |known| known.key_serial() == token.key_serial()).is_some());
        let lenient = TokenCache { leeway: Duration::from_secs(5), ..cache };
        assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(4), |_| true).is_some());
        assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(5), |_| true).is_none());
    }

    #[test]
    fn a_full_set_gives_up_the_token_that_expires_first() {
        let fake = FakeUserPool::new();
        let now = SystemClock.now();
        let tokens = tokens(&fake, 5);
        for order in [[4, 3, 2, 1, 0], [1, 2, 3, 4, 0], [2, 1, 4, 3, 0], [3, 4, 1, 2, 0], [2, 3, 4, 1, 0]] {
            let cache = TokenCache::new(WAYS, NO_LEEWAY).unwrap();
            let tags: Vec<_> = tokens.iter().map(|(string, _)| cache.tag(string.as_bytes()).unwrap()).collect();
            for index in order {
                cache.insert(tags[index], &tokens[index].1, now, |_| true);
                cache.insert(tags[index], &tokens[index].1, now, |_| true);
            }
            let there: Vec<_> = tags.iter().map(|tag| cache.get(*tag, now, |_| true).is_some()).collect();
            // The last one came into a full set and made room for itself at the cost of the first to expire.
            assert_eq!(there, [true, false, true, true, true], "{order:?}");
            assert_eq!(cache.len(), WAYS);
        }
    }

    #[test]
    fn the_dead_are_cleared_in_passing() {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(64, NO_LEEWAY).unwrap();
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
    fn a_thread_has_copies_of_several_tokens() {
        let (_, token) = tokens(&FakeUserPool::new(), 1).remove(0);
        let tags = [0, 1, 2, 15].map(|place| Tag(place << 96));
        for tag in tags {
            (1..recent::EVERY).for_each(|_| recent::keep(0, tag, &token));
            assert!(recent::get(0, tag).is_none(), "a copy is for what is seen often");
            recent::keep(0, tag, &token);
        }
        assert!(tags.iter().all(|tag| recent::get(0, *tag).is_some()));
    }

    #[test]
    fn a_hint_is_half_of_the_tag() {
        assert_eq!(low_half(Tag(u128::MAX - 5)), u64::MAX - 5);
        assert_eq!(low_half(Tag(7 << 64 | 3)), 3);
        assert_eq!(format!("{:?}", TokenCache::new(16, NO_LEEWAY).unwrap()), "TokenCache { places: 16, .. }");
    }

    #[test]
    fn a_copy_of_a_thread_is_under_the_same_rules() {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(16, NO_LEEWAY).unwrap();
        let (string, token) = tokens(&fake, 1).remove(0);
        let (tag, now) = (cache.tag(string.as_bytes()).unwrap(), SystemClock.now());
        cache.insert(tag, &token, now, |_| true);
        for _ in 0..=recent::EVERY {
            assert!(cache.get(tag, now, |_| true).is_some());
        }
        let copy = recent::get(cache.id, tag).expect("a copy");
        assert!(!Arc::ptr_eq(&copy, &token) && Arc::ptr_eq(&cache.get(tag, now, |_| true).unwrap(), &copy));
        assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
        assert!(cache.get(tag, now, |_| false).is_none());
        assert!(recent::get(cache.id + 1, tag).is_none(), "another cache's");
    }

    /// Ten million with `--include-ignored`; here as many as a debug build does in a moment.
    fn does_not_grow_with(distinct: u128) {
        let fake = FakeUserPool::new();
        let cache = TokenCache::new(1024, NO_LEEWAY).unwrap();
        let (now, (_, token)) = (SystemClock.now(), tokens(&fake, 1).remove(0));
        // Tags as the GMAC makes them: spread over all bits.
        for n in 1..=distinct {
            cache.insert(Tag(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)), &token, now, |_| true);
        }
        assert!(cache.len() <= 1024);
        assert!(Arc::strong_count(&token) <= 1025, "what left the table was let go");
    }

    #[test]
    fn many_distinct_tokens_do_not_grow_it() {
        does_not_grow_with(100_000);
    }

    #[test]
    #[ignore = "half a minute without optimization"]
    fn ten_million_distinct_tokens_do_not_grow_it() {
        does_not_grow_with(10_000_000);
    }

    #[test]
    fn a_cache_for_no_tokens_is_none() {
        assert!(TokenCache::new(0, NO_LEEWAY).is_none());
    }
}
