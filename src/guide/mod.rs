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
pub mod keys {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[doc = include_str!("single_page_applications.md")]
pub mod single_page_applications {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}
