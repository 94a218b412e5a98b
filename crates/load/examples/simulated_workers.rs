//! What the workers of one load say, simulated: for tests and benchmarks of whoever hears a thousand of them.
//!
//! Takes how many workers there are, how many requests each sends in a second, for how many seconds, and how many idle
//! connections it holds. Writes the lines of one worker after the other's, as each would be written to its parent.

use seatrial_load::control::{Command, Parent};
use seatrial_load::example;
use seatrial_load::frame::Message;
use seatrial_load::profile::Stretch;
use seatrial_load::spec::WorkerSpec;
use seatrial_load::worker::Worker;
use seatrial_net::pipe::LinePipe;
use seatrial_net::simulated::{Server, SimulatedDriver, Step, Welcome};

const S: u64 = 1_000_000_000;
/// By then a simulated worker, whose clock begins at a second, has opened its connections.
const START_NS: u64 = 3 * S;
const STDOUT: i32 = 1;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn main() {
    let numbers: Vec<u32> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let [workers, rate_per_s, seconds, held] = numbers[..] else { panic!("four numbers are needed") };
    let total_per_s = f64::from(workers * rate_per_s);
    let measure_ns = u64::from(seconds) * S;
    for worker in 0..workers {
        let profile = vec![Stretch { length_ns: measure_ns, from_per_s: total_per_s, to_per_s: total_per_s }];
        let spec = WorkerSpec { worker, workers, held, active: 10, profile, measure_ns, ..example::spec() };
        let request_bytes = spec.requests[0].encode().len();
        let driver = SimulatedDriver::new(Uneven(u64::from(worker)), request_bytes, 100);
        let mut parent = Starting { pipe: LinePipe::new(-1, STDOUT), is_ready: false };
        Worker::new(spec, driver).run(&mut parent).expect("a simulated network does not fail");
    }
}

/// Answers after 100 us to about 7 ms, spread as latencies are.
struct Uneven(u64);

impl Server for Uneven {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Half of all answers take at most 200 us, half of the others at most 400 us, and so on.
        let halvings = (self.0 >> 58).leading_ones().min(6);
        let within = (self.0 >> 20) % 100_000;
        vec![Step::Send((100_000 + within) << halvings, ANSWER.to_vec())]
    }
}

/// Starts the schedule once the worker is ready.
struct Starting {
    pipe: LinePipe,
    is_ready: bool,
}

impl Parent for Starting {
    fn command(&mut self) -> Option<Command> {
        std::mem::take(&mut self.is_ready).then_some(Command::Go { at_ns: START_NS })
    }

    fn report(&mut self, message: Message) {
        self.is_ready |= matches!(message, Message::Ready { .. });
        self.pipe.report(message);
    }
}
