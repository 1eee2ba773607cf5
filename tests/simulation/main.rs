//! Key refresh in simulated time: the state machine of `src/keys/state.rs` under faults, attacks and broken clocks.
//!
//! - [`random`] runs it through millions of random steps and checks every promise after each;
//! - [`worst_cases`] derives each row of the worst-case table in the guide's chapter on keys;
//! - [`fleet`] runs 10,000 programs against one endpoint and draws `docs/key-fetches.svg`.
//!
//! A failure prints its seed. `KEYS_SEED=<seed> cargo test --test simulation random` repeats it, and `KEYS_STEPS=<number>` sets the length.
#![allow(clippy::pedantic)]
// The state machine is compiled into the test, so that it need not be public.
#![allow(dead_code, unreachable_pub)]

#[path = "../../src/keys/budget.rs"]
mod budget;
#[path = "../../src/keys/elapsed.rs"]
mod elapsed;
#[path = "../../src/keys/message.rs"]
mod message;
#[path = "../../src/keys/settings.rs"]
mod settings;
#[path = "../../src/keys/state.rs"]
mod state;

mod fleet;
mod random;
mod world;
mod worst_cases;
