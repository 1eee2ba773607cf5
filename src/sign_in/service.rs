//! [`SignInLayer`]: turns the session of a request into claims.

/// The layer of a [`SignIn`](super::SignIn).
#[derive(Clone)]
pub struct SignInLayer;

/// The service of [`SignInLayer`].
#[derive(Clone)]
pub struct SignInService<S> {
    inner: S,
}
