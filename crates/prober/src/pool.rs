//! The connections that probes go over: some to each replica that are kept, and one for each probe that wants its own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;

use seatrial_load::failure::Failure;
use seatrial_net::address::RawAddress;
use seatrial_net::{Driver, Ended, Event, Route, Use};
use seatrial_wire::ResponseParser;

use crate::answers::Seen;

mod kept;
mod reading;

/// No socket.
const CLOSED: i32 = -1;
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How long a connection that failed rests before it is opened again, at first and at most.
const REST_NS: (u64, u64) = (5_000_000, 500_000_000);

/// A probe on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) place: u32,
    pub(crate) sent_ns: u64,
}

/// What came of a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// An answer with this status; what else was seen of it is on the connection.
    Answer(u16),
    /// None.
    Failure(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Connecting,
    Idle,
    Busy,
}

struct Connection {
    socket: i32,
    generation: u32,
    replica: u32,
    /// Whether it is kept, or there for one probe.
    is_kept: bool,
    state: State,
    since_ns: u64,
    failures: u32,
    probe: Option<Probe>,
    unwritten: Vec<u8>,
    parser: ResponseParser,
    seen: Seen,
}

/// All connections.
pub(crate) struct Pool {
    connections: Vec<Connection>,
    replicas: Vec<RawAddress>,
    /// Kept ones on which nothing is asked, by replica; the longest idle first.
    idle: Vec<VecDeque<u32>>,
    vacant: Vec<u32>,
    resting: BinaryHeap<Reverse<(u64, u32)>>,
    expiring: BinaryHeap<Reverse<(u64, u32, u32)>>,
    timeout_ns: u64,
    field: String,
    buffer: Box<[u8]>,
    /// How many are kept to each replica; they come first, by replica.
    kept: usize,
}

impl Pool {
    pub(crate) fn new(replicas: Vec<RawAddress>, kept: u32, timeout_ns: u64, field: &str) -> Self {
        let mut pool = Self {
            connections: vec![],
            idle: vec![VecDeque::new(); replicas.len()],
            vacant: vec![],
            resting: BinaryHeap::new(),
            expiring: BinaryHeap::new(),
            timeout_ns,
            field: field.to_owned(),
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            replicas,
            kept: kept as usize,
        };
        for replica in 0..pool.replicas.len() as u32 {
            for _ in 0..kept {
                let index = pool.add(replica, true);
                pool.resting.push(Reverse((0, index)));
            }
        }
        pool
    }

    fn add(&mut self, replica: u32, is_kept: bool) -> u32 {
        self.connections.push(Connection {
            socket: CLOSED,
            generation: 0,
            replica,
            is_kept,
            state: State::Closed,
            since_ns: 0,
            failures: 0,
            probe: None,
            unwritten: vec![],
            parser: ResponseParser::default(),
            seen: Seen::new(&self.field),
        });
        self.connections.len() as u32 - 1
    }

    /// What was seen of the answer that came last on a connection.
    pub(crate) fn seen(&self, index: u32) -> &Seen {
        &self.connections[index as usize].seen
    }

    /// When a connection is to be opened again, or has had its time.
    pub(crate) fn wake_ns(&self) -> Option<u64> {
        let resting = self.resting.peek().map(|Reverse((at_ns, _))| *at_ns);
        let expiring = self.expiring.peek().map(|Reverse((at_ns, ..))| *at_ns);
        resting.into_iter().chain(expiring).min()
    }

    /// Opens again what has rested.
    pub(crate) fn reopen<D: Driver>(&mut self, driver: &mut D) {
        while let Some(&Reverse((at_ns, index))) = self.resting.peek()
            && at_ns <= driver.now_ns()
        {
            self.resting.pop();
            if self.connect(driver, index).is_err() {
                self.rest(driver.now_ns(), index);
            }
        }
    }

    /// The next whose time is over: closed, with the probe that it carried.
    pub(crate) fn expired<D: Driver>(&mut self, driver: &mut D) -> Option<(Probe, Failure)> {
        while let Some(&Reverse((at_ns, index, generation))) = self.expiring.peek()
            && at_ns <= driver.now_ns()
        {
            self.expiring.pop();
            let connection = &self.connections[index as usize];
            let is_waiting = matches!(connection.state, State::Connecting | State::Busy);
            if connection.generation != generation
                || !is_waiting
                || connection.since_ns + self.timeout_ns > at_ns
            {
                continue;
            }
            let is_new = connection.state == State::Connecting;
            let failure = if is_new {
                Failure::of_expired_connect(driver, connection.socket)
            } else {
                Failure::Timeout
            };
            if let Some(probe) = self.fail(driver, index) {
                return Some((probe, failure));
            }
        }
        None
    }

    /// Opens a connection for one probe.
    pub(crate) fn send_fresh<D: Driver>(
        &mut self,
        driver: &mut D,
        replica: u32,
        place: u32,
        request: &[u8],
    ) -> Result<(), Failure> {
        let index = self.vacant.pop().unwrap_or_else(|| self.add(replica, false));
        let connection = &mut self.connections[index as usize];
        connection.replica = replica;
        connection.probe = Some(Probe { place, sent_ns: driver.now_ns() });
        connection.unwritten = request.to_vec();
        self.connect(driver, index).map_err(|error| {
            self.connections[index as usize].probe = None;
            self.vacant.push(index);
            Failure::of_connect(&error)
        })
    }

    fn connect<D: Driver>(&mut self, driver: &mut D, index: u32) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        connection.generation = (connection.generation + 1) & 0x3fff_ffff;
        connection.parser.reset();
        let token = u64::from(connection.generation) << 32 | u64::from(index);
        let route = Route { target: &self.replicas[connection.replica as usize], source: None };
        connection.since_ns = driver.now_ns();
        connection.socket = driver.connect(token, route, Use::Requests)?;
        connection.state = State::Connecting;
        let generation = connection.generation;
        self.expire(index, generation);
        Ok(())
    }

    fn expire(&mut self, index: u32, generation: u32) {
        let at_ns = self.connections[index as usize].since_ns + self.timeout_ns;
        self.expiring.push(Reverse((at_ns, index, generation)));
    }

    fn connected<D: Driver>(&mut self, driver: &mut D, index: u32, event: &Event) -> Result<(), Failure> {
        let connection = &mut self.connections[index as usize];
        let took_ns = driver.now_ns().saturating_sub(connection.since_ns);
        driver
            .connected(connection.socket, Ended::of(event, took_ns))
            .map_err(|error| Failure::of_connect(&error))?;
        connection.failures = 0;
        if let Some(probe) = connection.probe {
            let request = std::mem::take(&mut connection.unwritten);
            let probe = Probe { sent_ns: driver.now_ns(), ..probe };
            return self.write(driver, index, probe, &request).map_err(|_| Failure::WriteFailed);
        }
        connection.state = State::Idle;
        let replica = connection.replica as usize;
        self.idle[replica].push_back(index);
        Ok(())
    }

    fn write<D: Driver>(
        &mut self,
        driver: &mut D,
        index: u32,
        probe: Probe,
        request: &[u8],
    ) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        connection.probe = Some(probe);
        connection.state = State::Busy;
        connection.since_ns = probe.sent_ns;
        connection.parser.expect(false, !connection.is_kept);
        let generation = connection.generation;
        self.put(driver, index, request)?;
        self.expire(index, generation);
        Ok(())
    }

    fn put<D: Driver>(&mut self, driver: &mut D, index: u32, bytes: &[u8]) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        let written = match driver.send(connection.socket, bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        connection.unwritten = bytes[written..].to_vec();
        Ok(())
    }

    /// Closes; one that is kept is opened again. Returns the probe that it carried.
    fn fail<D: Driver>(&mut self, driver: &mut D, index: u32) -> Option<Probe> {
        let connection = &mut self.connections[index as usize];
        driver.close(connection.socket, false);
        let was_idle = connection.state == State::Idle;
        (connection.socket, connection.state) = (CLOSED, State::Closed);
        connection.unwritten.clear();
        let (probe, replica) = (connection.probe.take(), connection.replica as usize);
        if was_idle {
            self.idle[replica].retain(|other| *other != index);
        }
        if self.connections[index as usize].is_kept {
            self.rest(driver.now_ns(), index);
        } else {
            self.vacant.push(index);
        }
        probe
    }

    fn rest(&mut self, now_ns: u64, index: u32) {
        let connection = &mut self.connections[index as usize];
        // One that did its work is opened again at once.
        let rest_ns = match connection.failures {
            0 => 0,
            failures => (REST_NS.0 << failures.min(10)).min(REST_NS.1),
        };
        connection.failures += 1;
        self.resting.push(Reverse((now_ns + rest_ns, index)));
    }
}
