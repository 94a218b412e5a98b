//! Connections that carry requests: one request at a time each, any free one takes the next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use seatrial_net::address::RawAddress;
use seatrial_net::{Driver, Event};
use seatrial_wire::KnownHead;

use self::presence::Presence;
use crate::catalog::{Catalog, Prepared};
use crate::connection::{Connection, State};
use crate::expect::{Expectations, KeptAnswer};
use crate::experience::Experience;
use crate::links::List;
use crate::recorder::{Recorder, Sent};
use crate::spec::{LoopKind, Reuse, WorkerSpec};
use crate::token::Token;
use crate::turn::Turn;

mod lateness;
mod lifecycle;
mod patience;
mod presence;
mod reading;
mod sending;

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

    /// Connections that are established, or being renewed after a life that ended as planned.
    pub(crate) fn present(&self) -> u32 {
        self.presence.now()
    }

    /// The fewest that were present since the last call, and for how long connections were missing, added up.
    pub(crate) fn take_presence(&mut self, now_ns: u64) -> (u32, u64) {
        self.presence.take(now_ns)
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
}
