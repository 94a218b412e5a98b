//! What the parent may say to a prober, and how the two reach each other.

use seatrial_net::pipe::LinePipe;
use serde::Deserialize;

use crate::over::Over;
use crate::report::Report;

/// A command; the spec comes before all of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub enum Command {
    /// Look for a change until it is everywhere.
    Watch(Watch),
    /// Look for it no longer, and say what is known.
    Forget {
        /// The watch's number.
        id: u64,
    },
    /// Say what this clock shows.
    Ping {
        /// The question's number.
        id: u64,
    },
    /// Say what is known of all that is looked for, and end.
    Stop,
    /// The parent has closed the pipe or is gone.
    #[serde(skip)]
    Gone,
}

/// A change of one route that is looked for at every replica.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Its number: the parent's, and another one each time.
    pub id: u64,
    /// The Host field.
    pub host: String,
    /// The request target.
    pub path: String,
    /// Who is to answer, as the field of an answer says it; whoever is to answer no longer, where it is to be `gone`.
    pub by: Vec<String>,
    /// Who answered before, where a route that there is leads to others from then on.
    #[serde(default)]
    pub before: Vec<String>,
    /// Whether it is looked for that none of them answers any more.
    #[serde(default)]
    pub gone: bool,
    /// Over which connections it is asked for.
    #[serde(default = "kept_alone")]
    pub over: Vec<Over>,
}

fn kept_alone() -> Vec<Over> {
    vec![Over::Kept]
}

/// Whoever a prober works for. Neither method may block.
pub trait Parent {
    /// The next command, if one has arrived.
    fn command(&mut self) -> Option<Command>;

    /// Reports something.
    fn report(&mut self, report: &Report);

    /// Goes on writing what could not be written at once.
    fn flush(&mut self) {}
}

impl Parent for LinePipe {
    fn command(&mut self) -> Option<Command> {
        self.read_command().unwrap_or(Some(Command::Gone))
    }

    fn report(&mut self, report: &Report) {
        self.send_object(&serde_json::to_string(report).expect("plain values"));
    }

    fn flush(&mut self) {
        Self::flush(self);
    }
}
