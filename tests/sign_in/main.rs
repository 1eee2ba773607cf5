//! Browser sign-in against the test kit's managed login: the routes, the layer and the sessions together.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic)]

mod flow;
