//! A driver that speaks TLS over another driver: who uses it sees plaintext, and connections that take longer to open.

use std::collections::HashMap;
use std::io;

use super::config::ClientTls;
use super::session::{Scratch, Session};
use super::transport::Transport;
use super::{TlsFailure, TlsFailureKind};
use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};

mod attention;

/// One connection.
struct Entry {
    token: u64,
    stage: Stage,
}

enum Stage {
    /// The transport is being connected.
    Connecting,
    /// The handshake goes on, since this moment.
    Handshaking { session: Session, since_ns: u64, known: Connected },
    /// Established.
    Open { session: Session, known: Connected },
    /// Neither was to be had; the error is reported once.
    Failed(Option<io::Error>),
}

/// TLS over the driver `D`.
pub struct TlsDriver<D: Driver> {
    inner: D,
    tls: ClientTls,
    /// By socket. An idle connection costs its session, boxed, and nothing else.
    entries: Vec<Option<Box<Entry>>>,
    /// Connections whose events concern this driver: those that are not established, and those with ciphertext that
    /// the socket has not taken. By token, because that is what an event carries.
    attended: HashMap<u64, i32>,
    /// Events that the inner driver will not report: what they would announce is in a session already.
    owed: Vec<Event>,
    /// Events of attended connections that a wait had no time for.
    late: Vec<Event>,
    scratch: Scratch,
}

/// A connection of the inner driver.
struct Wire<'a, D: Driver> {
    driver: &'a mut D,
    socket: i32,
}

impl<D: Driver> Transport for Wire<'_, D> {
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.driver.send(self.socket, bytes)
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        self.driver.receive(self.socket, buffer)
    }
}

impl<D: Driver> TlsDriver<D> {
    /// Every connection of this driver is a session of `tls`.
    pub fn new(inner: D, tls: ClientTls) -> Self {
        Self {
            inner,
            tls,
            entries: Vec::new(),
            attended: HashMap::new(),
            owed: Vec::new(),
            late: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// The driver underneath, for what only it knows.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// Calls `work` with the established session of a socket, and sees to what is left behind in it.
    #[inline]
    fn with_session<T>(
        &mut self,
        socket: i32,
        work: impl FnOnce(&mut Session, &mut Scratch, &mut Wire<'_, D>) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(Some(entry)) = self.entries.get_mut(socket as usize) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let Stage::Open { session, .. } = &mut entry.stage else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut wire = Wire { driver: &mut self.inner, socket };
        let outcome = work(session, &mut self.scratch, &mut wire);
        if session.has_unsent() {
            self.attended.insert(entry.token, socket);
        }
        outcome
    }
}

impl Entry {
    fn unsent_plain(&self, transport_unsent: usize) -> usize {
        match &self.stage {
            Stage::Open { session, .. } => session.unsent_plain(transport_unsent),
            _ => 0,
        }
    }

    fn is_attended(&self) -> bool {
        match &self.stage {
            Stage::Connecting | Stage::Handshaking { .. } => true,
            Stage::Open { session, .. } => session.has_unsent(),
            Stage::Failed(_) => false,
        }
    }
}

impl<D: Driver> Driver for TlsDriver<D> {
    #[inline]
    fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }

    fn clock_steps(&self) -> u64 {
        self.inner.clock_steps()
    }

    fn stamps_arrivals(&self) -> bool {
        self.inner.stamps_arrivals()
    }

    /// Whatever it is for, it begins with a handshake, none of whose records is to wait for another.
    fn connect(&mut self, token: u64, route: Route<'_>, _: Use) -> io::Result<i32> {
        let socket = self.inner.connect(token, route, Use::Requests)?;
        let index = socket as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(Box::new(Entry { token, stage: Stage::Connecting }));
        self.attended.insert(token, socket);
        Ok(socket)
    }

    fn look(&mut self, socket: i32) -> Event {
        let Some(Some(entry)) = self.entries.get(socket as usize) else { return Event::default() };
        let (token, is_connecting) = (entry.token, matches!(entry.stage, Stage::Connecting));
        let mut event = match self.late.iter().position(|event| event.token == token) {
            Some(position) => self.late.remove(position),
            None => Event { token, ..self.inner.look(socket) },
        };
        let has_news = event.readable || event.writable || event.closed;
        if (has_news || !is_connecting) && self.attend(&mut event) { event } else { Event::default() }
    }

    /// Before the outcome is known, what is missing: the transport (`TimedOut`) or the handshake.
    fn connected(&mut self, socket: i32, _: Ended) -> io::Result<Connected> {
        match self.entries.get_mut(socket as usize) {
            Some(Some(entry)) => match &mut entry.stage {
                Stage::Open { known, .. } => Ok(*known),
                Stage::Failed(error) => {
                    Err(error.take().unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
                }
                Stage::Connecting => Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
                Stage::Handshaking { .. } => {
                    let text = "the TLS handshake did not end in time";
                    Err(TlsFailure::new(TlsFailureKind::Timeout, text).into())
                }
            },
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Once the transport stands, those of its establishment; what the handshake sent again is none of them.
    fn retransmissions(&mut self, socket: i32) -> u32 {
        match self.entries.get(socket as usize) {
            Some(Some(entry)) => match &entry.stage {
                Stage::Handshaking { known, .. } | Stage::Open { known, .. } => known.retransmissions,
                Stage::Connecting | Stage::Failed(_) => self.inner.retransmissions(socket),
            },
            _ => 0,
        }
    }

    #[inline]
    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        self.with_session(socket, |session, scratch, wire| session.send(scratch, wire, bytes))
    }

    fn unsent(&self, socket: i32) -> usize {
        match self.entries.get(socket as usize) {
            Some(Some(entry)) => entry.unsent_plain(self.inner.unsent(socket)),
            _ => 0,
        }
    }

    #[inline]
    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        let mut owes = None;
        let received = self.with_session(socket, |session, scratch, wire| {
            let received = session.receive(scratch, wire, buffer);
            owes = session.owes_a_read().then(|| session.has_ended());
            received
        });
        // A buffer that is full is read on from anyway; the end of the stream needs no second word.
        let is_over = match &received {
            Ok(received) => received.len == 0 || received.len == buffer.len(),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        if let Some(closed) = owes
            && !is_over
            && let Some(Some(entry)) = self.entries.get(socket as usize)
        {
            self.owed.push(Event { token: entry.token, readable: true, writable: false, closed });
        }
        received
    }

    fn close(&mut self, socket: i32, abort: bool) -> usize {
        let Some(mut entry) = self.entries.get_mut(socket as usize).and_then(Option::take) else {
            return self.inner.close(socket, abort);
        };
        self.attended.remove(&entry.token);
        self.late.retain(|event| event.token != entry.token);
        if let Stage::Open { session, .. } = &mut entry.stage
            && !abort
        {
            session.close(&mut self.scratch, &mut Wire { driver: &mut self.inner, socket });
        }
        entry.unsent_plain(self.inner.close(socket, abort))
    }

    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()> {
        let is_behind = !self.owed.is_empty() || !self.late.is_empty();
        let deadline_ns = if is_behind { Some(self.now_ns()) } else { deadline_ns };
        // What this driver has to send on, and a handshake, is not for its user to wait with.
        let wake = if self.attended.is_empty() { wake } else { Wake::OnEvent };
        self.inner.wait(events, deadline_ns, wake)?;
        if !self.attended.is_empty() {
            self.attend_all(events);
        }
        events.append(&mut self.owed);
        Ok(())
    }
}
