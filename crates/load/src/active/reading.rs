//! How answers are read, and what follows from each.

use std::io;

use seatrial_net::Driver;
use seatrial_net::tls::TlsFailure;

use super::Active;
use crate::connection::{CLOSED, State, Verdict};
use crate::failure::Failure;
use crate::recorder::{Recorder, Sent};
use crate::turn::READS_AT_ONCE;

impl Active {
    /// Reads until nothing is left, or others have to have their turn. A read that does not fill the buffer has emptied
    /// the socket (epoll(7)), so almost every answer takes one; only where the stream may have ended is one more needed
    /// to see the end. Returns whether more may be there of what is known to have come in time so far.
    #[inline]
    pub(super) fn read<D: Driver>(
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
                    recorder.connections.churned();
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
                recorder.connections.ended_by_peer(was_reset);
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
