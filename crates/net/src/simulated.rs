//! A network and a clock that exist only in memory: the same seed gives the same run, to the nanosecond.
//!
//! Time passes only in [`Driver::wait`], so an hour of load is simulated in the time that its events take.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};

/// After so long a full socket takes more.
const FULL_NS: u64 = 50_000;

/// What becomes of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// It is established after this long.
    Accept(u64),
    /// It is refused after this long.
    Refuse(u64),
    /// Nothing ever answers.
    Ignore,
    /// This machine has no descriptor left.
    NoDescriptor,
}

/// A piece of what a server does after it got a request, this long after the piece before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes.
    Send(u64, Vec<u8>),
    /// Closes in order.
    Close(u64),
    /// Resets.
    Reset(u64),
}

/// The other end of every connection.
pub trait Server {
    /// Decides about a connection attempt.
    fn welcome(&mut self, _now_ns: u64) -> Welcome {
        Welcome::Accept(0)
    }

    /// Decides what follows a request that arrived whole.
    fn answer(&mut self, now_ns: u64) -> Vec<Step>;

    /// How many of these bytes the kernel takes in one write; it takes more a little later.
    fn takes(&mut self, len: usize) -> usize {
        len
    }

    /// Decides what follows a part of a request, the rest of which has not arrived.
    fn interrupt(&mut self, _now_ns: u64) -> Vec<Step> {
        vec![]
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Established,
    Refused,
    Writable,
    Bytes(Vec<u8>),
    Closed,
    Reset,
}

#[derive(Default)]
struct Socket {
    token: u64,
    is_open: bool,
    is_established: bool,
    refused: bool,
    received: VecDeque<(Vec<u8>, u64)>,
    has_ended: bool,
    was_reset: bool,
    /// The kernel says of a reset once; from then on the stream is at its end.
    is_reset_known: bool,
    request_bytes: usize,
}

/// A driver without a kernel.
pub struct SimulatedDriver<S: Server> {
    now_ns: Cell<u64>,
    /// A call takes a moment: without it a loop that never waits would never end.
    call_ns: u64,
    server: S,
    request_bytes: usize,
    sockets: Vec<Socket>,
    agenda: BinaryHeap<Reverse<(u64, u64, usize, Happening)>>,
    order: u64,
    wakes: u64,
}

impl<S: Server> SimulatedDriver<S> {
    /// A network with one server. Requests are `request_bytes` long; each system call takes `call_ns`.
    pub fn new(server: S, request_bytes: usize, call_ns: u64) -> Self {
        Self {
            now_ns: Cell::new(1_000_000_000),
            call_ns,
            server,
            request_bytes,
            sockets: Vec::new(),
            agenda: BinaryHeap::new(),
            order: 0,
            wakes: 0,
        }
    }

    /// The server, to see what it saw.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// How often a wait came to an end.
    pub fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Connections that are open now.
    pub fn open_sockets(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.is_open).count()
    }

    fn pass(&self, ns: u64) {
        self.now_ns.set(self.now_ns.get() + ns);
    }

    fn plan(&mut self, after_ns: u64, socket: usize, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((self.now_ns.get() + after_ns, self.order, socket, happening)));
    }

    fn plan_all(&mut self, socket: usize, steps: Vec<Step>) {
        let mut after_ns = 0;
        for step in steps {
            let (wait_ns, happening) = match step {
                Step::Send(wait_ns, bytes) => (wait_ns, Happening::Bytes(bytes)),
                Step::Close(wait_ns) => (wait_ns, Happening::Closed),
                Step::Reset(wait_ns) => (wait_ns, Happening::Reset),
            };
            after_ns += wait_ns;
            self.plan(after_ns, socket, happening);
        }
    }

    /// Lets everything happen that is due, and collects what can be seen of it.
    fn happen(&mut self, events: &mut Vec<Event>) {
        while let Some(Reverse((at_ns, ..))) = self.agenda.peek()
            && *at_ns <= self.now_ns.get()
        {
            let Some(Reverse((at_ns, _, index, happening))) = self.agenda.pop() else { return };
            let socket = &mut self.sockets[index];
            if socket.is_open {
                let event = socket.take(happening, at_ns);
                match events.iter_mut().find(|seen| seen.token == event.token) {
                    Some(seen) => *seen = merged(*seen, event),
                    None => events.push(event),
                }
            }
        }
    }
}

impl Socket {
    fn take(&mut self, happening: Happening, at_ns: u64) -> Event {
        let event = Event { token: self.token, ..Event::default() };
        match happening {
            Happening::Established => {
                self.is_established = true;
                Event { writable: true, ..event }
            }
            Happening::Refused => {
                self.refused = true;
                Event { closed: true, writable: true, ..event }
            }
            Happening::Writable => Event { writable: true, ..event },
            Happening::Bytes(bytes) => {
                self.received.push_back((bytes, at_ns));
                Event { readable: true, ..event }
            }
            Happening::Closed => {
                self.has_ended = true;
                Event { readable: true, closed: true, ..event }
            }
            Happening::Reset => {
                // What arrived before it can still be read.
                self.was_reset = true;
                Event { readable: true, closed: true, ..event }
            }
        }
    }
}

fn merged(one: Event, other: Event) -> Event {
    Event {
        token: one.token,
        readable: one.readable || other.readable,
        writable: one.writable || other.writable,
        closed: one.closed || other.closed,
    }
}

impl<S: Server> Driver for SimulatedDriver<S> {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn clock_steps(&self) -> u64 {
        0
    }

    fn connect(&mut self, token: u64, _: Route<'_>, _: Use) -> io::Result<i32> {
        self.pass(self.call_ns);
        let index = self.sockets.len();
        let welcome = self.server.welcome(self.now_ns.get());
        if welcome == Welcome::NoDescriptor {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.sockets.push(Socket { token, is_open: true, ..Socket::default() });
        match welcome {
            Welcome::Accept(after_ns) => self.plan(after_ns, index, Happening::Established),
            Welcome::Refuse(after_ns) => self.plan(after_ns, index, Happening::Refused),
            Welcome::Ignore | Welcome::NoDescriptor => {}
        }
        Ok(index as i32)
    }

    fn connected(&mut self, socket: i32, _: Ended) -> io::Result<Connected> {
        let refused = self.sockets[socket as usize].refused;
        if refused { Err(io::Error::from_raw_os_error(libc::ECONNREFUSED)) } else { Ok(Connected::default()) }
    }

    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        self.pass(self.call_ns);
        let index = socket as usize;
        assert!(self.sockets[index].is_open && self.sockets[index].is_established, "a send on a dead socket");
        if self.sockets[index].was_reset {
            let is_known = std::mem::replace(&mut self.sockets[index].is_reset_known, true);
            return Err(io::Error::from_raw_os_error(if is_known { libc::EPIPE } else { libc::ECONNRESET }));
        }
        let begun = self.sockets[index].request_bytes;
        assert!(begun + bytes.len() <= self.request_bytes, "a request is sent into the midst of another");
        let taken = self.server.takes(bytes.len());
        if taken < bytes.len() {
            self.plan(FULL_NS, index, Happening::Writable);
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.sockets[index].request_bytes += taken;
        let steps = if self.sockets[index].request_bytes == self.request_bytes {
            self.sockets[index].request_bytes = 0;
            self.server.answer(self.now_ns.get())
        } else {
            self.server.interrupt(self.now_ns.get())
        };
        self.plan_all(index, steps);
        Ok(taken)
    }

    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        self.pass(self.call_ns);
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open, "a read on a closed socket");
        let (mut len, mut at_ns) = (0, self.now_ns.get());
        while let Some((bytes, arrived_ns)) = socket.received.front()
            && len + bytes.len() <= buffer.len()
        {
            buffer[len..len + bytes.len()].copy_from_slice(bytes);
            (len, at_ns) = (len + bytes.len(), *arrived_ns);
            socket.received.pop_front();
        }
        if len == 0 && socket.was_reset && !std::mem::replace(&mut socket.is_reset_known, true) {
            return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        if len == 0 && !socket.has_ended && !socket.was_reset {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Received { len, at_ns })
    }

    fn close(&mut self, socket: i32, _: bool) -> usize {
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open, "a socket is closed twice");
        socket.is_open = false;
        0
    }

    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()> {
        events.clear();
        self.wakes += 1;
        let next_ns = self.agenda.peek().map(|Reverse((at_ns, ..))| *at_ns);
        let until_ns = match wake {
            Wake::AtDeadline => deadline_ns,
            Wake::OnEvent => deadline_ns.into_iter().chain(next_ns).min(),
        };
        let until_ns = until_ns.expect("a wait without a deadline on a network where nothing will happen");
        self.now_ns.set(self.now_ns.get().max(until_ns) + self.call_ns);
        self.happen(events);
        Ok(())
    }
}
