//! What a worker reports to its parent, a line of JSON each.

use serde::{Serialize, Serializer};

use crate::expect::KeptAnswer;
use crate::routes::RouteReport;

/// A worker's message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "one is made in a second, and none is kept")]
pub enum Message {
    /// The worker has read its spec.
    Hello(Hello),
    /// An interval is over.
    Frame(Frame),
    /// Every connection is established.
    Ready {
        /// The worker's number.
        worker: u32,
    },
    /// The schedule will start, if that is not past already.
    Going {
        /// The worker's number.
        worker: u32,
        /// When the warm-up begins.
        at_ns: u64,
        /// When the worker heard of it.
        heard_ns: u64,
    },
    /// The answer to a ping.
    Pong {
        /// The worker's number.
        worker: u32,
        /// The question's number.
        id: u64,
        /// What this clock shows.
        at_ns: u64,
    },
    /// Some of the rows of [`Done`], which is not long then.
    Routes {
        /// The worker's number.
        worker: u32,
        /// In the order of all rows.
        routes: Vec<RouteReport>,
    },
    /// The load is over; nothing follows but answers to pings.
    Done(Done),
}

/// Rows of routes go in lines of about this length: a container's log breaks those beyond 16 KiB.
const ROUTES_BYTES: usize = 8_192;

impl Message {
    /// The same in messages that are short lines each.
    pub(crate) fn in_lines(self) -> Vec<Self> {
        let Self::Done(mut done) = self else { return vec![self] };
        let worker = done.worker;
        let mut pieces: Vec<Vec<RouteReport>> = Vec::new();
        let mut room = 0;
        for row in std::mem::take(&mut done.routes) {
            let bytes = row.written_bytes();
            match pieces.last_mut() {
                Some(piece) if bytes <= room => piece.push(row),
                _ => {
                    pieces.push(vec![row]);
                    room = ROUTES_BYTES;
                }
            }
            room = room.saturating_sub(bytes);
        }
        let routes = pieces.into_iter().map(|routes| Self::Routes { worker, routes });
        routes.chain([Self::Done(done)]).collect()
    }

    /// The line that goes to the parent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers, texts and maps of them always serialize")
    }
}

/// Who is there and how it will measure.
#[derive(Debug, Serialize)]
pub struct Hello {
    /// The worker's number.
    pub worker: u32,
    /// Its process.
    pub pid: u32,
    /// What moves its bytes.
    pub driver: &'static str,
    /// Why that is not the driver that was asked for.
    pub driver_fallback: Option<String>,
    /// Who says when an answer arrived: `kernel` or `program`.
    pub timestamps: &'static str,
    /// The grid of the intended send times; 0 is none.
    pub resolution_ns: u64,
    /// How many descriptors the process may have.
    pub descriptor_limit: u64,
    /// `first` where it runs as soon as it wakes, `shared` where it waits its turn.
    pub scheduling: &'static str,
    /// The version of this program.
    pub engine: &'static str,
    /// Whose `CLOCK_MONOTONIC` it goes by: that of this boot of its machine.
    pub boot_id: String,
    /// What that shows.
    pub monotonic_ns: u64,
    /// What the wall clock shows.
    pub realtime_ns: u64,
}

/// How the load ended.
#[derive(Debug, Serialize)]
pub struct Done {
    /// The worker's number.
    pub worker: u32,
    /// The length of the measure window, shorter than asked for after an early stop.
    pub measured_ns: u64,
    /// How often somebody stepped the wall clock.
    pub clock_steps: u64,
    /// What became of each route's requests.
    pub routes: Vec<RouteReport>,
    /// The first few answers that were not as expected.
    pub unexpected: Vec<KeptAnswer>,
    /// The memory that the process took with its connections open.
    pub pss_bytes: u64,
}

/// The requests of one phase that were accounted for in one interval.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "described field by field in the Python module generator/frames.py")]
pub struct PhasePart {
    pub phase: &'static str,
    pub sent: u64,
    pub completed: u64,
    pub completed_in_window: u64,
    pub completed_late: u64,
    pub timed_out: u64,
    pub failed: u64,
    pub unsent: u64,
    pub in_flight: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub bytes_received_in_window: u64,
    #[serde(serialize_with = "as_map")]
    pub status: Vec<(u16, u64)>,
    #[serde(serialize_with = "as_map")]
    pub unexpected: Vec<(&'static str, u64)>,
    #[serde(serialize_with = "as_map")]
    pub errors: Vec<(&'static str, u64)>,
    pub latency: String,
    pub service_time: String,
    pub lateness: String,
}

/// One interval: counters are of the interval, gauges of its end.
#[derive(Debug, Default, Serialize)]
#[expect(missing_docs, reason = "described field by field in the Python module generator/frames.py")]
pub struct Frame {
    pub worker: u32,
    pub seq: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    pub held: u32,
    pub held_min: u32,
    pub held_lost: u64,
    pub active: u32,
    pub active_min: u32,
    pub active_missing_ns: u64,
    pub in_flight: u32,
    pub backlog: u64,
    pub opened: u64,
    pub reconnected: u64,
    pub churned: u64,
    pub closed_by_peer: u64,
    pub reset_by_peer: u64,
    pub syn_retransmissions: u64,
    pub held_requests: u64,
    #[serde(serialize_with = "as_map")]
    pub held_answers: Vec<(&'static str, u64)>,
    pub held_unanswered: u64,
    pub held_lifetime: String,
    pub receive_wait: String,
    pub receive_wait_ns_max: u64,
    pub stall_ns_max: u64,
    #[serde(serialize_with = "as_map")]
    pub errors: Vec<(&'static str, u64)>,
    pub connect: String,
    pub tls_handshake: String,
    #[serde(serialize_with = "as_map")]
    pub tls_versions: Vec<(&'static str, u64)>,
    pub tls_resumed: u64,
    pub cpu_user_ns: u64,
    pub cpu_system_ns: u64,
    /// What making and sending the frames before this one has cost.
    pub cpu_frames_ns: u64,
    /// For how long a CPU quota has held it back so far.
    pub throttled_ns: u64,
    pub parts: Vec<PhasePart>,
}

fn as_map<K: Serialize, S: Serializer>(entries: &[(K, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(key, count)| (key, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_routes_go_in_lines_that_a_log_does_not_break() {
        let row = |number: usize| RouteReport {
            route: format!("route-{number}.example.com /"),
            latency: "x".repeat(number % 900),
            ..RouteReport::default()
        };
        let routes: Vec<_> = (0..2_000).map(row).collect();
        let (worker, unexpected) = (3, vec![]);
        let done = Done { worker, measured_ns: 1, clock_steps: 0, routes, unexpected, pss_bytes: 0 };
        let parts = Message::Done(done).in_lines();
        assert!(parts.iter().all(|part| part.to_json().len() < 16 * 1024));
        let Some((Message::Done(last), pieces)) = parts.split_last() else {
            panic!("the last word is the last")
        };
        assert!(last.routes.is_empty());
        let rows = pieces.iter().flat_map(|piece| match piece {
            Message::Routes { worker: 3, routes } => routes.iter().map(|row| row.route.clone()),
            _ => panic!("nothing else"),
        });
        assert!(rows.eq((0..2_000).map(|number| row(number).route)));
    }
}
