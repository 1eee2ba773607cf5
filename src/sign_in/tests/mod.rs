//! Tests of sessions: the layer, refreshes against a token endpoint on loopback, and stores.

mod kit;
mod layer;
mod refreshes;
mod stores;
