//! HTTP/1.1 with one request at a time.

use std::io;

use super::{Response, invalid};

#[derive(Default)]
pub struct Http1 {
    answered: usize,
}

pub fn request(path: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n\
         user-agent: peers/1.0\r\n\r\n"
    )
    .into_bytes()
}

impl Http1 {
    pub fn receive(&mut self, received: &mut Vec<u8>, responses: &mut Vec<Response>) -> io::Result<()> {
        let mut start = 0;
        while let Some((length, status)) = response(&received[start..])? {
            start += length;
            responses.push(Response { request: self.answered, is_200: status == 200 });
            self.answered += 1;
        }
        received.drain(..start);
        Ok(())
    }
}

/// Returns the length of the first response and its status, if the response is complete.
fn response(bytes: &[u8]) -> io::Result<Option<(usize, u16)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: Option<usize> = length.and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
    let length = head_length + length.ok_or_else(|| invalid("a response has no content-length"))?;
    Ok((length <= bytes.len()).then_some((length, head.code.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read_in_order_from_any_fragments() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
        let (mut http1, mut received, mut responses) = (Http1::default(), Vec::new(), Vec::new());
        for byte in bytes {
            received.push(*byte);
            http1.receive(&mut received, &mut responses).unwrap();
        }
        let expected = [Response { request: 0, is_200: true }, Response { request: 1, is_200: false }];
        assert_eq!(responses, expected);
        assert!(received.is_empty());
    }
}
