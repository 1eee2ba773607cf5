//! Just enough of HTTP to send one kind of request and to read the status of the response.
//!
//! A general client takes about as long for a request as the server. On two cores, it would be the bottleneck.

mod http1;
mod http2;

use std::io;

use self::{http1::Http1, http2::Http2};
use super::plan::Protocol;

/// A response, or the end of a stream without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// The position of its request among all requests of the connection.
    pub request: usize,
    pub is_200: bool,
}

/// The protocol state of one connection.
pub enum Wire {
    Http1(Http1),
    Http2(Http2),
}

impl Wire {
    pub fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self::Http1(Http1::default()),
            Protocol::Http2 => Self::Http2(Http2::default()),
        }
    }

    /// Returns the bytes of a request with this token. They can be sent any number of times.
    pub fn request(protocol: Protocol, path: &str, token: &str) -> Vec<u8> {
        match protocol {
            Protocol::Http1 => http1::request(path, token),
            Protocol::Http2 => http2::request(path, token),
        }
    }

    /// Returns what a client sends before its first request.
    pub fn greeting(&self) -> Vec<u8> {
        match self {
            Self::Http1(_) => Vec::new(),
            Self::Http2(_) => http2::greeting(),
        }
    }

    /// Appends a request to the bytes to send.
    pub fn send(&mut self, request: &[u8], unsent: &mut Vec<u8>) {
        match self {
            Self::Http1(_) => unsent.extend_from_slice(request),
            Self::Http2(http2) => http2.send(request, unsent),
        }
    }

    /// Removes all complete messages from the received bytes, and appends necessary replies to the bytes to send.
    pub fn receive(
        &mut self,
        received: &mut Vec<u8>,
        unsent: &mut Vec<u8>,
        responses: &mut Vec<Response>,
    ) -> io::Result<()> {
        match self {
            Self::Http1(http1) => http1.receive(received, responses),
            Self::Http2(http2) => http2.receive(received, unsent, responses),
        }
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
