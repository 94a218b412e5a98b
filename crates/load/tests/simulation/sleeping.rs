//! What the loop sleeps through is not measured, and holds no server back.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use seatrial_load::example::constant;
use seatrial_load::histogram::Histogram;
use seatrial_load::spec::{LoopKind, WorkerSpec};
use seatrial_net::simulated::{Buffers, Server, Step, Welcome};

use crate::support::{MS, Recording, S, run_over, spec};

const SEEDS: u64 = 60;
const US: u64 = 1_000;
/// Bytes of a simulated server's writes, and how long after each other they come.
const WRITE_BYTES: usize = 16 * 1024;
const WRITE_NS: u64 = 2_000;
/// What a run may move at most, so that the test stays quick.
const MOST_BYTES: u64 = 40_000_000;
/// What the system calls themselves may take, where several requests leave at the same step.
const CALLS_NS: u64 = 20_000;

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Length,
    Close,
    Reset,
}

/// Answers each request with a body of one of these sizes, after a while.
#[derive(Clone)]
struct Bodies {
    random: Xoshiro256PlusPlus,
    sizes: Vec<usize>,
    service_ns: u64,
    end: End,
}

impl Server for Bodies {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        let size = self.sizes[(self.random.next_u64() % self.sizes.len() as u64) as usize];
        let head = match self.end {
            End::Length => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"),
            End::Close | End::Reset => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
        };
        let mut answer = head.into_bytes();
        answer.resize(answer.len() + size, b'x');
        let mut steps: Vec<Step> =
            answer.chunks(WRITE_BYTES).map(|piece| Step::Send(WRITE_NS, piece.to_vec())).collect();
        steps[0] = Step::Send(self.service_ns, answer[..answer.len().min(WRITE_BYTES)].to_vec());
        match self.end {
            End::Length => {}
            End::Close => steps.push(Step::Close(WRITE_NS)),
            End::Reset => steps.push(Step::Reset(WRITE_NS)),
        }
        steps
    }
}

/// A load, its server, and what is between them.
#[derive(Debug)]
struct Trial {
    spec: WorkerSpec,
    sizes: Vec<usize>,
    service_ns: u64,
    end: End,
    buffers: Buffers,
    seed: u64,
}

impl Trial {
    fn of(seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut pick = |choices: &[u64]| choices[(random.next_u64() % choices.len() as u64) as usize];
        let down = pick(&[0, 600, 30_000, 100_000, 1_000_000]) as usize;
        let up = pick(&[0, 0, 1_000, 100_000, 1_000_000]) as usize;
        let rate = pick(&[5, 20, 300, 1_500, 4_000]);
        let is_closed = pick(&[0, 0, 1]) == 1;
        let rate = rate.min(MOST_BYTES / (down + up + 1_000) as u64).max(5);
        let mut spec = WorkerSpec {
            active: if is_closed { pick(&[1, 20]) as u32 } else { 50 },
            loop_kind: if is_closed { LoopKind::Closed } else { LoopKind::Open },
            profile: constant(rate as f64),
            resolution_ns: pick(&[60, 250, 500, 10_000]) * US,
            measure_ns: if is_closed { 20 * MS } else { S },
            ..spec()
        };
        spec.requests[0].body = vec![b'y'; up];
        Self {
            sizes: if pick(&[0, 3]) == 0 { vec![600, down] } else { vec![down] },
            service_ns: pick(&[20, 400, 3_000]) * US,
            end: [End::Length, End::Length, End::Close, End::Reset][pick(&[0, 1, 2, 3]) as usize],
            buffers: Buffers {
                receive_bytes: 64 * 1024,
                send_bytes: 48 * 1024,
                send_ns_per_kib: 100,
                read_ns_per_kib: 0,
            },
            spec,
            seed,
        }
    }

    /// The longest that the server was held back, and the service times.
    fn run(&self, resolution_ns: u64) -> (u64, Histogram, Recording) {
        let server = Bodies {
            random: Xoshiro256PlusPlus::seed_from_u64(self.seed),
            sizes: self.sizes.clone(),
            service_ns: self.service_ns,
            end: self.end,
        };
        let spec = WorkerSpec { resolution_ns, ..self.spec.clone() };
        let (seen, driver) = run_over(&spec, server, 2 * S, |driver| driver.with_buffers(self.buffers));
        let mut service = Histogram::new();
        for part in seen.parts("measure") {
            service.add(&Histogram::decode(&part.service_time).expect("our own encoding"));
        }
        (driver.held_back_ns_max(), service, seen)
    }
}

/// What is known of each answer, or learnt at once, holds nobody back at any resolution.
fn holds_nobody_back(seed: u64) {
    let trial = Trial::of(seed);
    let (fine_ns, fine, seen) = trial.run(0);
    let (held_back_ns, service, gathered) = trial.run(trial.spec.resolution_ns);
    assert!(service.count() > 0, "{trial:?}");
    assert_eq!(seen.errors(), gathered.errors());
    // A size that nobody could foresee may wait for the end of one step.
    let is_foreseen = trial.sizes.len() == 1;
    let step_ns = trial.spec.resolution_ns;
    let allowed_ns = fine_ns + CALLS_NS + if is_foreseen { 0 } else { step_ns };
    assert!(held_back_ns <= allowed_ns, "{held_back_ns} ns, {allowed_ns} allowed: {trial:?}");
    for quantile in [0.1, 0.5, 0.9, 0.99, 1.0] {
        let (ours_us, fine_us) = (service.quantile_us(quantile), fine.quantile_us(quantile));
        let allowed_us = fine_us + (step_ns + CALLS_NS) / US + fine_us / 500;
        assert!(ours_us <= allowed_us, "q {quantile}: {ours_us} us, {allowed_us} allowed: {trial:?}");
    }
}

#[test]
fn at_every_resolution_service_times_are_within_a_step_and_no_server_is_held_back() {
    let seeds = match std::env::var("SEATRIAL_SEED") {
        Ok(seed) => seed.parse().map(|seed: u64| seed..seed + 1).expect("SEATRIAL_SEED is a number"),
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| holds_nobody_back(seed));
        assert!(
            outcome.is_ok(),
            "failed; replay with SEATRIAL_SEED={seed} cargo test -p seatrial-load --test simulation"
        );
    }
}
