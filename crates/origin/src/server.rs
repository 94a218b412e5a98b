//! The origin's event loop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;

use seatrial_net::Event;
use seatrial_net::clock::now_ns;
use seatrial_net::epoll::Poller;
use seatrial_net::listener::Listener;
use seatrial_net::tls::Scratch;
use seatrial_net::tls::config::ServerTls;
use seatrial_wire::RequestParser;
use serde::Serialize;

use crate::answers::Answers;
use crate::connection::Connection;
use crate::delay::Pace;
use crate::faults::Faults;
use crate::spec::OriginSpec;
use crate::stream::Stream;

const LISTENER_BIT: u64 = 1 << 63;
/// The number of the pipe from the parent.
pub(crate) const CONTROL: u64 = u64::MAX;
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How long to rest when descriptors run out, before accepting again.
const ACCEPT_REST_NS: u64 = 10_000_000;

/// What the origin has seen.
#[derive(Debug, Serialize)]
pub(crate) struct Counts<'a> {
    r#type: &'static str,
    requests: u64,
    connections_accepted: u64,
    connections_active: u64,
    routes: BTreeMap<&'a str, u64>,
    /// Requests that came in at each of the addresses, in their order.
    endpoints: &'a [u64],
    errors: &'a BTreeMap<&'static str, u64>,
    faults: &'a BTreeMap<&'static str, u64>,
    r#final: bool,
}

/// One process of an origin.
pub(crate) struct Server {
    poller: Poller,
    pub(super) listeners: Vec<Listener>,
    /// Of each listener that speaks it.
    tls: Vec<Option<ServerTls>>,
    pub(super) scratch: Scratch,
    pub(super) connections: Vec<Connection>,
    pub(super) vacant: Vec<u32>,
    pub(super) held_back: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Which addresses stand still, and what has become due at them meanwhile.
    pub(super) paused: Vec<bool>,
    pub(super) put_off: Vec<Reverse<(u64, u32, u32)>>,
    pub(super) answers: Answers,
    pub(super) pace: Pace,
    pub(super) faults: Faults,
    pub(super) buffer: Vec<u8>,
    pub(super) requests: u64,
    pub(super) at_endpoints: Vec<u64>,
    accepted: u64,
    pub(super) errors: BTreeMap<&'static str, u64>,
    accept_again_ns: Option<u64>,
}

impl Server {
    /// Listens. The text of an error is for a person.
    pub(crate) fn new(spec: &OriginSpec) -> Result<Self, String> {
        let tls = spec.listen.iter().map(|listen| listen.tls.as_ref().map(ServerTls::new).transpose());
        let tls = tls.collect::<Result<_, _>>()?;
        let (poller, listeners) = listen(spec).map_err(|error| format!("cannot listen: {error}"))?;
        Ok(Self {
            poller,
            listeners,
            tls,
            scratch: Scratch::default(),
            connections: Vec::new(),
            vacant: Vec::new(),
            held_back: BinaryHeap::new(),
            paused: vec![false; spec.listen.len()],
            put_off: Vec::new(),
            answers: Answers::new(spec),
            pace: Pace::new(spec.capacity_per_s, spec.seed),
            faults: Faults::new(spec),
            buffer: vec![0; READ_BUFFER_BYTES],
            requests: 0,
            at_endpoints: vec![0; spec.listen.len()],
            accepted: 0,
            errors: BTreeMap::new(),
            accept_again_ns: None,
        })
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        self.listeners.iter().map(Listener::address)
    }

    pub(crate) fn watch(&self, fd: i32) -> io::Result<()> {
        self.poller.add(fd, CONTROL, false)
    }

    /// Accepts no more; what is being answered goes on.
    pub(crate) fn stop_listening(&mut self) {
        self.listeners.clear();
        self.accept_again_ns = None;
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.connections.iter().any(|connection| connection.pending.is_some())
    }

    pub(crate) fn counts(&self, is_final: bool) -> Counts<'_> {
        Counts {
            r#type: "counts",
            requests: self.requests,
            connections_accepted: self.accepted,
            connections_active: (self.connections.len() - self.vacant.len()) as u64,
            routes: self.answers.counts().collect(),
            endpoints: &self.at_endpoints,
            errors: &self.errors,
            faults: self.faults.counts(),
            r#final: is_final,
        }
    }

    /// One turn of the loop, of at most `limit_ns`.
    pub(crate) fn turn(&mut self, events: &mut Vec<Event>, limit_ns: u64) -> io::Result<()> {
        let now_ns = now_ns();
        let held_back_ns = self.held_back.peek().map(|Reverse((due_ns, _, _))| *due_ns);
        let next_ns = [held_back_ns, self.accept_again_ns].into_iter().flatten().min();
        let timeout_ns = next_ns.map_or(limit_ns, |at_ns| at_ns.saturating_sub(now_ns).min(limit_ns));
        self.poller.wait(events, Some(timeout_ns))?;
        for event in events.iter() {
            self.on_event(event);
        }
        self.release_due();
        Ok(())
    }

    fn release_due(&mut self) {
        let now_ns = now_ns();
        while let Some(&Reverse((due_ns, index, generation))) = self.held_back.peek()
            && due_ns <= now_ns
        {
            let waiting = self.held_back.pop();
            let connection = &self.connections[index as usize];
            if self.paused[connection.listener as usize] {
                self.put_off.extend(waiting);
                continue;
            }
            if connection.generation == generation
                && let Some(is_due) = connection.pending.map(|pending| pending.is_due)
            {
                let is_out = if is_due { self.next_piece(index, due_ns) } else { self.begin(index) };
                if is_out {
                    self.resume(index);
                }
            }
        }
        if self.accept_again_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.accept_again_ns = None;
            (0..self.listeners.len()).for_each(|listener| self.accept(listener));
        }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        if event.token == CONTROL {
            return;
        }
        if event.token & LISTENER_BIT != 0 {
            return self.accept((event.token & !LISTENER_BIT) as usize);
        }
        let (index, generation) = (event.token as u32, (event.token >> 32) as u32);
        let connection = &mut self.connections[index as usize];
        if connection.generation != generation
            || connection.stream.is_closed()
            || self.paused[connection.listener as usize]
        {
            return;
        }
        if event.writable && connection.stream.has_unsent() {
            connection.stream.flush();
        }
        let pending = connection.pending;
        match pending {
            None if event.readable || event.closed => self.read(index),
            Some(pending) if event.writable && pending.is_due && self.write(index) => self.resume(index),
            _ => {}
        }
    }

    pub(super) fn accept(&mut self, listener: usize) {
        while !self.paused[listener] {
            let Some(accepted) = self.listeners.get(listener).map(Listener::accept) else { return };
            match accepted {
                Ok(fd) => self.admit(fd, listener),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    *self.errors.entry("descriptors_exhausted").or_default() += 1;
                    // Edge-triggered: the listener will not report those that already wait.
                    self.accept_again_ns = Some(now_ns() + ACCEPT_REST_NS);
                    return;
                }
                // The connection was reset while it waited; the next may be well.
                Err(_) => *self.errors.entry("accept_failed").or_default() += 1,
            }
        }
    }

    fn admit(&mut self, fd: i32, listener: usize) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(Connection::vacant());
            self.connections.len() as u32 - 1
        });
        let connection = &mut self.connections[index as usize];
        connection.stream = Stream::open(fd, self.tls[listener].as_ref());
        connection.generation = (connection.generation + 1) & 0x3fff_ffff;
        connection.parser = RequestParser::default();
        connection.requests = 0;
        connection.listener = listener as u32;
        let token = connection.token(index);
        self.accepted += 1;
        if connection.stream.is_closed() {
            self.vacant.push(index);
        } else if self.poller.add(fd, token, true).is_err() {
            self.close(index);
        }
    }
}

fn listen(spec: &OriginSpec) -> io::Result<(Poller, Vec<Listener>)> {
    let poller = Poller::new()?;
    let mut listeners = Vec::new();
    for (index, listen) in spec.listen.iter().enumerate() {
        let listener = Listener::bind(listen.address(), spec.reuse_port)?;
        poller.add(listener.fd(), LISTENER_BIT | index as u64, false)?;
        listeners.push(listener);
    }
    Ok((poller, listeners))
}
