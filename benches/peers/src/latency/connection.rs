//! One connection of the generator.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::{
    plan::Protocol,
    wire::{Response, Wire},
};

/// A request that is due or was sent.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The time since the start of the measurement, in nanoseconds. Negative during the warm-up.
    pub due: i64,
    pub user: usize,
    pub with_new_key: bool,
}

pub struct Connection {
    socket: TcpStream,
    wire: Wire,
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// All requests that were sent.
    sent: Vec<Request>,
    in_flight: usize,
    streams: usize,
    /// The requests that wait until another one is answered.
    waiting: VecDeque<Request>,
}

impl Connection {
    pub fn open(address: SocketAddr, protocol: Protocol, registry: &Registry, number: usize) -> io::Result<Self> {
        // Connects before the socket stops blocking, so that there is no half-open state.
        let socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        registry.register(&mut socket, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        let wire = Wire::new(protocol);
        let unsent = wire.greeting();
        let (received, sent, waiting) = (Vec::new(), Vec::new(), VecDeque::new());
        Ok(Self { socket, wire, unsent, received, sent, in_flight: 0, streams: protocol.streams(), waiting })
    }

    /// Queues a request. Returns it if it can be sent now.
    pub fn queue(&mut self, request: Request) -> Option<Request> {
        self.waiting.push_back(request);
        self.next()
    }

    /// Returns the next waiting request if it can be sent now.
    pub fn next(&mut self) -> Option<Request> {
        if self.in_flight < self.streams { self.waiting.pop_front() } else { None }
    }

    /// Sends a request that has these bytes, with the next [`flush`](Self::flush).
    pub fn send(&mut self, request: Request, bytes: &[u8]) {
        self.wire.send(bytes, &mut self.unsent);
        self.sent.push(request);
        self.in_flight += 1;
    }

    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what the server sent, and appends the answered requests with whether their status is 200.
    pub fn receive(&mut self, buffer: &mut [u8], answered: &mut Vec<(Request, bool)>) -> io::Result<()> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed a connection")),
                Ok(read) => {
                    self.received.extend_from_slice(&buffer[..read]);
                    // A short read empties the socket: epoll(7) reports the next bytes again.
                    if read < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut responses: Vec<Response> = Vec::new();
        self.wire.receive(&mut self.received, &mut self.unsent, &mut responses)?;
        self.in_flight -= responses.len();
        answered.extend(responses.iter().map(|response| (self.sent[response.request], response.is_200)));
        Ok(())
    }
}
