//! HTTP/2 with prior knowledge (RFC 9113) and without entries in the dynamic header table (RFC 7541).

use std::io;

use super::{Response, invalid};
use crate::latency::plan::Protocol;

const FRAME_HEAD: usize = 9;

/// The frame types of RFC 9113, section 6.
mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
}

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The indexed field `:status: 200`. Other statuses start with another byte.
const STATUS_200: u8 = 0x88;

#[derive(Default)]
pub struct Http2 {
    sent: u32,
    /// Whether the response to each request has status 200.
    is_200: Vec<bool>,
}

/// Returns the preface, default settings, and the largest window for all responses of the connection together.
pub fn greeting() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    push(&mut bytes, frame::SETTINGS, 0, 0, &[]);
    let largest: u32 = (1 << 31) - 1 - 65_535;
    push(&mut bytes, frame::WINDOW_UPDATE, 0, 0, &largest.to_be_bytes());
    bytes
}

/// Returns a `HEADERS` frame without its stream ID.
pub fn request(path: &str, token: &str) -> Vec<u8> {
    // `:method: GET` and `:scheme: http` of the static table.
    let mut block = vec![0x82, 0x86];
    let bearer = format!("Bearer {token}");
    // The other names are in the static table, too.
    let fields = [(1, "127.0.0.1:3000"), (4, path), (23, &bearer), (19, "application/json"), (58, "peers/1.0")];
    for (name, value) in fields {
        push_integer(&mut block, 4, name);
        push_integer(&mut block, 7, value.len());
        block.extend_from_slice(value.as_bytes());
    }
    let mut bytes = Vec::new();
    push(&mut bytes, frame::HEADERS, END_STREAM | END_HEADERS, 0, &block);
    bytes
}

impl Http2 {
    pub fn send(&mut self, request: &[u8], unsent: &mut Vec<u8>) {
        let id = self.sent * 2 + 1;
        self.sent += 1;
        self.is_200.push(false);
        let start = unsent.len();
        unsent.extend_from_slice(request);
        unsent[start + 5..start + FRAME_HEAD].copy_from_slice(&id.to_be_bytes());
    }

    pub fn receive(
        &mut self,
        received: &mut Vec<u8>,
        unsent: &mut Vec<u8>,
        responses: &mut Vec<Response>,
    ) -> io::Result<()> {
        let mut start = 0;
        while let Some(head) = received.get(start..start + FRAME_HEAD) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let body = start + FRAME_HEAD;
            let Some(payload) = received.get(body..body + length) else { break };
            start = body + length;
            match kind {
                frame::DATA | frame::HEADERS | frame::RST_STREAM => {
                    responses.extend(self.of_stream(stream, kind, flags, payload)?);
                }
                frame::SETTINGS if flags & ACK == 0 => {
                    check(payload)?;
                    push(unsent, frame::SETTINGS, ACK, 0, &[]);
                }
                frame::PING if flags & ACK == 0 => push(unsent, frame::PING, ACK, 0, payload),
                frame::GOAWAY => return Err(invalid("the server ended the HTTP/2 connection")),
                _ => {}
            }
        }
        received.drain(..start);
        Ok(())
    }

    /// Handles a frame of a stream, and returns the response if the stream has ended.
    fn of_stream(&mut self, stream: u32, kind: u8, flags: u8, payload: &[u8]) -> io::Result<Option<Response>> {
        let request = (stream / 2) as usize;
        let is_200 = self.is_200.get_mut(request).ok_or_else(|| invalid("a frame has an unknown stream ID"))?;
        if kind == frame::HEADERS {
            *is_200 = payload.first() == Some(&STATUS_200);
        }
        if kind == frame::RST_STREAM {
            *is_200 = false;
        }
        let ended = kind == frame::RST_STREAM || flags & END_STREAM != 0;
        Ok(ended.then_some(Response { request, is_200: *is_200 }))
    }
}

/// Checks that the server allows as many streams as the generator uses.
fn check(settings: &[u8]) -> io::Result<()> {
    let allows = settings.chunks_exact(6).all(|setting| {
        let (id, value) = (u16::from_be_bytes([setting[0], setting[1]]), &setting[2..]);
        let value = u32::from_be_bytes([value[0], value[1], value[2], value[3]]) as usize;
        id != MAX_CONCURRENT_STREAMS || value >= Protocol::Http2.streams()
    });
    if allows { Ok(()) } else { Err(invalid("the server allows too few streams")) }
}

fn push(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("frames are short").to_be_bytes();
    bytes.extend_from_slice(&[length[1], length[2], length[3], kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// Appends an integer with a prefix of this many bits (RFC 7541, section 5.1). The bits before the prefix are zero:
/// a field is a literal without indexing, and a string has no Huffman code.
fn push_integer(bytes: &mut Vec<u8>, prefix: u8, mut value: usize) {
    let largest = (1 << prefix) - 1;
    if value < largest {
        return bytes.push(value as u8);
    }
    bytes.push(largest as u8);
    value -= largest;
    while value >= 128 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_encoded_as_in_the_examples_of_rfc_7541() {
        let encode = |prefix, value| {
            let mut bytes = Vec::new();
            push_integer(&mut bytes, prefix, value);
            bytes
        };
        assert_eq!(encode(5, 10), [10]);
        assert_eq!(encode(5, 1337), [31, 154, 10]);
        assert_eq!(encode(8, 42), [42]);
    }

    #[test]
    fn responses_are_matched_by_stream_from_any_fragments() {
        let (mut http2, mut unsent, mut received, mut responses) = (Http2::default(), vec![], vec![], vec![]);
        let request = request("/", "token");
        (0..3).for_each(|_| http2.send(&request, &mut unsent));
        unsent.clear();
        let mut bytes = Vec::new();
        push(&mut bytes, frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 200]);
        push(&mut bytes, frame::HEADERS, END_HEADERS, 5, &[STATUS_200]);
        push(&mut bytes, frame::HEADERS, END_HEADERS | END_STREAM, 1, &[0x48, 0x03]);
        push(&mut bytes, frame::DATA, END_STREAM, 5, b"hello");
        push(&mut bytes, frame::RST_STREAM, 0, 3, &[0, 0, 0, 8]);
        for byte in bytes {
            received.push(byte);
            http2.receive(&mut received, &mut unsent, &mut responses).unwrap();
        }
        let of = |request, is_200| Response { request, is_200 };
        assert_eq!(responses, [of(0, false), of(2, true), of(1, false)]);
        assert_eq!(unsent, [0, 0, 0, frame::SETTINGS, ACK, 0, 0, 0, 0]);
        assert!(received.is_empty());
    }
}
