//! Counts requests and responses, and keeps the times of the accepted ones.

use super::{
    connection::Request,
    plan::{Counts, Outcome, Times},
};

/// Requests that are due during the warm-up are not counted.
#[derive(Default)]
pub struct Tally {
    old_key: Counts,
    new_key: Counts,
    accepted_nanos: Vec<u64>,
    late_nanos: Vec<u64>,
    in_time: u64,
    /// The nanoseconds during which the generator did something.
    pub busy: i64,
}

impl Tally {
    fn counts(&mut self, request: Request) -> &mut Counts {
        if request.with_new_key { &mut self.new_key } else { &mut self.old_key }
    }

    /// Counts a request that is unanswered until [`answered`](Self::answered) is called.
    pub fn scheduled(&mut self, request: Request, now: i64) {
        if request.due >= 0 {
            self.counts(request).unanswered += 1;
            self.late_nanos.push(now.abs_diff(request.due));
        }
    }

    /// Counts a response that was read `now`.
    pub fn answered(&mut self, request: Request, is_200: bool, now: i64, end: i64) {
        self.in_time += u64::from((0..end).contains(&now));
        if request.due < 0 {
            return;
        }
        let counts = self.counts(request);
        counts.unanswered -= 1;
        if is_200 {
            counts.accepted += 1;
            self.accepted_nanos.push(now.abs_diff(request.due));
        } else {
            counts.rejected += 1;
        }
    }

    /// Returns the outcome of a run that should end at `end` and ended at `measured`.
    pub fn outcome(self, end: i64, measured: i64, server_busy: f64) -> Outcome {
        Outcome {
            old_key: self.old_key,
            new_key: self.new_key,
            per_second: self.in_time as f64 / (end.max(1) as f64 / 1e9),
            latency: Times::of(self.accepted_nanos),
            late: Times::of(self.late_nanos),
            server_busy,
            generator_busy: self.busy as f64 / measured.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_scheduled_time_and_only_for_accepted_requests() {
        let request = |due, with_new_key| Request { due, user: 0, with_new_key };
        let mut tally = Tally::default();
        for (request, is_200) in [
            (request(-5_000, false), Some(true)),
            (request(1_000, false), Some(true)),
            (request(2_000, true), Some(false)),
            (request(3_000, true), None),
        ] {
            tally.scheduled(request, 3_000);
            if let Some(is_200) = is_200 {
                tally.answered(request, is_200, 9_000, 1_000_000_000);
            }
        }
        let outcome = tally.outcome(1_000_000_000, 1_000_000_000, 0.5);
        let of = |counts: Counts| (counts.accepted, counts.rejected, counts.unanswered);
        assert_eq!((of(outcome.old_key), of(outcome.new_key)), ((1, 0, 0), (0, 1, 1)));
        assert_eq!((outcome.latency.p50, outcome.latency.max), (8.0, 8.0));
        assert!((outcome.per_second - 3.0).abs() < 1e-9);
    }
}
