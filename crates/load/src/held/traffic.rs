//! What idle connections send, and what they are sent.

use std::io;

use seatrial_net::Driver;

use super::Held;
use crate::catalog::Catalog;
use crate::recorder::Recorder;
use crate::spec::HoldTraffic;

/// What an idle connection is sent is read past in pieces of this size.
const SCRATCH_BYTES: usize = 4096;
/// After so many pieces in a row the other connections are read first.
const PIECES_AT_ONCE: u32 = 16;
/// So many act before everything else has its turn.
const AT_ONCE: u32 = 256;

impl Held {
    /// Lets every connection act whose turn has come.
    pub(crate) fn act<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        recorder: &mut Recorder,
        now_ns: u64,
    ) {
        for _ in 0..AT_ONCE {
            let Some(index) = self.pace.take(now_ns) else { return };
            if !self.slots[index as usize].is_established {
                continue;
            }
            match self.pace.traffic() {
                HoldTraffic::Silent => return,
                HoldTraffic::Request { .. } => self.write(driver, catalog, (index, usize::MAX), recorder),
                HoldTraffic::SlowSend { .. } => self.write(driver, catalog, (index, 1), recorder),
                HoldTraffic::SlowRead { bytes, .. } => {
                    self.read_slowly(driver, catalog, (index, bytes as usize), recorder);
                }
            }
        }
    }

    fn write<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        (index, most): (u32, usize),
        recorder: &mut Recorder,
    ) {
        let slot = &mut self.slots[index as usize];
        let is_new = slot.written == 0;
        if is_new {
            slot.request = catalog.pick(self.begun);
        }
        let request = &catalog.request(slot.request).bytes;
        let rest = &request[slot.written as usize..];
        match driver.send(slot.socket, &rest[..rest.len().min(most)]) {
            Ok(written) => {
                self.begun += u64::from(is_new);
                let total = slot.written as usize + written;
                if total == request.len() {
                    recorder.connections.held_request(slot.awaited.asked());
                }
                slot.written = (total % request.len()) as u32;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broke(driver, index, recorder, &error),
        }
    }

    /// Asks once, then reads a little of the answer; asks again where nothing is left of it.
    fn read_slowly<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        (index, bytes): (u32, usize),
        recorder: &mut Recorder,
    ) {
        let mut scratch = [0; SCRATCH_BYTES];
        let slot = self.slots[index as usize];
        match driver.receive(slot.socket, &mut scratch[..bytes.clamp(1, SCRATCH_BYTES)]) {
            Ok(received) if received.len > 0 => self.look(index, &scratch[..received.len], recorder),
            Ok(_) => self.ended_by_peer(driver, index, recorder),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !slot.awaited.is_open() {
                    self.write(driver, catalog, (index, usize::MAX), recorder);
                }
            }
            Err(error) => self.broke(driver, index, recorder, &error),
        }
    }

    pub(super) fn read_past<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let mut scratch = [0; SCRATCH_BYTES];
        for pieces in 1.. {
            match driver.receive(self.slots[index as usize].socket, &mut scratch) {
                Ok(received) if received.len > 0 => {
                    self.look(index, &scratch[..received.len], recorder);
                    self.turn.read(received.len, || driver.now_ns());
                    if pieces == PIECES_AT_ONCE || self.turn.is_over() {
                        return self.put_off(index);
                    }
                }
                Ok(_) => return self.ended_by_peer(driver, index, recorder),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.broke(driver, index, recorder, &error),
            }
        }
    }

    /// Others are read first.
    pub(super) fn put_off(&mut self, index: u32) {
        if !std::mem::replace(&mut self.slots[index as usize].is_unread, true) {
            self.unread.push_back(index);
        }
    }

    /// Goes on with those that had to wait, as long as the turn lasts.
    pub(crate) fn read_on<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        while !self.turn.is_over()
            && let Some(index) = self.unread.pop_front()
        {
            // It may have been closed since, and even be in the list once more.
            if std::mem::take(&mut self.slots[index as usize].is_unread) {
                self.read_past(driver, index, recorder);
            }
        }
    }

    /// Looks at what came for the status of an answer.
    fn look(&mut self, index: u32, bytes: &[u8], recorder: &mut Recorder) {
        let awaited = &mut self.slots[index as usize].awaited;
        if awaited.is_open()
            && let Some(class) = awaited.read(bytes)
        {
            recorder.connections.held_answer(class);
        }
    }
}
