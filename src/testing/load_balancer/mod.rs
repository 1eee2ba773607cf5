//! Provides an in-process load balancer that signs user claims and serves its keys.
//!
//! ```text
//! fake       the load balancer: its settings and its keys
//!   key      a private key
//!   token    builds tokens
//!   server   serves the public keys over HTTP
//! ```

mod fake;
mod key;
mod server;
mod token;

pub use fake::FakeLoadBalancer;
pub use server::KeyServer;
pub use token::AlbTokenBuilder;
