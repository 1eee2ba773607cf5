//! Who may cause a look for keys after one has been in vain.
//!
//! Pure: the time is an argument, and nothing is kept of a token but keyed hashes.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use super::schedule::SECOND_LOOK_AFTER;

/// An unknown key and the token that named it, as keyed hashes.
#[derive(Clone, Copy)]
pub(super) struct Suspect {
    key: u64,
    token: u64,
}

/// Makes suspects. Keyed, so that nobody can choose key ids that collide.
#[derive(Default)]
pub(super) struct Suspects(RandomState);

impl Suspects {
    pub(super) fn of(&self, key_id: &str, token: &str) -> Suspect {
        Suspect { key: self.0.hash_one(key_id), token: self.0.hash_one(token) }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Look,
    /// An early look, this much later.
    SecondLook {
        after: Duration,
    },
    Refuse,
}

/// How many unknown key ids are remembered. A flood of made-up ids overwrites them, which leaves the plain cool-down as it is.
const SEEN_MAX: usize = 256;

/// The time after a look in vain, and the unknown keys that were named in it.
pub(super) struct CoolDown {
    period: Option<Period>,
    /// Unknown keys of the present period, each with the first token that named it.
    seen: Box<[(u64, u64); SEEN_MAX]>,
}

#[derive(Clone, Copy)]
struct Period {
    began: Instant,
    until: Instant,
    second_look_spent: bool,
}

impl Default for CoolDown {
    fn default() -> Self {
        Self { period: None, seen: Box::new([(0, 0); SEEN_MAX]) }
    }
}

impl CoolDown {
    /// What an unknown key may cause now. Remembers it where it is refused.
    pub(super) fn judge(&mut self, suspect: Suspect, now: Instant) -> Verdict {
        let Some(period) = self.period.filter(|period| now < period.until) else { return Verdict::Look };
        let (key, token) = self.seen[slot(suspect)];
        if key == suspect.key && token != suspect.token && !period.second_look_spent {
            let earliest = (period.began + SECOND_LOOK_AFTER).min(period.until);
            return Verdict::SecondLook { after: earliest.saturating_duration_since(now) };
        }
        self.remember(suspect);
        Verdict::Refuse
    }

    /// Whether another token, or this one, has named the key before.
    pub(super) fn has_seen(&self, suspect: Suspect) -> bool {
        self.seen[slot(suspect)].0 == suspect.key
    }

    /// Keeps the first token that named a key, so that the second is told apart from it.
    pub(super) fn remember(&mut self, suspect: Suspect) {
        if !self.has_seen(suspect) {
            self.seen[slot(suspect)] = (suspect.key, suspect.token);
        }
    }

    /// After a look that an unknown key has caused. Says how long it lasts.
    pub(super) fn start(&mut self, now: Instant, length: Duration) -> Duration {
        self.begin(now, length, false)
    }

    /// After an early second look: twice as long and without another, which makes up for it.
    pub(super) fn start_after_second(&mut self, now: Instant, length: Duration) -> Duration {
        self.begin(now, length * 2, true)
    }

    /// It is over, by another clock.
    pub(super) fn end(&mut self) {
        self.period = None;
    }

    fn begin(&mut self, now: Instant, length: Duration, second_look_spent: bool) -> Duration {
        self.seen.fill((0, 0));
        self.period = Some(Period { began: now, until: now + length, second_look_spent });
        length
    }
}

fn slot(suspect: Suspect) -> usize {
    usize::try_from(suspect.key % SEEN_MAX as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn made_up_ids_get_one_look_a_cool_down() {
        let (suspects, mut cool_down, start) = (Suspects::default(), CoolDown::default(), Instant::now());
        let mut looks = 0;
        // A million ids within a minute.
        for nth in 0..1_000_000u32 {
            let now = start + Duration::from_micros(u64::from(nth) * 60);
            match cool_down.judge(suspects.of(&format!("made-up-{nth}"), &format!("token-{nth}")), now) {
                Verdict::Look => {
                    looks += 1;
                    cool_down.start(now, SECOND * 5);
                }
                Verdict::SecondLook { .. } => panic!("made-up ids agree at {nth}"),
                Verdict::Refuse => {}
            }
        }
        assert_eq!(looks, 12);
    }

    #[test]
    fn two_tokens_get_a_second_look_and_one_does_not() {
        let (suspects, mut cool_down, start) = (Suspects::default(), CoolDown::default(), Instant::now());
        cool_down.start(start, SECOND * 5);
        let at = |millis| start + Duration::from_millis(millis);
        let (first, second) = (suspects.of("new", "token 1"), suspects.of("new", "token 2"));
        assert_eq!(cool_down.judge(first, at(100)), Verdict::Refuse);
        assert_eq!(cool_down.judge(first, at(200)), Verdict::Refuse, "the same token is one witness");
        let after = Duration::from_millis(700);
        assert_eq!(cool_down.judge(second, at(300)), Verdict::SecondLook { after });
        assert_eq!(cool_down.judge(second, at(2000)), Verdict::SecondLook { after: Duration::ZERO });
        assert_eq!(cool_down.judge(first, at(2000)), Verdict::Refuse);

        cool_down.start_after_second(at(1000), SECOND * 5);
        assert_eq!(cool_down.judge(first, at(1001)), Verdict::Refuse);
        assert_eq!(cool_down.judge(second, at(10_999)), Verdict::Refuse, "spent for the doubled cool-down");
        assert_eq!(cool_down.judge(second, at(11_000)), Verdict::Look);
    }

    /// Pairs of tokens made for it cause two looks in cool-down, cool-down and one second: no more than one a cool-down in the long run.
    #[test]
    fn agreeing_strangers_gain_nothing_in_the_long_run() {
        let (suspects, mut cool_down, start) = (Suspects::default(), CoolDown::default(), Instant::now());
        let mut looks = 0;
        let mut pending = None;
        for millis in 0..600_000u64 {
            let now = start + Duration::from_millis(millis);
            if pending.is_some_and(|due| now >= due) {
                (looks, pending) = (looks + 1, None);
                cool_down.start_after_second(now, SECOND * 5);
            }
            match cool_down.judge(suspects.of("made up", &millis.to_string()), now) {
                Verdict::Look => {
                    looks += 1;
                    cool_down.start(now, SECOND * 5);
                }
                Verdict::SecondLook { after } => pending = pending.or(Some(now + after)),
                Verdict::Refuse => {}
            }
        }
        assert!(looks <= 600 / 5, "{looks} looks in ten minutes");
    }

    #[test]
    fn unknown_keys_are_remembered_beside_each_other() {
        let (mut cool_down, start) = (CoolDown::default(), Instant::now());
        cool_down.start(start, SECOND * 5);
        let keys = 1..=SEEN_MAX as u64;
        for key in keys.clone() {
            assert!(!cool_down.has_seen(Suspect { key, token: 1 }));
            assert_eq!(cool_down.judge(Suspect { key, token: 1 }, start), Verdict::Refuse);
        }
        for key in keys {
            assert!(cool_down.has_seen(Suspect { key, token: 2 }));
            assert_ne!(cool_down.judge(Suspect { key, token: 2 }, start), Verdict::Refuse, "{key}");
        }
    }

    #[test]
    fn a_short_cool_down_has_no_later_second_look() {
        let (suspects, mut cool_down, start) = (Suspects::default(), CoolDown::default(), Instant::now());
        cool_down.start(start, SECOND / 10);
        assert_eq!(cool_down.judge(suspects.of("new", "1"), start), Verdict::Refuse);
        assert_eq!(cool_down.judge(suspects.of("new", "2"), start), Verdict::SecondLook { after: SECOND / 10 });
    }
}
