#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use super::{
    copies::{COPY_EVERY, SHARDS},
    *,
};
use crate::{
    clock::{Clock, SystemClock},
    testing::FakeUserPool,
    verifier::Verifier,
};

const NO_LEEWAY: Duration = Duration::ZERO;
const LONGEST: usize = 4096;

/// Returns verified tokens with their encoded text, in the order in which they expire.
fn tokens(fake: &FakeUserPool, count: u64) -> Vec<(String, Arc<VerifiedToken>)> {
    let verifier = Verifier::builder().pool(fake.user_pool()).token_cache_capacity(0).build().unwrap();
    let sign = |n| fake.access_token("alice").expires_in(Duration::from_secs(1000 + n)).sign();
    (0..count).map(sign).map(|token| (token.clone(), verifier.check_uncached(&token).unwrap())).collect()
}

#[test]
fn changed_bytes_prefixes_and_suffixes_have_other_tags() {
    let cache = TokenCache::new(1, LONGEST, NO_LEEWAY).unwrap();
    let token = FakeUserPool::shared().access_token("alice").sign();
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
fn each_cache_has_its_own_tags() {
    let tag = || TokenCache::new(1, LONGEST, NO_LEEWAY).unwrap().tag(b"a.b.c").unwrap().0;
    assert_ne!(tag(), tag());
}

#[test]
fn cached_token_ends_with_exp_and_with_its_key() {
    let fake = FakeUserPool::shared();
    let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
    let (string, token) = tokens(&fake, 1).remove(0);
    let (tag, now) = (cache.tag(string.as_bytes()).unwrap(), SystemClock.now());
    cache.insert(tag, &token, now, |_| true);
    let last = token.expires_at() - Duration::from_millis(1);
    assert!(cache.get(tag, now, |_| true).is_some() && cache.get(tag, last, |_| true).is_some());
    assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
    let long_before = now - Duration::from_secs(3600);
    assert!(cache.get(tag, long_before, |_| true).is_none(), "the clock moved backwards");
    assert!(cache.get(tag, now, |_| false).is_none());
    assert!(cache.get(tag, now, |known| known.key_serial() == token.key_serial()).is_some());
    let lenient = TokenCache { leeway: Duration::from_secs(5), ..cache };
    assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(4), |_| true).is_some());
    assert!(lenient.get(tag, token.expires_at() + Duration::from_secs(5), |_| true).is_none());
}

#[test]
fn full_set_evicts_the_token_that_expires_first() {
    let fake = FakeUserPool::shared();
    let now = SystemClock.now();
    let tokens = tokens(&fake, 5);
    for order in [[4, 3, 2, 1, 0], [1, 2, 3, 4, 0], [2, 1, 4, 3, 0], [3, 4, 1, 2, 0], [2, 3, 4, 1, 0]] {
        let cache = TokenCache::new(WAYS, LONGEST, NO_LEEWAY).unwrap();
        let tags: Vec<_> = tokens.iter().map(|(string, _)| cache.tag(string.as_bytes()).unwrap()).collect();
        for index in order {
            cache.insert(tags[index], &tokens[index].1, now, |_| true);
            cache.insert(tags[index], &tokens[index].1, now, |_| true);
        }
        let cached: Vec<_> = tags.iter().map(|tag| cache.get(*tag, now, |_| true).is_some()).collect();
        // The last token was inserted into a full set and evicted the token that expires first.
        assert_eq!(cached, [true, false, true, true, true], "{order:?}");
        assert_eq!(cache.len(), WAYS);
    }
}

#[test]
fn expired_entries_are_swept_by_insertions() {
    let fake = FakeUserPool::shared();
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
    let (_, token) = tokens(&FakeUserPool::shared(), 1).remove(0);
    let copies = Copies::new();
    let tags = [0, 1, 2, 15].map(|place| Tag(place << 96));
    for tag in tags {
        (1..COPY_EVERY).for_each(|_| copies.count_hit(tag, &token));
        assert!(copies.get(tag).is_none());
        copies.count_hit(tag, &token);
    }
    assert!(tags.iter().all(|tag| copies.get(*tag).is_some()));
}

#[test]
fn hint_is_the_low_half_of_the_tag() {
    assert_eq!(Tag(u128::MAX - 5).low_half(), u64::MAX - 5);
    assert_eq!(Tag(7 << 64 | 3).low_half(), 3);
    assert_eq!(format!("{:?}", TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap()), "TokenCache { capacity: 16, .. }");
}

/// Returns a cache with one token, and this thread's copy of it.
fn with_copy() -> (TokenCache, Tag, Arc<VerifiedToken>) {
    let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
    let (string, token) = tokens(&FakeUserPool::shared(), 1).remove(0);
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
    let copy = cache.table.get().unwrap().copies.get(tag).unwrap();
    assert!(!Arc::ptr_eq(&copy, &token) && Arc::ptr_eq(&cache.get(tag, now, |_| true).unwrap(), &copy));
    assert!(cache.get(tag, token.expires_at(), |_| true).is_none());
    assert!(cache.get(tag, now, |_| false).is_none());
}

#[test]
fn copies_are_freed_with_the_cache() {
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
fn tokens_above_the_limit_are_not_cached() {
    let cache = TokenCache::new(16, 100, NO_LEEWAY).unwrap();
    assert!(cache.tag(&[b'a'; 100]).is_some() && cache.tag(&[b'a'; 101]).is_none());
}

#[test]
fn the_table_is_allocated_with_the_first_insertion() {
    let cache = TokenCache::new(16, LONGEST, NO_LEEWAY).unwrap();
    let (_, token) = tokens(&FakeUserPool::shared(), 1).remove(0);
    assert!(cache.get(Tag(1), SystemClock.now(), |_| true).is_none() && cache.table.get().is_none());
    cache.insert(Tag(1), &token, SystemClock.now(), |_| true);
    assert!(cache.table.get().is_some());
}

fn assert_bounded(distinct: u128) {
    let fake = FakeUserPool::shared();
    let cache = TokenCache::new(1024, LONGEST, NO_LEEWAY).unwrap();
    let (now, (_, token)) = (SystemClock.now(), tokens(&fake, 1).remove(0));
    // This factor spreads the numbers over all bits of the tag, as GMAC does.
    for n in 1..=distinct {
        cache.insert(Tag(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)), &token, now, |_| true);
    }
    assert!(cache.len() <= 1024);
    assert!(Arc::strong_count(&token) <= 1025, "evicted tokens are freed");
}

#[test]
fn many_distinct_tokens_do_not_grow_the_cache() {
    assert_bounded(100_000);
}

#[test]
#[ignore = "takes half a minute without optimization"]
fn ten_million_distinct_tokens_do_not_grow_the_cache() {
    assert_bounded(10_000_000);
}

#[test]
fn capacity_of_zero_disables_the_cache() {
    assert!(TokenCache::new(0, LONGEST, NO_LEEWAY).is_none());
}
