//! Rejects all requests without a valid token, except on public routes.

mod layer;
mod path_spelling;
mod public_routes;
mod service;

pub use layer::DenyByDefault;
pub use service::DenyByDefaultService;
