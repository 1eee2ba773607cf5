//! The sign-in, callback and sign-out routes.
