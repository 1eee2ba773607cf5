//! What the generator is asked to do, and what it reports. Both pass between processes as JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The number of users. Each has an access token of its own.
pub const USERS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }

    /// The number of connections. With [`streams`](Self::streams), 1,000 requests can be in flight with each protocol.
    pub fn connections(self) -> usize {
        USERS / self.streams()
    }

    /// The number of concurrent requests on a connection. hyper's server allows 200 streams by default.
    pub fn streams(self) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2 => 100,
        }
    }
}

/// The tokens of all users. Half of the users get a token of the new key at the rotation.
#[derive(Serialize, Deserialize)]
pub struct Tokens {
    pub old_key: Vec<String>,
    pub new_key: Vec<String>,
}

/// One run against one server.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    /// The process ID of the server, to read how long it used its core.
    pub server: u32,
    pub protocol: Protocol,
    /// All users send this token instead of their own.
    pub token: Option<String>,
    /// The seconds before the measurement, with the same load.
    pub warm_up: f64,
    /// The seconds of the measurement.
    pub seconds: f64,
    pub load: Load,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Load {
    /// Each user sends the next request as soon as the response to the last one arrives.
    Closed,
    /// Requests per second, at times that do not depend on responses. Keys rotate at half of the measured time.
    Open(f64),
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Responses with status 200.
    pub accepted: u64,
    /// Responses with another status.
    pub rejected: u64,
    /// Requests without a response when the run ended.
    pub unanswered: u64,
}

impl Counts {
    pub fn total(self) -> u64 {
        self.accepted + self.rejected + self.unanswered
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            rejected: self.rejected + other.rejected,
            unanswered: self.unanswered + other.unanswered,
        }
    }
}

/// The outcome of the measured part of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub old_key: Counts,
    pub new_key: Counts,
    /// The responses per second of the measured time, excluding those that arrived later.
    pub per_second: f64,
    /// The times of the accepted requests, from when a request was due.
    pub latency: Times,
    /// How late the generator was, compared with the schedule.
    pub late: Times,
    /// The share of the time that the server used its core.
    pub server_busy: f64,
    /// The share of the time that the generator sent requests or read responses. It waits for both in a busy loop.
    pub generator_busy: f64,
}

/// Percentiles in microseconds. Zero without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub p50: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

impl Times {
    /// Returns the nearest-rank percentiles of the samples, which are in nanoseconds.
    pub fn of(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let at = |per_mille: usize| {
            let rank = (nanos.len() * per_mille).div_ceil(1000);
            nanos.get(rank.saturating_sub(1)).map_or(0.0, |nanos| *nanos as f64 / 1e3)
        };
        Self { p50: at(500), p99: at(990), p99_9: at(999), max: at(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let times = Times::of((1..=1000).rev().map(|micros| micros * 1000).collect());
        assert_eq!(times, Times { p50: 500.0, p99: 990.0, p99_9: 999.0, max: 1000.0 });
        assert_eq!(Times::of(vec![7000]), Times { p50: 7.0, p99: 7.0, p99_9: 7.0, max: 7.0 });
        assert_eq!(Times::of(vec![]), Times::default());
    }
}
