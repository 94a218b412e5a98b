//! What the parent may say to a worker.

use seatrial_net::pipe::{LinePipe, PipeClosed};
use serde::Deserialize;

/// A command; the spec comes before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub enum Command {
    /// Start the schedule at this moment (`CLOCK_MONOTONIC`).
    Go {
        /// When the warm-up begins.
        at_ns: u64,
    },
    /// End the schedule now, wait for answers and report.
    Stop,
    /// The parent has closed the pipe or is gone: there is nobody to report to.
    #[serde(skip)]
    Gone,
}

/// The next command, if one has arrived. What cannot be read is passed over.
pub fn next_command(pipe: &mut LinePipe) -> Option<Command> {
    loop {
        match pipe.read_line() {
            Err(PipeClosed) => return Some(Command::Gone),
            Ok(None) => return None,
            Ok(Some(line)) => {
                if let Ok(command) = serde_json::from_str(&line) {
                    return Some(command);
                }
            }
        }
    }
}
