//! Provides a fake of Cognito's managed login on a loopback address.

mod authorize;
mod builder;
mod client;
mod codes;
mod context;
mod cookie;
mod cors;
mod errors;
mod faults;
mod grant;
mod issue;
mod login;
mod login_page;
mod logins;
mod logout;
mod outage;
mod parameters;
mod pkce;
mod random;
mod refresh_tokens;
mod revoke;
mod server;
mod sign_in;
#[cfg(test)]
mod tests;
mod token;
mod user_info;
mod users;

pub use builder::ManagedLogin;
pub use faults::ManagedLoginFault;
pub use server::ManagedLoginServer;
pub use users::FakeUser;
