//! A client's connection, plain or TLS: what the event loop reads and writes.

use std::io;
use std::net::SocketAddr;

use seatrial_net::socket;
use seatrial_net::tls::config::ServerTls;
use seatrial_net::tls::{Scratch, Session, SocketTransport};

const CLOSED: i32 = -1;

/// A socket, and a TLS session where the listener asks for one.
pub(crate) struct Stream {
    socket: i32,
    session: Option<Box<Session>>,
}

impl Stream {
    /// No connection yet, or no more.
    pub(crate) const fn closed() -> Self {
        Self { socket: CLOSED, session: None }
    }

    /// Takes over an accepted socket. A session that cannot be set up leaves it closed.
    pub(crate) fn open(fd: i32, tls: Option<&ServerTls>) -> Self {
        let Ok(session) = tls.map(Session::server).transpose() else {
            socket::shut(fd, true);
            return Self::closed();
        };
        Self { socket: fd, session: session.map(Box::new) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.socket == CLOSED
    }

    /// The address at which the client has connected; none where the socket has no more of one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        socket::local_address(self.socket).ok()
    }

    /// Whether something was written that the socket has not taken.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.has_unsent())
    }

    /// The socket takes more: gives it what was kept. Reading reports a broken one.
    pub(crate) fn flush(&mut self) {
        if let Some(session) = &mut self.session {
            let _ = session.flush(&mut SocketTransport(self.socket));
        }
    }

    /// Writes what is taken now; `WouldBlock` where nothing is.
    #[inline]
    pub(crate) fn send(&mut self, scratch: &mut Scratch, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => socket::send(self.socket, bytes),
            Some(session) => session.send(scratch, &mut SocketTransport(self.socket), bytes),
        }
    }

    /// Reads what is there. An answer that does not fill the buffer has emptied the socket.
    #[inline]
    pub(crate) fn receive(&mut self, scratch: &mut Scratch, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.session {
            None => socket::receive(self.socket, buffer),
            Some(session) => session
                .receive(scratch, &mut SocketTransport(self.socket), buffer)
                .map(|received| received.len),
        }
    }

    /// Whether reading will report something that no event announces.
    pub(crate) fn owes_a_read(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.owes_a_read())
    }

    /// Resets the connection: what was not read yet is lost, and a TLS session ends without a word.
    pub(crate) fn abort(&mut self) {
        socket::shut(self.socket, true);
        *self = Self::closed();
    }

    /// Closes in order.
    pub(crate) fn close(&mut self, scratch: &mut Scratch) {
        if let Some(session) = &mut self.session {
            session.close(scratch, &mut SocketTransport(self.socket));
        }
        socket::shut(self.socket, false);
        *self = Self::closed();
    }
}
