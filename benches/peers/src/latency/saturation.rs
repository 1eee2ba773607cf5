//! Measures the highest rate that a server and the generator reach together.

use std::io;

use serde::{Deserialize, Serialize};

use super::{
    Options,
    servers::{Bench, Server},
};

const ROUNDS: usize = 3;

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Saturation {
    pub per_second: f64,
    /// The shares of the time that the server and the generator were busy.
    pub server_busy: f64,
    pub generator_busy: f64,
}

/// Sends requests in a closed loop, and returns the round with the median throughput.
pub fn measure(bench: &mut Bench, server: &Server, options: &Options) -> io::Result<Saturation> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let outcome = bench.generate(&server.closed(None, options.warm_up, options.saturation))?;
        assert_eq!(outcome.old_key.accepted, outcome.old_key.total(), "valid tokens are accepted");
        rounds.push(Saturation {
            per_second: outcome.per_second,
            server_busy: outcome.server_busy,
            generator_busy: outcome.generator_busy,
        });
    }
    rounds.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    Ok(rounds[ROUNDS / 2])
}
