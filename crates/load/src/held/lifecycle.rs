//! How idle connections begin and end.

use std::io;

use seatrial_net::tls::TlsFailure;
use seatrial_net::{Driver, Ended, Event, Route, Use};

use super::{Attempt, Held, Slot};
use crate::connection::CLOSED;
use crate::failure::Failure;
use crate::opener::rest_ns;
use crate::recorder::Recorder;
use crate::spec::HoldTraffic;
use crate::token::Token;

/// A connection that the peer ends sooner was not welcome: it is above some limit there, and is not hurried back.
const UNWELCOME_NS: u64 = 1_000_000_000;
/// So long after its last rest a failure is the first again.
const FORGIVEN_NS: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

impl Held {
    /// Starts one connection. The caller has the opener's permission.
    pub(crate) fn open_one<D: Driver>(&mut self, driver: &mut D, route: Route<'_>, recorder: &mut Recorder) {
        let Some(index) = self.closed.pop() else { return };
        let slot = &mut self.slots[index as usize];
        slot.generation = Token::next_generation(slot.generation);
        let token = Token::held(index, slot.generation);
        let started_ns = driver.now_ns();
        let is_silent = matches!(self.pace.traffic(), HoldTraffic::Silent);
        let purpose = if is_silent { Use::Idleness } else { Use::Requests };
        match driver.connect(token.into(), route, purpose) {
            Ok(socket) => {
                slot.socket = socket;
                self.attempts.push_back(Attempt { index, started_ns });
            }
            Err(error) => {
                self.closed.push(index);
                recorder.connections.failure(Failure::of_connect(&error));
                self.rest(started_ns);
            }
        }
    }

    pub(super) fn on_connected<D: Driver>(
        &mut self,
        driver: &mut D,
        (index, event): (u32, &Event),
        recorder: &mut Recorder,
    ) -> bool {
        let now_ns = driver.now_ns();
        let Some(position) = self.attempts.iter().position(|attempt| attempt.index == index) else {
            return false;
        };
        let Some(attempt) = self.attempts.remove(position) else { return false };
        let took_ns = now_ns.saturating_sub(attempt.started_ns);
        match driver.connected(self.slots[index as usize].socket, Ended::of(event, took_ns)) {
            Ok(connected) => {
                let slot = &mut self.slots[index as usize];
                (slot.is_established, slot.written) = (true, 0);
                slot.since_ms = (now_ns.saturating_sub(self.epoch_ns) / NS_PER_MS) as u32;
                self.established += 1;
                if now_ns >= self.rests_until_ns + FORGIVEN_NS {
                    self.failures = 0;
                }
                let connect_ns = recorder.connections.handshake(took_ns, connected.tls);
                recorder.connections.opened(connect_ns, connected.retransmissions);
                if self.was_complete {
                    recorder.connections.reconnected();
                }
                self.was_complete |= self.is_complete();
                true
            }
            Err(error) => {
                let socket = self.slots[index as usize].socket;
                recorder.connections.given_up(Failure::of_connect(&error), driver.retransmissions(socket));
                self.rest(now_ns);
                self.close(driver, index, recorder);
                false
            }
        }
    }

    /// Only TLS has errors that are more than a reset.
    pub(super) fn broke<D: Driver>(
        &mut self,
        driver: &mut D,
        index: u32,
        recorder: &mut Recorder,
        error: &io::Error,
    ) {
        if TlsFailure::of(error).is_some() {
            recorder.connections.failure(Failure::of_read(error));
        } else {
            // A TLS stream may end without the word that it would.
            recorder.connections.ended_by_peer(error.kind() != io::ErrorKind::UnexpectedEof);
        }
        self.lose(driver, index, recorder);
    }

    pub(super) fn ended_by_peer<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        recorder.connections.ended_by_peer(false);
        self.lose(driver, index, recorder);
    }

    /// An established connection has ended, with TLS perhaps because the peer wanted it no more than an attempt: a
    /// client's certificate is refused only after TLS 1.3 is established.
    fn lose<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        self.lost += 1;
        let now_ns = driver.now_ns();
        let since_ns = self.epoch_ns + u64::from(self.slots[index as usize].since_ms) * NS_PER_MS;
        let lived_ns = now_ns.saturating_sub(since_ns);
        recorder.connections.held_lived(lived_ns);
        if lived_ns < UNWELCOME_NS {
            self.rest(now_ns);
        }
        self.close(driver, index, recorder);
    }

    /// Nothing is opened for a while after a failure, of these connections alone.
    fn rest(&mut self, now_ns: u64) {
        // What fails while they rest began before, and says nothing new.
        if now_ns < self.rests_until_ns {
            return;
        }
        self.rests_until_ns = now_ns + rest_ns(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    /// Gives up attempts that began before `before_ns`. That takes no rest: the timeout was one.
    pub(crate) fn expire<D: Driver>(&mut self, driver: &mut D, before_ns: u64, recorder: &mut Recorder) {
        self.turn.begin(driver.now_ns());
        while !self.turn.is_over()
            && let Some(attempt) = self.attempts.front().filter(|attempt| attempt.started_ns < before_ns)
        {
            self.expire_attempt(driver, attempt.index, recorder);
            self.turn.look(driver.now_ns());
        }
    }

    /// One whose end was not seen yet is no timeout.
    fn expire_attempt<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let Slot { socket, generation, .. } = self.slots[index as usize];
        let event = driver.look(socket);
        if event.writable || event.closed {
            return self.on_event(driver, Token::held(index, generation), &event, recorder);
        }
        self.attempts.pop_front();
        recorder
            .connections
            .given_up(Failure::of_expired_connect(driver, socket), driver.retransmissions(socket));
        self.close(driver, index, recorder);
    }

    fn close<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let slot = &mut self.slots[index as usize];
        if slot.awaited.give_up() {
            recorder.connections.held_unanswered();
        }
        driver.close(slot.socket, true);
        self.established -= u32::from(slot.is_established);
        self.fewest = self.fewest.min(self.established);
        (slot.socket, slot.is_established, slot.is_unread) = (CLOSED, false, false);
        self.closed.push(index);
    }

    /// The load is over: what was sent again for attempts under way is counted.
    pub(crate) fn finish<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        for attempt in self.attempts.drain(..) {
            recorder
                .connections
                .sent_again(driver.retransmissions(self.slots[attempt.index as usize].socket));
        }
    }

    /// Resets every connection: a hundred thousand orderly closes would leave as many ports in `TIME_WAIT`.
    pub(crate) fn close_all<D: Driver>(&mut self, driver: &mut D) {
        for slot in &mut self.slots {
            if slot.socket != CLOSED {
                driver.close(slot.socket, true);
                slot.socket = CLOSED;
            }
        }
        self.established = 0;
    }
}
