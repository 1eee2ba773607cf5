//! The parts of the examples that an application can copy as they are. The programs in `src/bin` use these modules.
//!
//! | module | program |
//! |---|---|
//! | [`machine_tokens`] | `service_calls`: calls to other services with the client credentials grant |
//! | [`policies`] | `policies`: authorization with Cedar policies |
//! | [`revocations`] | `revocation`: sign-outs that apply to all servers immediately |
#![forbid(unsafe_code)]

pub mod machine_tokens;
pub mod policies;
pub mod revocations;
