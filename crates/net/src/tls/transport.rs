//! What a session reads from and writes to.

use std::io;

use crate::clock::now_ns;
use crate::driver::Received;
use crate::socket;

/// Whatever moves ciphertext.
pub trait Transport {
    /// Writes what is taken now; `WouldBlock` where nothing is.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Reads what is there; `WouldBlock` where nothing is, a length of 0 at the end of the stream.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received>;
}

/// A bare socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketTransport(pub i32);

impl Transport for SocketTransport {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0, bytes)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        socket::receive(self.0, buffer).map(|len| Received { len, at_ns: now_ns() })
    }
}
