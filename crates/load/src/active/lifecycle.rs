//! How active connections begin and end.

use std::cmp::Reverse;

use seatrial_net::{Driver, Ended, Event, Route, Use};

use super::Active;
use crate::connection::{CLOSED, State};
use crate::failure::Failure;
use crate::links::List;
use crate::opener::{lone_rest_ns, rest_ns};
use crate::recorder::{Ending, Recorder};
use crate::spec::Reuse;
use crate::token::Token;

impl Active {
    /// Opens one connection for the first time. The caller has the opener's permission.
    pub(crate) fn open_one<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        if let Some(index) = self.never_opened.pop() {
            self.connect(driver, recorder, index);
        }
    }

    /// Opens again one that has rested long enough. The caller has the opener's permission.
    pub(crate) fn reopen_one<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        if let Some(Reverse((_, index))) = self.resting.pop() {
            self.connect(driver, recorder, index);
        }
    }

    fn connect<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let connection = &mut self.connections[index as usize];
        connection.generation = Token::next_generation(connection.generation);
        connection.since_ns = driver.now_ns();
        connection.answered = 0;
        connection.is_broken = false;
        connection.parser.reset();
        let token = Token::active(index, connection.generation);
        let route = Route::nth(self.first + index as usize, &self.targets, &self.sources);
        match driver.connect(token.into(), route, Use::Requests) {
            Ok(socket) => {
                connection.socket = socket;
                connection.state = State::Connecting;
                self.connecting.push(&mut self.connections, index);
            }
            Err(error) => {
                recorder.connections.failure(Failure::of_connect(&error));
                self.rest(driver.now_ns(), index);
            }
        }
    }

    pub(super) fn on_connected<D: Driver>(
        &mut self,
        driver: &mut D,
        recorder: &mut Recorder,
        index: u32,
        event: &Event,
    ) -> bool {
        self.connecting.remove(&mut self.connections, index);
        let connection = &mut self.connections[index as usize];
        let now_ns = driver.now_ns();
        let took_ns = now_ns.saturating_sub(connection.since_ns);
        let connected = match driver.connected(connection.socket, Ended::of(event, took_ns)) {
            Ok(connected) => connected,
            Err(error) => {
                let socket = self.connections[index as usize].socket;
                recorder.connections.given_up(Failure::of_connect(&error), driver.retransmissions(socket));
                self.close(driver, recorder, index);
                self.rest(now_ns, index);
                return false;
            }
        };
        let connect_ns = recorder.connections.handshake(took_ns, connected.tls);
        recorder.connections.opened(connect_ns, connected.retransmissions);
        connection.opened_ns = now_ns;
        if std::mem::replace(&mut connection.was_open, true) {
            recorder.connections.reconnected();
        }
        self.found(index, now_ns);
        self.seen_late(index, now_ns - took_ns);
        self.set_free(index, now_ns);
        true
    }

    pub(super) fn set_free(&mut self, index: u32, at_ns: u64) {
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

    #[inline]
    pub(super) fn has_outlived(&self, index: u32, now_ns: u64) -> bool {
        let lifetime_ns = self.policy.lifetime_ns;
        lifetime_ns > 0 && now_ns.saturating_sub(self.connections[index as usize].opened_ns) >= lifetime_ns
    }

    /// Whether the plan wants a connection closed after this answer.
    #[inline]
    pub(super) fn is_worn(&self, index: u32, now_ns: u64) -> bool {
        let limit = self.policy.requests_per_connection;
        limit > 0 && self.connections[index as usize].answered >= limit || self.has_outlived(index, now_ns)
    }

    /// The connection failed, under a request or while it was free.
    pub(super) fn fail<D: Driver>(
        &mut self,
        driver: &mut D,
        recorder: &mut Recorder,
        index: u32,
        failure: Failure,
    ) {
        let now_ns = driver.now_ns();
        recorder.connections.failure(failure);
        let state = self.connections[index as usize].state;
        if state == State::Busy {
            let ending = if failure == Failure::Timeout { Ending::TimedOut } else { Ending::Failed };
            recorder.ended(&self.sent(index), ending, now_ns);
            recorder.failed(&self.sent(index), failure);
            self.leave_busy(index, false);
        } else if state == State::Free {
            self.free.remove(&mut self.connections, index);
        }
        self.reconnect(driver, recorder, index, true);
    }

    /// The peer has ended it while nothing was under way. One that lived for longer than it would rest was no failure.
    pub(super) fn end_idle<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let now_ns = driver.now_ns();
        let connection = &mut self.connections[index as usize];
        if now_ns.saturating_sub(connection.opened_ns) > rest_ns(connection.failures) {
            connection.failures = 0;
        }
        self.reconnect(driver, recorder, index, true);
    }

    /// Closes and opens again: after a failure no faster than connections may be opened, and from the second in a row on
    /// with a growing rest, so that a peer that is down is not hammered, nor one that comes back.
    pub(super) fn reconnect<D: Driver>(
        &mut self,
        driver: &mut D,
        recorder: &mut Recorder,
        index: u32,
        has_failed: bool,
    ) {
        self.close(driver, recorder, index);
        if !has_failed {
            return self.connect(driver, recorder, index);
        }
        let now_ns = driver.now_ns();
        if self.connections[index as usize].failures == 0 {
            self.missed(index, now_ns);
            self.open_again_at(now_ns, index);
        } else {
            self.rest(now_ns, index);
        }
    }

    /// A request that waits for this connection waits for the rest, too, and that is this program's doing.
    fn rest(&mut self, now_ns: u64, index: u32) {
        self.missed(index, now_ns);
        let failures = self.connections[index as usize].failures;
        let rest_ns = if self.present() > 0 { rest_ns(failures) } else { lone_rest_ns(failures) };
        self.owe(index, rest_ns);
        self.open_again_at(now_ns + rest_ns, index);
    }

    fn open_again_at(&mut self, at_ns: u64, index: u32) {
        let connection = &mut self.connections[index as usize];
        connection.state = State::Closed;
        connection.failures = connection.failures.saturating_add(1);
        self.resting.push(Reverse((at_ns, index)));
    }

    fn found(&mut self, index: u32, now_ns: u64) {
        if std::mem::take(&mut self.connections[index as usize].is_missing) {
            self.presence.change(-1, now_ns);
        }
    }

    fn missed(&mut self, index: u32, now_ns: u64) {
        if !std::mem::replace(&mut self.connections[index as usize].is_missing, true) {
            self.presence.change(1, now_ns);
        }
    }

    /// Closes, and counts what the socket had taken of a request by then.
    pub(super) fn close<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let connection = &mut self.connections[index as usize];
        let lost = driver.close(connection.socket, false) as u32;
        let taken = connection.written.saturating_sub(lost);
        recorder.wrote(connection.slot.phase, taken.saturating_sub(connection.counted));
        (connection.written, connection.counted) = (0, 0);
        connection.socket = CLOSED;
        connection.state = State::Closed;
        connection.is_unread = false;
    }

    /// Ends requests and attempts that began before `before_ns`, as many as a turn has time for: everything else has its
    /// own between. What came in time may not have been read yet, and is none of a timeout.
    pub(crate) fn expire<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, before_ns: u64) {
        self.turn.begin(driver.now_ns());
        while !self.turn.is_over()
            && let Some(index) = self.first_before(&self.busy, before_ns)
        {
            self.expire_request(driver, recorder, index);
            self.turn.look(driver.now_ns());
        }
        self.turn.begin(driver.now_ns());
        while !self.turn.is_over()
            && let Some(index) = self.first_before(&self.connecting, before_ns)
        {
            self.expire_attempt(driver, recorder, index);
            self.turn.look(driver.now_ns());
        }
    }

    /// Reads what is there, and the end of the stream behind it, before it is given up.
    fn expire_request<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let generation = self.connections[index as usize].generation;
        let has_more_in_time = self.read(driver, recorder, index, true);
        if self.is_under_way(index, generation) && !has_more_in_time {
            self.fail(driver, recorder, index, Failure::Timeout);
        }
    }

    fn expire_attempt<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
        let connection = &self.connections[index as usize];
        let (socket, token) = (connection.socket, Token::active(index, connection.generation));
        let event = driver.look(socket);
        if event.writable || event.closed {
            return self.on_event(driver, recorder, token, &event);
        }
        recorder
            .connections
            .given_up(Failure::of_expired_connect(driver, socket), driver.retransmissions(socket));
        self.connecting.remove(&mut self.connections, index);
        self.close(driver, recorder, index);
        self.rest(driver.now_ns(), index);
    }

    fn first_before(&self, list: &List, before_ns: u64) -> Option<u32> {
        list.first().filter(|&index| self.connections[index as usize].since_ns < before_ns)
    }

    /// The load is over: what is still under way has taken at least this long.
    pub(crate) fn finish<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        let now_ns = driver.now_ns();
        while let Some(index) = self.busy.pop(&mut self.connections) {
            recorder.ended(&self.sent(index), Ending::InFlight, now_ns);
        }
        for index in 0..self.connections.len() as u32 {
            if self.connections[index as usize].state == State::Connecting {
                recorder
                    .connections
                    .sent_again(driver.retransmissions(self.connections[index as usize].socket));
            }
            if self.connections[index as usize].socket != CLOSED {
                self.close(driver, recorder, index);
            }
        }
        (self.free, self.connecting) = (List::default(), List::default());
    }
}
