//! A network and a clock that exist only in memory: the same seed gives the same run, to the nanosecond.
//!
//! Time passes only in [`Driver::wait`], so an hour of load is simulated in the time that its events take.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;

pub use self::scene::{Buffers, Server, Step, Welcome};
use self::socket::{Happening, Socket};
use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};

mod scene;
mod socket;

/// A lost connection request is sent again after this long, and after twice as long each time after that, as Linux does.
const FIRST_RETRANSMISSION_NS: u64 = 1_000_000_000;
/// After so long a full socket takes more.
const FULL_NS: u64 = 50_000;
/// A program that does not wait within so many calls never will.
const NEVER_WAITS_CALLS: u64 = 100_000;

/// A driver without a kernel.
pub struct SimulatedDriver<S: Server> {
    now_ns: Cell<u64>,
    /// A call takes a moment: without it a loop that never waits would never end.
    call_ns: u64,
    calls: Cell<u64>,
    /// At which call the program is stopped, and for how long.
    stop: Option<(u64, u64)>,
    calls_at_wait: u64,
    server: S,
    request_bytes: usize,
    buffers: Buffers,
    stamps_arrivals: bool,
    /// How many events a wait reports, and those that are left to the next.
    events_per_wait: usize,
    unreported: Vec<Event>,
    held_back_ns_max: u64,
    sockets: Vec<Socket>,
    agenda: BinaryHeap<Reverse<(u64, u64, usize, Happening)>>,
    order: u64,
    wakes: u64,
    sent_again: u64,
    connecting: usize,
    most_connecting: usize,
    sent: HashMap<Vec<u8>, u64>,
}

impl<S: Server> SimulatedDriver<S> {
    /// A network with one server. Requests are `request_bytes` long; each system call takes `call_ns`.
    pub fn new(server: S, request_bytes: usize, call_ns: u64) -> Self {
        Self {
            now_ns: Cell::new(1_000_000_000),
            call_ns,
            calls: Cell::new(0),
            stop: None,
            calls_at_wait: 0,
            server,
            request_bytes,
            buffers: Buffers::default(),
            stamps_arrivals: true,
            events_per_wait: usize::MAX,
            unreported: Vec::new(),
            held_back_ns_max: 0,
            sockets: Vec::new(),
            agenda: BinaryHeap::new(),
            order: 0,
            wakes: 0,
            sent_again: 0,
            connecting: 0,
            most_connecting: 0,
            sent: HashMap::new(),
        }
    }

    /// As it is, but with buffers that have their limits.
    #[must_use]
    pub fn with_buffers(self, buffers: Buffers) -> Self {
        Self { buffers, ..self }
    }

    /// As it is, but what arrives has the time at which it is read.
    #[must_use]
    pub fn without_stamps(self) -> Self {
        Self { stamps_arrivals: false, ..self }
    }

    /// As it is, but a wait reports no more than so many events; the next reports others.
    #[must_use]
    pub fn reporting(self, events_per_wait: usize) -> Self {
        Self { events_per_wait, ..self }
    }

    /// As it is, but the program is stopped for `for_ns` at its `call`th system call.
    #[must_use]
    pub fn stopping_at(self, call: u64, for_ns: u64) -> Self {
        Self { stop: Some((call, for_ns)), ..self }
    }

    /// How many system calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// The longest that the server had to wait for this program: to send because nothing was read, or for the rest of a
    /// request because nothing was written.
    pub fn held_back_ns_max(&self) -> u64 {
        self.held_back_ns_max
    }

    /// The server, to see what it saw.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// How often a wait came to an end.
    pub fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Connection requests that were sent again.
    pub fn sent_again(&self) -> u64 {
        self.sent_again
    }

    /// The most attempts that were under way at a time.
    pub fn most_connecting(&self) -> usize {
        self.most_connecting
    }

    /// How often each request was sent that the kernel took at once.
    pub fn sent_by_request(&self) -> &HashMap<Vec<u8>, u64> {
        &self.sent
    }

    /// Connections that are open now.
    pub fn open_sockets(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.is_open).count()
    }

    /// A system call: it takes its time, and in one of them the program may be stopped.
    fn call(&self) {
        self.calls.set(self.calls.get() + 1);
        let stopped_ns = self.stop.filter(|stop| stop.0 == self.calls.get()).map_or(0, |stop| stop.1);
        self.now_ns.set(self.now_ns.get() + self.call_ns + stopped_ns);
        assert!(self.calls.get() < self.calls_at_wait + NEVER_WAITS_CALLS, "a loop that never waits");
    }

    fn plan(&mut self, after_ns: u64, socket: usize, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((self.now_ns.get() + after_ns, self.order, socket, happening)));
    }

    fn plan_all(&mut self, mut after_ns: u64, socket: usize, steps: Vec<Step>) {
        for step in steps {
            let (wait_ns, happening) = match step {
                Step::Send(wait_ns, bytes) => (wait_ns, Happening::Bytes(bytes)),
                Step::SendForEver(wait_ns, bytes) => (wait_ns, Happening::Endless(bytes)),
                Step::Close(wait_ns) => (wait_ns, Happening::Closed),
                Step::Reset(wait_ns) => (wait_ns, Happening::Reset),
            };
            after_ns += wait_ns;
            self.plan(after_ns, socket, happening);
        }
    }

    /// What follows from the server's decision about a connection request.
    fn welcomed(&mut self, index: usize, welcome: Welcome) {
        match welcome {
            Welcome::Accept(after_ns) => self.plan(after_ns, index, Happening::Established),
            Welcome::Refuse(after_ns) => self.plan(after_ns, index, Happening::Refused),
            Welcome::Lose => {
                let after_ns = FIRST_RETRANSMISSION_NS << self.sockets[index].retransmissions;
                self.plan(after_ns, index, Happening::Again);
            }
            Welcome::Ignore | Welcome::NoDescriptor => {}
        }
    }

    /// Lets everything happen that is due, and collects what can be seen of it.
    fn happen(&mut self, events: &mut Vec<Event>) {
        while let Some(Reverse((at_ns, ..))) = self.agenda.peek()
            && *at_ns <= self.now_ns.get()
        {
            let Some(Reverse((at_ns, _, index, happening))) = self.agenda.pop() else { return };
            let socket = &mut self.sockets[index];
            if !socket.is_open {
                continue;
            }
            if happening == Happening::Again {
                socket.retransmissions += 1;
                self.sent_again += 1;
                let welcome = self.server.welcome(self.now_ns.get());
                self.welcomed(index, welcome);
                continue;
            }
            let was_connecting = socket.is_connecting();
            let event = socket.take(happening, at_ns, self.buffers);
            self.connecting -= usize::from(was_connecting && !socket.is_connecting());
            if let Some(event) = event {
                match events.iter_mut().find(|seen| seen.token == event.token) {
                    Some(seen) => *seen = merged(*seen, event),
                    None => events.push(event),
                }
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
