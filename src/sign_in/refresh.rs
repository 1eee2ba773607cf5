//! When a session is refreshed.
