//! A server that sends without end does not keep the loop for itself.

use seatrial_load::example::constant;
use seatrial_load::histogram::Histogram;
use seatrial_load::spec::{HoldTraffic, WorkerSpec};
use seatrial_net::simulated::{Buffers, Server, Step};

use crate::support::{GOOD, MS, Recording, S, run_over, spec};

/// Every so many answers have no end.
struct Endless {
    asked: u64,
    every: u64,
    head: &'static [u8],
    piece: Vec<u8>,
}

impl Server for Endless {
    fn answer(&mut self, _: u64) -> Vec<Step> {
        self.asked += 1;
        if !self.asked.is_multiple_of(self.every) {
            return vec![Step::Send(20_000, GOOD.to_vec())];
        }
        let head = (!self.head.is_empty()).then(|| Step::Send(20_000, self.head.to_vec()));
        head.into_iter().chain([Step::SendForEver(0, self.piece.clone())]).collect()
    }
}

fn attacked(spec: &WorkerSpec, every: u64, (head, piece): (&'static [u8], &[u8])) -> Recording {
    let server = Endless { asked: 0, every, head, piece: piece.to_vec() };
    // Half a gigabyte a second is read, as fast as it is sent.
    let buffers = Buffers { receive_bytes: 128 * 1024, read_ns_per_kib: 2_000, ..Buffers::default() };
    run_over(spec, server, 2 * S, |driver| driver.with_buffers(buffers)).0
}

#[test]
fn endless_answers_time_out_and_everything_else_is_on_time() {
    let chunks =
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), b"1\r\nx\r\n".repeat(5_000));
    let informational = (b"".as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000));
    let large = (b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), vec![b'x'; 30_000]);
    for (resolution_ns, (head, piece)) in [(0, chunks), (250_000, informational), (250_000, large)] {
        let spec = WorkerSpec {
            active: 20,
            profile: constant(1_000.0),
            resolution_ns,
            timeout_ns: 20 * MS,
            measure_ns: 200 * MS,
            drain_ns: 50 * MS,
            interval_ns: 10 * MS,
            ..spec()
        };
        let seen = attacked(&spec, 10, (head, &piece));
        assert_eq!(seen.sum(|part| part.sent), 200);
        let given_up = seen.sum(|part| part.timed_out + part.failed);
        assert_eq!((given_up, seen.sum(|part| part.completed)), (20, 180));
        assert!(seen.latency().max_us() <= 22_000, "given up after {} us", seen.latency().max_us());
        let mut lateness = Histogram::new();
        for part in seen.parts("measure") {
            lateness.add(&Histogram::decode(&part.lateness).expect("our own encoding"));
        }
        assert!(lateness.max_us() <= 1_000, "{} us late", lateness.max_us());
        for frame in seen.frames.iter().filter(|frame| frame.start_ns >= 2 * S) {
            let late_ns = frame.end_ns % (10 * MS);
            assert!(late_ns < 2 * MS || frame.end_ns >= 2 * S + 200 * MS, "a frame is {late_ns} ns late");
        }
    }
}

#[test]
fn idle_connections_that_are_sent_endless_answers_do_not_hold_up_requests() {
    let spec = WorkerSpec {
        held: 3,
        active: 10,
        hold: HoldTraffic::Request { every_ns: 50 * MS },
        profile: constant(1_000.0),
        measure_ns: 100 * MS,
        timeout_ns: 20 * MS,
        drain_ns: 50 * MS,
        ..spec()
    };
    // Idle connections ask first, before the schedule has begun.
    let seen = attacked(&spec, 3, (b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4_000]));
    assert_eq!(seen.sum(|part| part.sent + part.unsent), 100);
    assert!(seen.sum(|part| part.completed) >= 50);
    let last = seen.frames.last().expect("a last frame");
    assert!(last.end_ns <= 2 * S + 160 * MS, "over at {} ns", last.end_ns);
}

#[test]
fn small_answers_are_read_beside_streams_that_use_every_turn() {
    /// The first requests are answered without end, all others with little and soon.
    struct Streams {
        asked: u64,
    }
    const STREAMS: u64 = 10;
    impl Server for Streams {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            self.asked += 1;
            if self.asked > STREAMS {
                return vec![Step::Send(300_000, GOOD.to_vec())];
            }
            let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            vec![Step::Send(20_000, head), Step::SendForEver(0, vec![b'x'; 30_000])]
        }
    }
    let buffers = Buffers { receive_bytes: 128 * 1024, read_ns_per_kib: 2_000, ..Buffers::default() };
    // Those of the streams are the same few; all others serve a request every 40 ms each.
    let spec = WorkerSpec {
        active: 50,
        profile: constant(1_000.0),
        timeout_ns: S,
        measure_ns: 300 * MS,
        drain_ns: 20 * MS,
        ..spec()
    };
    let (seen, _) = run_over(&spec, Streams { asked: 0 }, 2 * S, |driver| driver.with_buffers(buffers));
    assert_eq!(seen.sum(|part| part.unsent), 0);
    assert_eq!(seen.sum(|part| part.completed), 300 - STREAMS);
}
