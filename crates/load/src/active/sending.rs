//! How a request leaves: on the next free connection, and on as its socket takes more.

use std::io;

use seatrial_net::Driver;

use super::Active;
use crate::connection::State;
use crate::failure::Failure;
use crate::recorder::Recorder;
use crate::schedule::Slot;

impl Active {
    /// Sends the slot's request on a free connection. Returns false where none could take it.
    #[inline]
    pub(crate) fn send<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, slot: Slot) -> bool {
        let request = self.catalog.pick(slot.number);
        while let Some(index) = self.free.pop(&mut self.connections) {
            let sent_ns = driver.now_ns();
            self.look_back(sent_ns);
            if self.has_outlived(index, sent_ns) {
                recorder.connections.churned();
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
            recorder.connections.ended_by_peer(true);
            self.end_idle(driver, recorder, index);
        }
        false
    }

    pub(super) fn write_on<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder, index: u32) {
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

    pub(super) fn is_half_written(&self, index: u32) -> bool {
        let connection = &self.connections[index as usize];
        (connection.written as usize) < self.catalog.request(connection.request).bytes.len()
    }

    /// Whether the socket lacks a part of the request, be it with the driver.
    #[inline]
    pub(super) fn is_half_sent<D: Driver>(&self, driver: &D, index: u32) -> bool {
        self.is_half_written(index) || driver.unsent(self.connections[index as usize].socket) > 0
    }

    /// Counts what the socket has taken of the request since the last count.
    #[inline]
    pub(super) fn count_sent<D: Driver>(&mut self, driver: &D, recorder: &mut Recorder, index: u32) {
        let connection = &mut self.connections[index as usize];
        let taken = connection.written.saturating_sub(driver.unsent(connection.socket) as u32);
        if taken > connection.counted {
            recorder.wrote(connection.slot.phase, taken - connection.counted);
            connection.counted = taken;
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
