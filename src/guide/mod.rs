//! The long documentation. Every block of code in it is compiled and run as a test.

// Names of people and products are not code.
#![allow(clippy::doc_markdown)]

#[doc = include_str!("routes.md")]
pub mod routes {}

#[doc = include_str!("requests.md")]
pub mod requests {}

#[doc = include_str!("checks.md")]
pub mod checks {}

#[doc = include_str!("elsewhere.md")]
pub mod elsewhere {}

#[doc = include_str!("keys.md")]
#[doc = concat!(
    "<figure><img alt=\"Key fetches per second of 10,000 programs, as in the table above\" src=\"data:image/svg+xml,",
    include_str!("../../docs/key-fetches.svg"),
    "\"></figure>"
)]
pub mod keys {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}
