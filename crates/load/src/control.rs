//! What the parent may say to a worker, and how the two reach each other.

use seatrial_net::pipe::LinePipe;
use serde::Deserialize;

use crate::frame::Message;

/// A command; the spec comes before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub enum Command {
    /// Start the schedule at this moment (`CLOCK_MONOTONIC`).
    Go {
        /// When the warm-up begins.
        at_ns: u64,
    },
    /// Say what this clock shows: a parent elsewhere learns from it how theirs differ.
    Ping {
        /// The question's number.
        id: u64,
    },
    /// End the schedule now, wait for answers and report.
    Stop,
    /// Begin anew, once everything is reported: the spec of another load follows.
    Again,
    /// The parent has closed the pipe or is gone: there is nobody to report to.
    #[serde(skip)]
    Gone,
}

/// Whoever a worker works for. Neither method may block.
pub trait Parent {
    /// The next command, if one has arrived.
    fn command(&mut self) -> Option<Command>;

    /// Reports something.
    fn report(&mut self, message: Message);

    /// Goes on writing what could not be written at once.
    fn flush(&mut self) {}
}

impl Parent for LinePipe {
    fn command(&mut self) -> Option<Command> {
        self.read_command().unwrap_or(Some(Command::Gone))
    }

    fn report(&mut self, message: Message) {
        for part in message.in_lines() {
            self.send_object(&part.to_json());
        }
    }

    fn flush(&mut self) {
        Self::flush(self);
    }
}
