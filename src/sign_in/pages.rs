//! The HTML pages of sign-in.
