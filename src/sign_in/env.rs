//! The environment variables of sign-in.
