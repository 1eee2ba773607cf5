//! Generates the services of the example `grpc`.
//!
//! An application generates the same code from a `.proto` file with `tonic-prost-build`, which needs `protoc`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        let text = "crate::Text";
        let method = Method::builder().name(name).route_name(route).input_type(text).output_type(text);
        method.codec_path("tonic_prost::ProstCodec").build()
    };
    let service = |name: &str| Service::builder().name(name).package("demo");
    Builder::new().compile(&[
        service("Greeter").method(method("hello", "Hello")).method(method("forget", "Forget")).build(),
        service("Admin").method(method("report", "Report")).build(),
    ]);
}
