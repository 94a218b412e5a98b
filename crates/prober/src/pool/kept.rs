//! The connections that are kept: whether they are there, and what is asked over them.

use seatrial_net::Driver;

use super::{Pool, Probe, State};

impl Pool {
    /// Whether every kept connection is there.
    pub(crate) fn is_ready(&self) -> bool {
        self.connections.iter().all(|one| !one.is_kept || matches!(one.state, State::Idle | State::Busy))
    }

    /// Whether no connection to a replica is kept, nor about to be: each was closed and could not be opened again so far.
    pub(crate) fn is_away(&self, replica: u32) -> bool {
        let first = replica as usize * self.kept;
        self.connections[first..first + self.kept]
            .iter()
            .all(|one| one.state == State::Closed && one.failures > 1)
    }

    /// Sends a request over a kept connection to a replica; None where all of them are busy, or away.
    pub(crate) fn send_kept<D: Driver>(
        &mut self,
        driver: &mut D,
        replica: u32,
        place: u32,
        request: &[u8],
    ) -> Option<()> {
        while let Some(index) = self.idle[replica as usize].pop_front() {
            let probe = Probe { place, sent_ns: driver.now_ns() };
            if self.write(driver, index, probe, request).is_ok() {
                return Some(());
            }
            // It was ended while it was idle: nothing was asked on it.
            self.connections[index as usize].probe = None;
            self.fail(driver, index);
        }
        None
    }
}
