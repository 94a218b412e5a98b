//! What a program asks of the simulated kernel, and when it is told what has happened.

use std::cmp::Reverse;
use std::io;

use super::SimulatedDriver;
use super::scene::{Server, Welcome};
use super::socket::{Happening, Socket};
use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};

/// After so long a full socket takes more.
const FULL_NS: u64 = 50_000;

impl<S: Server> Driver for SimulatedDriver<S> {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn clock_steps(&self) -> u64 {
        0
    }

    fn stamps_arrivals(&self) -> bool {
        self.stamps_arrivals
    }

    fn connect(&mut self, token: u64, _: Route<'_>, _: Use) -> io::Result<i32> {
        self.call();
        let index = self.sockets.len();
        let welcome = self.server.welcome(self.now_ns.get());
        if welcome == Welcome::NoDescriptor {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.sockets.push(Socket::new(token));
        self.connecting += 1;
        self.most_connecting = self.most_connecting.max(self.connecting);
        self.welcomed(index, welcome);
        Ok(index as i32)
    }

    fn look(&mut self, socket: i32) -> Event {
        let Socket { token, is_established, refused, .. } = self.sockets[socket as usize];
        Event { token, writable: is_established || refused, closed: refused, ..Event::default() }
    }

    fn connected(&mut self, socket: i32, _: Ended) -> io::Result<Connected> {
        let Socket { refused, retransmissions, .. } = self.sockets[socket as usize];
        if refused {
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        Ok(Connected { retransmissions, tls: None })
    }

    fn retransmissions(&mut self, socket: i32) -> u32 {
        self.sockets[socket as usize].retransmissions
    }

    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        self.call();
        let index = socket as usize;
        assert!(self.sockets[index].is_open && self.sockets[index].is_established, "a send on a dead socket");
        if self.sockets[index].was_reset {
            let is_known = std::mem::replace(&mut self.sockets[index].is_reset_known, true);
            return Err(io::Error::from_raw_os_error(if is_known { libc::EPIPE } else { libc::ECONNRESET }));
        }
        let begun = self.sockets[index].request_bytes;
        assert!(begun + bytes.len() <= self.request_bytes, "a request is sent into the midst of another");
        let (now_ns, buffers) = (self.now_ns.get(), self.buffers);
        self.held_back_ns_max = self.held_back_ns_max.max(self.sockets[index].starved_ns(now_ns));
        let room = self.sockets[index].room(now_ns, buffers);
        let taken = self.server.takes(bytes.len()).min(room);
        let empty_at_ns = self.sockets[index].put(taken, now_ns, buffers);
        if taken < bytes.len() {
            let is_full = taken == room;
            let full_ns = self.sockets[index].writable_after_ns(now_ns, buffers);
            self.plan(if is_full { full_ns } else { FULL_NS }, index, Happening::Writable);
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if taken == self.request_bytes {
            *self.sent.entry(bytes.to_vec()).or_default() += 1;
        }
        self.sockets[index].request_bytes += taken;
        let steps = if self.sockets[index].request_bytes == self.request_bytes {
            self.sockets[index].request_bytes = 0;
            self.server.answer(empty_at_ns)
        } else {
            self.server.interrupt(empty_at_ns)
        };
        self.plan_all(empty_at_ns - now_ns, index, steps);
        Ok(taken)
    }

    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        self.call();
        let (now_ns, index) = (self.now_ns.get(), socket as usize);
        let socket = &mut self.sockets[index];
        assert!(socket.is_open, "a read on a closed socket");
        let (len, arrived_ns) = socket.read(buffer);
        let at_ns = if len == 0 || !self.stamps_arrivals { now_ns } else { arrived_ns };
        self.now_ns.set(now_ns + len as u64 * self.buffers.read_ns_per_kib / 1024);
        if len == 0 && socket.was_reset && !std::mem::replace(&mut socket.is_reset_known, true) {
            return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        if len == 0 && !socket.has_ended && !socket.was_reset {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(kept_out_ns) = socket.admit(now_ns, self.buffers) {
            self.held_back_ns_max = self.held_back_ns_max.max(kept_out_ns);
            self.plan(0, index, Happening::News);
        }
        Ok(Received { len, at_ns })
    }

    fn close(&mut self, socket: i32, _: bool) -> usize {
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open, "a socket is closed twice");
        self.connecting -= usize::from(socket.is_connecting());
        socket.is_open = false;
        0
    }

    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()> {
        events.clear();
        events.append(&mut self.unreported);
        self.wakes += 1;
        let next_ns = self.agenda.peek().map(|Reverse((at_ns, ..))| *at_ns);
        let until_ns = match wake {
            Wake::AtDeadline => deadline_ns,
            Wake::OnEvent if !events.is_empty() => Some(self.now_ns.get()),
            Wake::OnEvent => deadline_ns.into_iter().chain(next_ns).min(),
        };
        let until_ns = until_ns.expect("a wait without a deadline on a network where nothing will happen");
        self.now_ns.set(self.now_ns.get().max(until_ns));
        self.calls_at_wait = self.calls.get();
        self.call();
        self.happen(events);
        self.unreported = events.split_off(events.len().min(self.events_per_wait));
        Ok(())
    }
}
