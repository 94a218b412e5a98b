//! What comes on a connection, and what it means for the probe that it carries.

use std::collections::HashSet;
use std::io;

use seatrial_load::failure::Failure;
use seatrial_net::{Driver, Event, Received};
use seatrial_wire::{Outcome, ProtocolError};

use super::{Came, Pool, Probe, State};

impl Pool {
    /// The places of probes that were sent and have no answer yet.
    pub(crate) fn in_flight(&self) -> HashSet<u32> {
        let busy = self.connections.iter().filter(|one| one.state == State::Busy);
        busy.filter_map(|one| one.probe).map(|probe| probe.place).collect()
    }

    /// Takes an event; returns which connection and what came of the probe that it carried, where that is over.
    pub(crate) fn on_event<D: Driver>(
        &mut self,
        driver: &mut D,
        event: &Event,
    ) -> Option<(u32, Probe, Came, u64)> {
        let (index, generation) = (event.token as u32, (event.token >> 32) as u32);
        let connection = &self.connections[index as usize];
        if connection.generation != generation || connection.state == State::Closed {
            return None;
        }
        if connection.state == State::Connecting {
            if let Err(failure) = self.connected(driver, index, event) {
                let now_ns = driver.now_ns();
                return self.fail(driver, index).map(|probe| (index, probe, Came::Failure(failure), now_ns));
            }
            if !event.readable && !event.closed {
                return None;
            }
        } else if event.writable && !self.connections[index as usize].unwritten.is_empty() {
            let connection = &mut self.connections[index as usize];
            let unwritten = std::mem::take(&mut connection.unwritten);
            // What an answer to the half of it says is read all the same.
            let _ = self.put(driver, index, &unwritten);
        }
        if event.readable || event.closed { self.read(driver, index, event.closed) } else { None }
    }

    fn read<D: Driver>(
        &mut self,
        driver: &mut D,
        index: u32,
        has_closed: bool,
    ) -> Option<(u32, Probe, Came, u64)> {
        loop {
            let connection = &mut self.connections[index as usize];
            let received = driver.receive(connection.socket, &mut self.buffer);
            let (came, at_ns) = match received {
                // An orderly end of TLS is no bytes of the kernel's, and has no moment of theirs.
                Ok(Received { len: 0, .. }) => match connection.parser.end_of_stream() {
                    Ok(response) => (Came::Answer(response.status), driver.now_ns()),
                    Err(error) => (Came::Failure(Failure::of_protocol(error)), driver.now_ns()),
                },
                Ok(Received { at_ns, .. }) if connection.state != State::Busy => {
                    (Came::Failure(Failure::of_protocol(ProtocolError::Excess)), at_ns)
                }
                Ok(Received { len, at_ns }) => {
                    match connection.parser.receive(&self.buffer[..len], &mut connection.seen) {
                        Ok(Outcome::NeedMore) => continue,
                        Ok(Outcome::Complete(response)) => {
                            return self.complete(driver, index, response.status, response.keep_alive, at_ns);
                        }
                        Err(error) => (Came::Failure(Failure::of_protocol(error)), at_ns),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !has_closed => return None,
                Err(error) => (Came::Failure(Failure::of_read(&error)), driver.now_ns()),
            };
            // An answer that ends with its connection is one, too; an idle connection that ends is nothing.
            return self.fail(driver, index).map(|probe| (index, probe, came, at_ns));
        }
    }

    fn complete<D: Driver>(
        &mut self,
        driver: &mut D,
        index: u32,
        status: u16,
        keep_alive: bool,
        at_ns: u64,
    ) -> Option<(u32, Probe, Came, u64)> {
        let connection = &mut self.connections[index as usize];
        let probe = connection.probe.take();
        connection.unwritten.clear();
        if connection.is_kept && keep_alive {
            connection.state = State::Idle;
            let replica = connection.replica as usize;
            self.idle[replica].push_back(index);
        } else {
            self.fail(driver, index);
        }
        probe.map(|probe| (index, probe, Came::Answer(status), at_ns))
    }
}
