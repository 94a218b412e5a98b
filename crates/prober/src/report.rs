//! What a prober says; times are `CLOCK_MONOTONIC` in nanoseconds.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::over::Over;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Report {
    /// It has begun.
    Hello {
        /// Which it is.
        worker: u32,
        /// Its process.
        pid: u32,
        /// The engine's version.
        engine: &'static str,
        /// What tells this boot from every other.
        boot_id: String,
        /// This clock.
        monotonic_ns: u64,
        /// The wall clock.
        realtime_ns: u64,
    },
    /// Every connection that is kept is there.
    Ready {
        /// Which it is.
        worker: u32,
    },
    /// A replica has given the first answer that is as wanted.
    First(Sighting),
    /// A replica has given as many of them in a row as are asked for, or is looked at no longer.
    Settled {
        /// The row, where it was long enough.
        #[serde(flatten)]
        sighting: Sighting,
        /// Whether it was.
        is_stable: bool,
        /// How often another answer came after one that was as wanted.
        relapses: u32,
        /// All answers until then, and what came in place of one.
        answers: BTreeMap<String, u64>,
        /// Those that were neither as before the change nor as after it, and those that were not to come back: that
        /// there is no such route, where there had been a new one.
        lost: Answers,
        /// Those that were as before the change, after one that was as wanted.
        stale: Answers,
    },
    /// The answer to a ping.
    Pong {
        /// Which it is.
        worker: u32,
        /// The question's number.
        id: u64,
        /// What the clock showed.
        at_ns: u64,
    },
    /// The last line.
    Done {
        /// Which it is.
        worker: u32,
        /// Probes that were sent.
        probes: u64,
        /// By how much the latest of them was sent after it was due.
        late_ns_max: u64,
        /// The CPU time of this process.
        cpu_user_ns: u64,
        /// The same, in the kernel.
        cpu_system_ns: u64,
    },
}

/// Some of the answers, and what came in place of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// How many.
    pub count: u64,
    /// When the probe of the first was sent; 0 where there was none.
    pub sent_ns: u64,
    /// When the last of them came; 0 where there was none.
    pub heard_ns: u64,
}

impl Answers {
    pub(crate) fn add(&mut self, sent_ns: u64, heard_ns: u64) {
        if self.count == 0 {
            self.sent_ns = sent_ns;
        }
        self.count += 1;
        self.heard_ns = heard_ns;
    }
}

/// A replica's answer that is as wanted. The change came about after the probe before it was sent, as far as is known,
/// and before this answer was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// The watch's number.
    pub id: u64,
    /// Which replica.
    pub replica: u32,
    /// Over which connections.
    pub over: Over,
    /// When the last probe was sent whose answer was not as wanted; the beginning of the watch where there was none.
    pub after_ns: u64,
    /// When the probe was sent; 0 where there was none.
    pub sent_ns: u64,
    /// When its answer was heard; 0 where there was none.
    pub heard_ns: u64,
}
