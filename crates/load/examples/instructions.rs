//! One operation of the engine, many times, for `python -m benchmarks.instructions` to count its instructions.
//!
//! Takes the operation's name and how often it runs.

use std::hint::black_box;

use seatrial_load::example;
use seatrial_load::frame::{Frame, Message, PhasePart};
use seatrial_load::histogram::Histogram;
use seatrial_load::schedule::Schedule;
use seatrial_load::spec::{Arrival, WorkerSpec};
use seatrial_wire::{KnownHead, ResponseParser, Sink};

const BODY_BYTES: usize = 600;
/// As nginx sends them.
const FIELDS: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n\
    Content-Type: text/plain\r\nConnection: keep-alive\r\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (name, count) = (arguments.next().expect("a name"), arguments.next().expect("a count"));
    let count = count.parse().expect("a whole number");
    match name.as_str() {
        "response_known_head" => parse(&content_length(), count, &mut KnownHead::default()),
        "response_content_length" => parse(&content_length(), count, &mut ()),
        "response_chunked" => parse(&chunked(), count, &mut ()),
        "slot_uniform" => slots(Arrival::Uniform, count),
        "slot_poisson" => slots(Arrival::Poisson, count),
        "histogram_record" => record(&mut Histogram::new(), count),
        "frame_encoded" => frames(count),
        _ => panic!("no such operation: {name}"),
    }
}

fn content_length() -> Vec<u8> {
    format!("{FIELDS}Content-Length: {BODY_BYTES}\r\n\r\n{}", "x".repeat(BODY_BYTES)).into_bytes()
}

fn chunked() -> Vec<u8> {
    let half = "x".repeat(BODY_BYTES / 2);
    let length = half.len();
    format!(
        "{FIELDS}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{half}\r\n{length:x}\r\n{half}\r\n0\r\n\r\n"
    )
    .into_bytes()
}

fn parse(bytes: &[u8], count: u64, sink: &mut impl Sink) {
    let mut parser = ResponseParser::default();
    for _ in 0..count {
        black_box(parser.receive(black_box(bytes), sink).expect("a valid response"));
    }
}

fn slots(arrival: Arrival, count: u64) {
    let mut schedule = Schedule::new(&spec(arrival), 0);
    for _ in 0..count {
        black_box(schedule.next().expect("a schedule of an hour"));
        schedule.advance();
    }
}

/// Values from 100 us to about 3 ms, spread over the buckets as latencies are.
fn record(histogram: &mut Histogram, count: u64) {
    for number in 0..count {
        histogram.record_ns(black_box(100_000 + number * 7_919 % 3_000_000));
    }
}

/// A frame of one phase with 1,000 samples in each of its histograms; recording them is counted in.
fn frames(count: u64) {
    let mut histogram = Histogram::new();
    for _ in 0..count {
        let mut encoded = || {
            record(&mut histogram, 1_000);
            histogram.take_encoded()
        };
        let part = PhasePart {
            phase: "measure",
            status: vec![(200, 1_000)],
            latency: encoded(),
            service_time: encoded(),
            lateness: encoded(),
            ..PhasePart::default()
        };
        black_box(Message::Frame(Frame { parts: vec![part], ..Frame::default() }).to_json());
    }
}

fn spec(arrival: Arrival) -> WorkerSpec {
    let measure_ns = 3_600_000_000_000;
    WorkerSpec {
        arrival,
        profile: example::constant(20_000.0),
        resolution_ns: 500_000,
        measure_ns,
        ..example::spec()
    }
}
