//! Tests the routes, the layer and the sessions of browser sign-in together, with the test kit's managed login.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic)]

mod flow;
