//! Connections that carry requests: one request at a time each, any free one takes the next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

use seatrial_net::address::RawAddress;
use seatrial_net::tls::TlsFailure;
use seatrial_net::{Driver, Event};
use seatrial_wire::KnownHead;

use crate::catalog::{Catalog, Prepared};
use crate::connection::{CLOSED, Connection, State, Verdict};
use crate::expect::{Expectations, KeptAnswer};
use crate::experience::Experience;
use crate::failure::Failure;
use crate::links::List;
use crate::recorder::{Recorder, Sent};
use crate::schedule::Slot;
use crate::spec::{LoopKind, Reuse, WorkerSpec};
use crate::token::Token;
use crate::turn::{READS_AT_ONCE, Turn};

mod lateness;
mod lifecycle;
mod patience;
mod presence;

use presence::Presence;

/// One read takes at most this much; a longer answer takes several.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// The active connections of one worker, and their requests.
pub(crate) struct Active {
    connections: Vec<Connection>,
    /// When the loop last woke.
    awake_ns: u64,
    /// Until when it was to sleep before that, whatever came.
    asleep_until_ns: u64,
    /// Since when some connection has been free without a break.
    available_since_ns: u64,
    /// For how long the loop was away before it looked at the events of this turn.
    away_ns: u64,
    /// The last connection that was sent on in this turn, and when.
    last_sent: Option<(u32, u64)>,
    /// Least recently used first, so that all are used alike.
    free: List,
    /// In order of sending, which with one timeout for all is the order of expiry.
    busy: List,
    connecting: List,
    /// Connections to be opened again, by when.
    resting: BinaryHeap<Reverse<(u64, u32)>>,
    never_opened: Vec<u32>,
    presence: Presence,
    targets: Vec<RawAddress>,
    sources: Vec<RawAddress>,
    /// The place of this worker's first connection among those of all workers.
    first: usize,
    catalog: Catalog,
    expectations: Option<Expectations>,
    experience: Experience,
    /// How many of the busy ones are pressing.
    pressing: u32,
    /// Those that have more to read than was read in their turn, the first of them first.
    unread: VecDeque<u32>,
    turn: Turn,
    policy: Policy,
    known_head: KnownHead,
    buffer: Box<[u8]>,
}

/// How connections are used.
struct Policy {
    is_open_loop: bool,
    reuse: Reuse,
    requests_per_connection: u32,
    lifetime_ns: u64,
    timeout_ns: u64,
}

impl Policy {
    /// Whether it is known beforehand that this request is the last of its connection.
    #[inline]
    fn is_last(&self, connection: &Connection, request: &Prepared) -> bool {
        let limit = self.requests_per_connection;
        request.is_last || limit > 0 && connection.answered + 1 >= limit
    }
}

impl Active {
    pub(crate) fn new(spec: &WorkerSpec, targets: Vec<RawAddress>, sources: Vec<RawAddress>) -> Self {
        let count = spec.active;
        let expectations = spec.expect.clone().map(Expectations::new);
        let connection = |_| Connection::new(expectations.as_ref());
        Self {
            connections: (0..count).map(connection).collect(),
            awake_ns: 0,
            asleep_until_ns: 0,
            available_since_ns: 0,
            away_ns: 0,
            last_sent: None,
            free: List::default(),
            busy: List::default(),
            connecting: List::default(),
            resting: BinaryHeap::with_capacity(count as usize),
            never_opened: (0..count).rev().collect(),
            presence: Presence::new(count),
            targets,
            sources,
            first: spec.first_active as usize,
            catalog: Catalog::new(spec),
            experience: Experience::new(spec.requests.len()),
            pressing: 0,
            unread: VecDeque::with_capacity(count as usize),
            turn: Turn::default(),
            policy: Policy {
                is_open_loop: spec.loop_kind == LoopKind::Open,
                reuse: spec.reuse,
                requests_per_connection: spec.requests_per_connection,
                lifetime_ns: spec.lifetime_ns,
                timeout_ns: spec.timeout_ns,
            },
            expectations,
            known_head: KnownHead::default(),
            buffer: vec![0; READ_BUFFER_BYTES].into(),
        }
    }

    /// The loop has woken, and looks at what has come.
    #[inline]
    pub(crate) fn wake(&mut self, awake_ns: u64, asleep_until_ns: u64) {
        (self.awake_ns, self.asleep_until_ns) = (awake_ns, asleep_until_ns);
        self.turn.begin(awake_ns);
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The unexpected answers that were kept; the load is over.
    pub(crate) fn take_kept(&mut self) -> Vec<KeptAnswer> {
        self.expectations.take().map_or_else(Vec::new, Expectations::into_kept)
    }

    pub(crate) fn established(&self) -> u32 {
        self.free.len() + self.busy.len()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.established() as usize == self.connections.len()
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.busy.len()
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    pub(crate) fn is_connecting(&self) -> bool {
        !self.connecting.is_empty()
    }

    /// How many attempts are under way.
    pub(crate) fn connecting(&self) -> u32 {
        self.connecting.len()
    }

    pub(crate) fn wants_to_open(&self) -> bool {
        !self.never_opened.is_empty()
    }

    /// When the first request or connection attempt under way began: both have the same timeout.
    pub(crate) fn oldest_ns(&self) -> Option<u64> {
        let since = |list: &List| list.first().map(|index| self.connections[index as usize].since_ns);
        since(&self.busy).into_iter().chain(since(&self.connecting)).min()
    }

    /// When the next resting connection is to be opened again.
    pub(crate) fn next_reopening_ns(&self) -> Option<u64> {
        self.resting.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    /// Sends the slot's request on a free connection. Returns false where none could take it.
    #[inline]
    pub(crate) fn send<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, slot: Slot) -> bool {
        let request = self.catalog.pick(slot.number);
        while let Some(index) = self.free.pop(&mut self.connections) {
            let sent_ns = driver.now_ns();
            self.look_back(sent_ns);
            if self.has_outlived(index, sent_ns) {
                recorder.churned();
                self.reconnect(driver, recorder, index, false);
                continue;
            }
            let lateness_ns =
                self.policy.is_open_loop.then(|| self.lateness_ns(index, slot.intended_ns, sent_ns));
            let prepared = self.catalog.request(request);
            let connection = &mut self.connections[index as usize];
            if let Ok(written) = nothing_if_full(driver.send(connection.socket, &prepared.bytes)) {
                let intended_ns = if self.policy.is_open_loop { slot.intended_ns } else { sent_ns };
                connection.slot = Slot { intended_ns, ..slot };
                connection.request = request;
                connection.since_ns = sent_ns;
                (connection.written, connection.counted, connection.received) = (written as u32, 0, 0);
                connection.state = State::Busy;
                // An answer that comes early ends the connection, too.
                let is_last = self.policy.is_last(connection, prepared) || written < prepared.bytes.len();
                connection.parser.expect(prepared.is_head, is_last);
                self.busy.push(&mut self.connections, index);
                if written < prepared.bytes.len() || !self.experience.fits(request) {
                    self.press(index);
                }
                self.turn.look(sent_ns);
                self.last_sent = Some((index, sent_ns));
                recorder.sent(&self.sent(index), lateness_ns);
                self.count_sent(driver, recorder, index);
                return true;
            }
            // The peer ended it while it was free. Nothing was sent, so the request may take another.
            recorder.ended_by_peer(true);
            self.end_idle(driver, recorder, index);
        }
        false
    }

    #[inline]
    fn has_outlived(&self, index: u32, now_ns: u64) -> bool {
        let lifetime_ns = self.policy.lifetime_ns;
        lifetime_ns > 0 && now_ns.saturating_sub(self.connections[index as usize].opened_ns) >= lifetime_ns
    }

    /// Whether the plan wants a connection closed after this answer.
    #[inline]
    fn is_worn(&self, index: u32, now_ns: u64) -> bool {
        let limit = self.policy.requests_per_connection;
        limit > 0 && self.connections[index as usize].answered >= limit || self.has_outlived(index, now_ns)
    }

    #[inline]
    fn sent(&self, index: u32) -> Sent {
        let connection = &self.connections[index as usize];
        Sent { slot: connection.slot, at_ns: connection.since_ns, request: connection.request }
    }

    /// Takes an event.
    #[inline]
    pub(crate) fn on_event<D: Driver>(
        &mut self,
        driver: &mut D,
        recorder: &mut Recorder,
        token: Token,
        event: &Event,
    ) {
        let index = token.index();
        let connection = &self.connections[index as usize];
        if connection.generation != token.generation() || connection.state == State::Closed {
            return;
        }
        if self.connections[index as usize].state == State::Connecting
            && !self.on_connected(driver, recorder, index, event)
        {
            return;
        }
        // An answer that came before its request was all written ends it.
        if event.readable || event.closed {
            if self.turn.is_over() && self.connections[index as usize].state == State::Busy {
                self.put_off(index, event.closed);
            } else {
                self.read(driver, recorder, index, event.closed);
            }
        }
        if event.writable && self.is_under_way(index, token.generation()) && self.is_half_written(index) {
            self.write_on(driver, recorder, index);
        }
    }

    fn is_under_way(&self, index: u32, generation: u32) -> bool {
        let connection = &self.connections[index as usize];
        connection.generation == generation && connection.state == State::Busy
    }

    fn is_half_written(&self, index: u32) -> bool {
        let connection = &self.connections[index as usize];
        (connection.written as usize) < self.catalog.request(connection.request).bytes.len()
    }

    /// Whether the socket lacks a part of the request, be it with the driver.
    #[inline]
    fn is_half_sent<D: Driver>(&self, driver: &D, index: u32) -> bool {
        self.is_half_written(index) || driver.unsent(self.connections[index as usize].socket) > 0
    }

    /// Counts what the socket has taken of the request since the last count.
    #[inline]
    fn count_sent<D: Driver>(&mut self, driver: &D, recorder: &mut Recorder, index: u32) {
        let connection = &mut self.connections[index as usize];
        let taken = connection.written.saturating_sub(driver.unsent(connection.socket) as u32);
        if taken > connection.counted {
            recorder.wrote(connection.slot.phase, taken - connection.counted);
            connection.counted = taken;
        }
    }

    fn set_free(&mut self, index: u32, at_ns: u64) {
        if self.free.is_empty() {
            self.available_since_ns = at_ns;
        }
        let connection = &mut self.connections[index as usize];
        (connection.state, connection.since_ns) = (State::Free, at_ns);
        match self.policy.reuse {
            Reuse::Lru => self.free.push(&mut self.connections, index),
            Reuse::Mru => self.free.push_first(&mut self.connections, index),
        }
    }

    fn write_on<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let connection = &mut self.connections[index as usize];
        let prepared = self.catalog.request(connection.request);
        match nothing_if_full(driver.send(connection.socket, &prepared.bytes[connection.written as usize..]))
        {
            Ok(written) => {
                connection.written += written as u32;
                if connection.written as usize == prepared.bytes.len() {
                    let is_last = self.policy.is_last(connection, prepared);
                    connection.parser.expect(prepared.is_head, is_last);
                }
                self.count_sent(driver, recorder, index);
            }
            Err(error) => {
                // A server that wants no more of a body answers, and closes: what it said is still there to be read.
                // The end behind it is an orderly one only where the pipe is broken and nothing worse.
                connection.is_broken = error.raw_os_error() != Some(libc::EPIPE);
                let generation = connection.generation;
                self.read(driver, recorder, index, true);
                let has_more = self.connections[index as usize].is_unread;
                if self.is_under_way(index, generation) && !has_more {
                    self.fail(driver, recorder, index, Failure::WriteFailed);
                }
            }
        }
    }

    /// Reads until nothing is left, or others have to have their turn. A read that does not fill the buffer has emptied
    /// the socket (epoll(7)), so almost every answer takes one; only where the stream may have ended is one more needed
    /// to see the end. Returns whether more may be there of what is known to have come in time so far.
    #[inline]
    fn read<D: Driver>(
        &mut self,
        driver: &mut D,
        recorder: &mut Recorder,
        index: u32,
        has_closed: bool,
    ) -> bool {
        for reads in 1.. {
            let connection = &mut self.connections[index as usize];
            let (verdict, may_have_more) = match driver.receive(connection.socket, &mut self.buffer) {
                Ok(received) if received.len == 0 => (connection.end_of_stream(driver.now_ns()), false),
                Ok(received) => {
                    recorder.received(connection.slot.phase, received.len, received.at_ns);
                    recorder.waited(self.awake_ns.saturating_sub(received.at_ns.max(self.asleep_until_ns)));
                    connection.received = connection.received.saturating_add(received.len as u32);
                    self.turn.read(received.len, || driver.now_ns());
                    let may_have_more = received.len == self.buffer.len() || has_closed;
                    let bytes = &self.buffer[..received.len];
                    let verdict = connection.interpret(bytes, received.at_ns, &mut self.known_head);
                    let is_late = received.at_ns.saturating_sub(connection.since_ns) > self.policy.timeout_ns;
                    let is_late = is_late && driver.stamps_arrivals();
                    (if is_late { verdict.too_late() } else { verdict }, may_have_more)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if connection.state == State::Free && TlsFailure::of(&error).is_none() => {
                    // A TLS stream may end without the word that it would.
                    let was_reset = error.kind() != io::ErrorKind::UnexpectedEof;
                    (Verdict::EndedIdle { was_reset }, false)
                }
                Err(error) => {
                    let is_half_sent = connection.state == State::Busy && self.is_half_sent(driver, index);
                    (Verdict::Failed(Failure::of_broken(&error, is_half_sent)), false)
                }
            };
            self.apply(driver, recorder, index, &verdict);
            let is_open = self.connections[index as usize].socket != CLOSED
                && matches!(self.connections[index as usize].state, State::Free | State::Busy);
            if !may_have_more || !is_open {
                return false;
            }
            // Without a request under way the next read is the last: what it brings ends the connection.
            let is_busy = self.connections[index as usize].state == State::Busy;
            if is_busy && (reads == READS_AT_ONCE || self.turn.is_over()) {
                self.put_off(index, has_closed);
                return driver.stamps_arrivals();
            }
        }
        false
    }

    #[inline]
    fn apply<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32, verdict: &Verdict) {
        match *verdict {
            Verdict::Continues => self.press(index),
            Verdict::Complete(response, at_ns) => {
                let sent = self.sent(index);
                recorder.completed(&sent, response.status, at_ns);
                self.leave_busy(index, true);
                let connection = &mut self.connections[index as usize];
                connection.failures = 0;
                connection.answered += 1;
                if self.expectations.is_some() {
                    self.compare(recorder, index, &sent, response.status);
                }
                // After an answer that came too early the next request would be taken for the rest of this one.
                let was_last = self.catalog.request(sent.request).is_last;
                let must_end = !response.keep_alive || was_last || self.is_half_sent(driver, index);
                let is_worn = !must_end && self.is_worn(index, at_ns);
                if is_worn {
                    recorder.churned();
                }
                if must_end || is_worn {
                    self.seen_late(index, at_ns);
                    self.reconnect(driver, recorder, index, false);
                } else {
                    self.count_sent(driver, recorder, index);
                    self.set_free(index, at_ns);
                }
            }
            Verdict::Failed(failure) => self.fail(driver, recorder, index, failure),
            Verdict::EndedIdle { was_reset } => {
                recorder.ended_by_peer(was_reset);
                self.free.remove(&mut self.connections, index);
                self.end_idle(driver, recorder, index);
            }
        }
    }

    fn compare(&mut self, recorder: &mut Recorder, index: u32, sent: &Sent, status: u16) {
        let connection = &self.connections[index as usize];
        if let (Some(expectations), Some(evidence)) = (&mut self.expectations, &connection.evidence)
            && let Some(how) = expectations.judge(status, evidence, &self.catalog.request(sent.request).label)
        {
            recorder.unexpected(sent, how);
        }
    }
}

/// A full socket takes nothing now and reports when it takes more.
#[inline]
fn nothing_if_full(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
