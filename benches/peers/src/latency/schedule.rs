//! The times at which requests are due. They are fixed before the run, so slow responses cannot delay them.

/// The seed of every schedule, so that each candidate gets the same one.
const SEED: u64 = 15;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Due {
    /// The time since the start of the measurement, in nanoseconds. Negative during the warm-up.
    pub at: i64,
    pub user: usize,
}

/// A Poisson process: independent users send requests at random times.
pub struct Schedule {
    random: fastrand::Rng,
    /// The mean time between two requests, in nanoseconds.
    gap: f64,
    users: usize,
    at: f64,
}

impl Schedule {
    pub fn new(per_second: f64, warm_up: f64, users: usize) -> Self {
        Self { random: fastrand::Rng::with_seed(SEED), gap: 1e9 / per_second, users, at: -warm_up * 1e9 }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        self.at -= (1.0 - self.random.f64()).ln() * self.gap;
        Some(Due { at: self.at as i64, user: self.random.usize(..self.users) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_has_its_rate_and_is_always_the_same() {
        let measured = || Schedule::new(10_000.0, 1.0, 1000).skip_while(|due| due.at < 0);
        let in_ten_seconds = measured().take_while(|due| due.at < 10_000_000_000).count();
        assert!((98_000..102_000).contains(&in_ten_seconds), "{in_ten_seconds}");
        assert!(measured().zip(measured()).take(1000).all(|(one, other)| one == other));
    }

    #[test]
    fn gaps_vary_as_those_of_a_poisson_process() {
        let times: Vec<_> = Schedule::new(1000.0, 0.0, 1).take(10_000).map(|due| due.at).collect();
        let longer_than_mean = times.windows(2).filter(|pair| pair[1] - pair[0] > 1_000_000).count();
        // The share is 1/e.
        assert!((3500..3860).contains(&longer_than_mean), "{longer_than_mean}");
    }
}
