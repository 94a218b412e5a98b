//! One simulated connection: what has arrived of it, what the receive window keeps out, and what the send buffer holds.

use std::collections::VecDeque;

use super::scene::Buffers;
use crate::driver::Event;

/// What the network does to a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// A connection request is sent again.
    Again,
    Established,
    Refused,
    Writable,
    Bytes(Vec<u8>),
    /// These bytes from now on, over and over, as fast as they are read.
    Endless(Vec<u8>),
    /// The window has opened, and what it kept out is there.
    News,
    Closed,
    Reset,
}

#[derive(Default)]
pub(super) struct Socket {
    pub(super) token: u64,
    pub(super) is_open: bool,
    pub(super) is_established: bool,
    /// How often its connection request was sent again.
    pub(super) retransmissions: u32,
    pub(super) refused: bool,
    received: VecDeque<(Vec<u8>, u64)>,
    received_bytes: usize,
    /// What the server has sent and the window keeps out, and since when.
    kept_out: VecDeque<(Happening, u64)>,
    endless: Option<Vec<u8>>,
    pub(super) has_ended: bool,
    pub(super) was_reset: bool,
    /// The kernel says of a reset once; from then on the stream is at its end.
    pub(super) is_reset_known: bool,
    /// Bytes of the current request that were sent.
    pub(super) request_bytes: usize,
    /// When the last byte in the send buffer will have left it.
    empty_at_ns: u64,
}

impl Socket {
    pub(super) fn new(token: u64) -> Self {
        Self { token, is_open: true, ..Self::default() }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.is_open && !self.is_established && !self.refused
    }

    /// Something reaches the connection at `at_ns`; nothing is to be seen of what the window keeps out.
    pub(super) fn take(&mut self, happening: Happening, at_ns: u64, buffers: Buffers) -> Option<Event> {
        let event = Event { token: self.token, ..Event::default() };
        match happening {
            // That is between the network and the server.
            Happening::Again => None,
            Happening::Established => {
                self.is_established = true;
                Some(Event { writable: true, ..event })
            }
            Happening::Refused => {
                self.refused = true;
                Some(Event { closed: true, writable: true, ..event })
            }
            Happening::Writable => Some(Event { writable: true, ..event }),
            Happening::News => Some(Event { readable: true, closed: self.has_ended, ..event }),
            Happening::Reset => {
                // What arrived before it can still be read.
                self.was_reset = true;
                self.endless = None;
                self.kept_out.clear();
                Some(Event { readable: true, closed: true, ..event })
            }
            Happening::Bytes(_) | Happening::Endless(_) | Happening::Closed => {
                self.kept_out.push_back((happening, at_ns));
                self.admit(at_ns, buffers)?;
                Some(Event { readable: true, closed: self.has_ended, ..event })
            }
        }
    }

    /// Lets in what the window has room for. If anything came in: how long a piece was kept out that is now in as a whole.
    pub(super) fn admit(&mut self, now_ns: u64, buffers: Buffers) -> Option<u64> {
        let (had_bytes, had_ended, mut kept_out_ns) = (self.received_bytes, self.has_ended, 0);
        while let Some((happening, since_ns)) = self.kept_out.pop_front() {
            match happening {
                Happening::Bytes(mut bytes) => {
                    let room = buffers.receive_bytes - self.received_bytes;
                    let rest = bytes.split_off(bytes.len().min(room));
                    self.receive(bytes, now_ns);
                    if !rest.is_empty() {
                        self.kept_out.push_front((Happening::Bytes(rest), since_ns));
                        break;
                    }
                }
                Happening::Endless(bytes) => self.endless = Some(bytes),
                _ => self.has_ended = true,
            }
            kept_out_ns = kept_out_ns.max(now_ns - since_ns);
        }
        while let Some(bytes) = self.endless.clone()
            && buffers.receive_bytes - self.received_bytes >= bytes.len()
        {
            self.receive(bytes, now_ns);
        }
        let has_news = self.received_bytes > had_bytes || self.has_ended != had_ended;
        has_news.then_some(kept_out_ns)
    }

    fn receive(&mut self, bytes: Vec<u8>, at_ns: u64) {
        if !bytes.is_empty() {
            self.received_bytes += bytes.len();
            self.received.push_back((bytes, at_ns));
        }
    }

    /// Moves what has arrived into `buffer`; returns how much, and when the last of it arrived.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> (usize, u64) {
        let (mut len, mut at_ns) = (0, 0);
        while let Some((bytes, arrived_ns)) = self.received.front_mut()
            && len < buffer.len()
        {
            let part = bytes.len().min(buffer.len() - len);
            buffer[len..len + part].copy_from_slice(&bytes[..part]);
            (len, at_ns) = (len + part, *arrived_ns);
            bytes.drain(..part);
            if bytes.is_empty() {
                self.received.pop_front();
            }
        }
        self.received_bytes -= len;
        (len, at_ns)
    }

    /// Bytes that the send buffer has room for.
    pub(super) fn room(&self, now_ns: u64, buffers: Buffers) -> usize {
        let waiting = self.empty_at_ns.saturating_sub(now_ns) * 1024;
        buffers.send_bytes.saturating_sub(waiting.checked_div(buffers.send_ns_per_kib).unwrap_or(0) as usize)
    }

    /// Puts bytes into the send buffer; returns when the last of them will have left it.
    pub(super) fn put(&mut self, len: usize, now_ns: u64, buffers: Buffers) -> u64 {
        let took_ns = len as u64 * buffers.send_ns_per_kib / 1024;
        self.empty_at_ns = self.empty_at_ns.max(now_ns) + took_ns;
        self.empty_at_ns
    }

    /// For how long the server has been waiting for the rest of a request that has begun.
    pub(super) fn starved_ns(&self, now_ns: u64) -> u64 {
        if self.request_bytes == 0 { 0 } else { now_ns.saturating_sub(self.empty_at_ns) }
    }

    /// How long until a third of the send buffer is free, which is when Linux says so.
    pub(super) fn writable_after_ns(&self, now_ns: u64, buffers: Buffers) -> u64 {
        let third_ns = (buffers.send_bytes / 3) as u64 * buffers.send_ns_per_kib / 1024;
        self.empty_at_ns.saturating_sub(now_ns).saturating_sub(2 * third_ns).max(1)
    }
}
