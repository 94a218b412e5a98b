//! A network and a clock that exist only in memory: the same seed gives the same run, to the nanosecond.
//!
//! Time passes only in [`crate::Driver::wait`], so an hour of load is simulated in the time that its events take.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

pub use self::scene::{Buffers, Server, Step, Welcome};
use self::socket::{Happening, Socket};
use crate::driver::Event;

mod calls;
mod scene;
mod socket;

/// A lost connection request is sent again after this long, and after twice as long each time after that, as Linux does.
const FIRST_RETRANSMISSION_NS: u64 = 1_000_000_000;
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
