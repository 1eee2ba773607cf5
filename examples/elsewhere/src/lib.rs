//! The parts of the examples that an application can copy as they are. The programs in `src/bin` use them.
//!
//! | module | program |
//! |---|---|
//! | [`revocations`] | `revocation`: sign-outs that apply to all servers immediately |
#![forbid(unsafe_code)]

pub mod revocations;
