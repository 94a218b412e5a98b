//! Servers that do anything, by a seed: whatever they do, everything is accounted for.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use seatrial_load::profile::Stretch;
use seatrial_load::spec::{Arrival, ExpectSpec, HoldTraffic, LoopKind, Reuse, WorkerSpec};
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, S, run, spec};

const SEEDS: u64 = 2_000;

/// Does anything that a server can do, by a seed.
struct Chaos {
    random: Xoshiro256PlusPlus,
    misbehaves_in_1000: u64,
    /// Bytes of requests that its kernel has taken.
    taken: u64,
}

impl Chaos {
    fn up_to(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn pieces(&mut self, bytes: &[u8]) -> Vec<Step> {
        let cut = self.up_to(bytes.len() as u64) as usize;
        let (wait_ns, gap_ns) = (self.up_to(2 * MS), self.up_to(MS));
        let parts = [(wait_ns, &bytes[..cut]), (gap_ns, &bytes[cut..])];
        parts
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(at, part)| Step::Send(at, part.to_vec()))
            .collect()
    }
}

impl Server for Chaos {
    fn welcome(&mut self, _: u64) -> Welcome {
        let wait_ns = self.up_to(MS);
        match self.up_to(1_000) {
            roll if roll >= self.misbehaves_in_1000 => Welcome::Accept(wait_ns),
            roll if roll % 3 == 0 => Welcome::Ignore,
            roll if roll % 3 == 1 => Welcome::NoDescriptor,
            _ => Welcome::Refuse(wait_ns),
        }
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        let wait_ns = self.up_to(MS);
        if self.up_to(1_000) >= self.misbehaves_in_1000 {
            return self.pieces(GOOD);
        }
        let mut steps = match self.up_to(9) {
            0 => vec![],
            1 => vec![Step::Reset(wait_ns)],
            2 => vec![Step::Close(wait_ns)],
            3 => vec![Step::Send(wait_ns, b"\0garbage".to_vec())],
            4 => self.pieces(&GOOD[..GOOD.len() - 2]),
            5 => self.pieces(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            6 => self.pieces(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            7 => self.pieces(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nuntil the end"),
            _ => vec![Step::Send(wait_ns, [GOOD, b"excess"].concat())],
        };
        match self.up_to(4) {
            0 => steps.push(Step::Close(wait_ns)),
            1 => steps.push(Step::Reset(wait_ns)),
            _ => {}
        }
        steps
    }

    fn interrupt(&mut self, _: u64) -> Vec<Step> {
        if self.up_to(1_000) >= self.misbehaves_in_1000 {
            return vec![];
        }
        match self.up_to(4) {
            0 => vec![Step::Reset(self.up_to(MS))],
            1 => vec![Step::Close(self.up_to(MS))],
            2 => vec![Step::Send(
                self.up_to(MS),
                b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n".to_vec(),
            )],
            _ => vec![],
        }
    }

    fn takes(&mut self, len: usize) -> usize {
        let taken = if self.up_to(100) < 5 { self.up_to(len as u64 + 1) as usize } else { len };
        self.taken += taken as u64;
        taken
    }
}

fn chaotic(seed: u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut pick = |choices: &[u64]| choices[(random.next_u64() % choices.len() as u64) as usize];
    let spec = WorkerSpec {
        held: pick(&[0, 0, 7]) as u32,
        active: pick(&[1, 3, 20]) as u32,
        loop_kind: if pick(&[0, 0, 1]) == 0 { LoopKind::Open } else { LoopKind::Closed },
        arrival: if pick(&[0, 1]) == 0 { Arrival::Uniform } else { Arrival::Poisson },
        profile: vec![
            Stretch {
                length_ns: 60 * MS,
                from_per_s: pick(&[50, 500]) as f64,
                to_per_s: pick(&[50, 3_000]) as f64,
            },
            Stretch { length_ns: S, from_per_s: 700.0, to_per_s: 700.0 },
        ],
        reuse: if pick(&[0, 1]) == 0 { Reuse::Lru } else { Reuse::Mru },
        requests_per_connection: pick(&[0, 0, 1, 3]) as u32,
        lifetime_ns: pick(&[0, 0, 10]) * MS,
        hold: match pick(&[0, 1, 2, 3]) {
            0 => HoldTraffic::Silent,
            1 => HoldTraffic::Request { every_ns: 20 * MS },
            2 => HoldTraffic::SlowRead { every_ns: 5 * MS, bytes: 3 },
            _ => HoldTraffic::SlowSend { every_ns: 2 * MS },
        },
        expect: (pick(&[0, 1]) == 1).then(|| ExpectSpec {
            status: vec![200],
            header: None,
            body: Some("hello".to_owned()),
        }),
        route_histograms: pick(&[0, 1]) == 1,
        resolution_ns: pick(&[0, 250_000, 1_000_000]),
        timeout_ns: pick(&[5, 50]) * MS,
        warmup_ns: pick(&[0, 50]) * MS,
        measure_ns: 100 * MS,
        drain_ns: pick(&[0, 20]) * MS,
        interval_ns: pick(&[10, 1_000]) * MS,
        seed,
        ..spec()
    };
    let misbehaves_in_1000 = pick(&[0, 20, 500]);
    let random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xC4A0);
    // A closed loop against an instant failure turns fast; the calls' own time bounds how often.
    let (seen, driver) = run(&spec, Chaos { random, misbehaves_in_1000, taken: 0 }, 3 * S / 2);
    assert_eq!(driver.open_sockets(), 0, "sockets are left open");
    // What idle connections send is in no count of bytes.
    if spec.held == 0 || spec.hold == HoldTraffic::Silent {
        let parts = seen.frames.iter().flat_map(|frame| &frame.parts);
        let sent: u64 = parts.map(|part| part.bytes_sent).sum();
        assert_eq!(sent, driver.server().taken, "bytes sent, and what the kernel took");
    }
}

#[test]
fn whatever_a_server_does_everything_is_accounted_for() {
    let seeds = match std::env::var("SEATRIAL_SEED") {
        Ok(seed) => seed.parse().map(|seed: u64| seed..seed + 1).expect("SEATRIAL_SEED is a number"),
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| chaotic(seed));
        assert!(
            outcome.is_ok(),
            "failed; replay with SEATRIAL_SEED={seed} cargo test -p seatrial-load --test simulation"
        );
    }
}
