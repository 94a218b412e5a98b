//! Whole loads in virtual time, thousands of them, against servers that misbehave at random.
//!
//! A failing seed is printed; `SEATRIAL_SEED=n cargo test -p seatrial-load --test simulation` runs it alone.

use std::collections::HashMap;

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use seatrial_load::control::{Command, Parent};
use seatrial_load::example::{self, constant};
use seatrial_load::frame::{Done, Frame, Message, PhasePart};
use seatrial_load::histogram::Histogram;
use seatrial_load::profile::{Profile, Stretch};
use seatrial_load::spec::{Arrival, ExpectSpec, HoldTraffic, LoopKind, RequestSpec, Reuse, WorkerSpec};
use seatrial_load::worker::Worker;
use seatrial_net::simulated::{Server, SimulatedDriver, Step, Welcome};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const SEEDS: u64 = 2_000;
const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn spec() -> WorkerSpec {
    WorkerSpec { active: 10, ..example::spec() }
}

/// Starts the schedule as soon as the worker is ready, or after a while without.
#[derive(Default)]
struct Recording {
    frames: Vec<Frame>,
    is_ready: bool,
    has_gone: bool,
    done: Option<Done>,
    asked: u64,
    go_after: u64,
    start_ns: u64,
}

impl Parent for Recording {
    fn command(&mut self) -> Option<Command> {
        self.asked += 1;
        if !self.has_gone && (self.is_ready || self.asked > self.go_after) {
            self.has_gone = true;
            return Some(Command::Go { at_ns: self.start_ns });
        }
        None
    }

    fn tell(&mut self, message: Message) {
        match message {
            Message::Frame(frame) => self.frames.push(frame),
            Message::Ready { .. } => self.is_ready = true,
            Message::Done(done) => self.done = Some(done),
            Message::Hello(_) => {}
        }
    }
}

impl Recording {
    fn parts(&self, phase: &str) -> Vec<&PhasePart> {
        self.frames.iter().flat_map(|frame| &frame.parts).filter(|part| part.phase == phase).collect()
    }

    fn sum(&self, field: impl Fn(&PhasePart) -> u64) -> u64 {
        self.parts("measure").into_iter().map(field).sum()
    }

    fn latency(&self) -> Histogram {
        let mut merged = Histogram::new();
        for part in self.parts("measure") {
            merged.add(&Histogram::decode(&part.latency).expect("our own encoding"));
        }
        merged
    }

    fn errors(&self) -> HashMap<&'static str, u64> {
        let mut errors = HashMap::new();
        for &(name, count) in self.frames.iter().flat_map(|frame| &frame.errors) {
            *errors.entry(name).or_default() += count;
        }
        errors
    }

    /// What must hold however the server behaved.
    fn assert_everything_is_accounted_for(&self, spec: &WorkerSpec) {
        assert!(self.done.is_some(), "the worker has not said that it is done");
        for phase in ["warmup", "measure"] {
            let parts = self.parts(phase);
            let sum = |field: fn(&PhasePart) -> u64| parts.iter().map(|part| field(part)).sum::<u64>();
            let samples: u64 =
                parts.iter().map(|part| Histogram::decode(&part.latency).expect("ours").count()).sum();
            let served: u64 =
                parts.iter().map(|part| Histogram::decode(&part.service_time).expect("ours").count()).sum();
            let ended = sum(|part| part.completed + part.timed_out + part.failed + part.in_flight);
            assert_eq!(sum(|part| part.sent), ended, "{phase}: sent requests and their ends");
            assert_eq!(samples, sum(|part| part.sent + part.unsent), "{phase}: latency samples and intended");
            assert_eq!(served, sum(|part| part.sent), "{phase}: service times and sent");
            let statuses: u64 = parts.iter().flat_map(|part| &part.status).map(|(_, count)| count).sum();
            assert_eq!(statuses, sum(|part| part.completed), "{phase}: statuses and completed");
        }
        if spec.loop_kind == LoopKind::Open && spec.arrival == Arrival::Uniform && spec.active > 0 {
            let intended = self.sum(|part| part.sent + part.unsent);
            let profile = Profile::new(&spec.profile);
            let due_by = |ns: u64| profile.due_by(ns as f64);
            let exact = due_by(spec.warmup_ns + spec.measure_ns) - due_by(spec.warmup_ns);
            assert!((intended as f64 - exact).abs() <= 1.0, "{intended} intended of {exact}");
        }
    }
}

fn run<T: Server>(spec: &WorkerSpec, server: T, start_ns: u64) -> (Recording, SimulatedDriver<T>) {
    let driver = SimulatedDriver::new(server, spec.requests[0].encode().len(), 100);
    let mut worker = Worker::new(spec.clone(), driver);
    let mut parent = Recording { go_after: 300, start_ns, ..Recording::default() };
    worker.run(&mut parent).expect("a simulated network does not fail");
    parent.assert_everything_is_accounted_for(spec);
    (parent, worker.into_driver())
}

/// A server that answers all at once: each answer takes as long, whatever else it has to do.
#[derive(Clone)]
struct Parallel {
    service_ns: u64,
}

impl Server for Parallel {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        vec![Step::Send(self.service_ns, GOOD.to_vec())]
    }
}

/// A server with one queue: each answer takes as long, one after another.
#[derive(Clone)]
struct Queue {
    service_ns: u64,
    busy_until_ns: u64,
}

impl Server for Queue {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, now_ns: u64) -> Vec<Step> {
        self.busy_until_ns = self.busy_until_ns.max(now_ns) + self.service_ns;
        vec![Step::Send(self.busy_until_ns - now_ns, GOOD.to_vec())]
    }
}

#[test]
fn a_fast_server_is_measured_to_the_microsecond() {
    for resolution_ns in [0, 250_000] {
        let spec = WorkerSpec { resolution_ns, warmup_ns: S / 2, ..spec() };
        let (seen, driver) = run(&spec, Queue { service_ns: 50_000, busy_until_ns: 0 }, 2 * S);
        assert_eq!(seen.sum(|part| part.completed), 1_000);
        assert!((50..=52).contains(&seen.latency().quantile_us(0.5)), "{}", seen.latency().quantile_us(0.5));
        assert!(seen.errors().is_empty());
        assert_eq!(driver.open_sockets(), 0);
    }
}

#[test]
fn a_grid_wakes_once_for_many_requests() {
    let count = 20_000;
    let wakes = |resolution_ns| {
        let spec = WorkerSpec { resolution_ns, profile: constant(20_000.0), active: 100, ..spec() };
        let (seen, driver) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
        assert_eq!(seen.sum(|part| part.completed), count);
        driver.wakes()
    };
    assert!(wakes(250_000) < 5_000, "{}", wakes(250_000));
    assert!(wakes(0) > count, "{}", wakes(0));
}

#[test]
fn a_stall_shows_in_every_quantile_that_it_touches() {
    /// Answers at once, but for one stall.
    struct Stall;
    impl Server for Stall {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(0)
        }

        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            let (from_ns, to_ns) = (4 * S, 6 * S);
            let wait_ns = if (from_ns..to_ns).contains(&now_ns) { to_ns - now_ns } else { 0 };
            vec![Step::Send(wait_ns + 20_000, GOOD.to_vec())]
        }
    }
    let spec = WorkerSpec { measure_ns: 10 * S, timeout_ns: 5 * S, drain_ns: 5 * S, ..spec() };
    let (seen, _) = run(&spec, Stall, 2 * S);
    let latency = seen.latency();
    assert_eq!(latency.count(), 10_000);
    for quantile in [0.85, 0.9, 0.99, 0.999] {
        // S - (1 - q) W, Tene's arithmetic of coordinated omission, with an instant catch-up.
        let truth_us = 2e6 - (1.0 - quantile) * 10e6;
        let reported = latency.quantile_us(quantile) as f64;
        assert!((reported / truth_us - 1.0).abs() < 0.01, "q {quantile}: {reported} us of {truth_us}");
    }
    // Nothing is made up: no sample is longer than the stall, and half of all requests never saw it.
    assert!(latency.max_us() <= 2_003_000, "{}", latency.max_us());
    assert!(latency.quantile_us(0.5) <= 22, "{}", latency.quantile_us(0.5));
}

#[test]
fn a_slow_start_stays_in_the_warm_up() {
    /// Takes 50 ms for each answer in its first five seconds, then answers at once.
    struct SlowStart;
    impl Server for SlowStart {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(0)
        }

        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            vec![Step::Send(if now_ns < 7 * S { 50 * MS } else { 20_000 }, GOOD.to_vec())]
        }
    }
    let p99_us = |warmup_ns| {
        let spec = WorkerSpec { active: 100, warmup_ns, measure_ns: 10 * S, ..spec() };
        let (seen, _) = run(&spec, SlowStart, 2 * S);
        seen.latency().quantile_us(0.99)
    };
    assert!((20..=22).contains(&p99_us(5 * S)), "{}", p99_us(5 * S));
    assert!(p99_us(0) >= 50_000, "{}", p99_us(0));
}

#[test]
fn a_server_that_is_too_slow_leaves_nothing_out() {
    let spec = WorkerSpec { active: 5, measure_ns: 4 * S, drain_ns: S, timeout_ns: S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 2 * MS, busy_until_ns: 0 }, 2 * S);
    assert!((2_400..=2_600).contains(&seen.sum(|part| part.completed)));
    assert!(seen.sum(|part| part.unsent) > 1_300);
    assert!(seen.latency().max_us() > 2_000_000);
}

#[test]
fn silence_times_out_and_is_at_least_that_slow() {
    struct Silent;
    impl Server for Silent {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(0)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![]
        }
    }
    let spec = WorkerSpec { timeout_ns: 100 * MS, drain_ns: 100 * MS, ..spec() };
    let (seen, _) = run(&spec, Silent, 2 * S);
    assert_eq!(seen.sum(|part| part.completed), 0);
    assert!(seen.latency().quantile_us(0.5) >= 100_000);
    assert!(seen.sum(|part| part.timed_out) >= 40);
}

/// Does anything that a server can do, by a seed.
struct Chaos {
    random: Xoshiro256PlusPlus,
    misbehaves_in_1000: u64,
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

    fn takes(&mut self, len: usize) -> usize {
        if self.up_to(100) < 5 { self.up_to(len as u64 + 1) as usize } else { len }
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
    let server = Chaos { random: Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xC4A0), misbehaves_in_1000 };
    // A closed loop against an instant failure turns fast; the calls' own time bounds how often.
    let (_, driver) = run(&spec, server, 3 * S / 2);
    assert_eq!(driver.open_sockets(), 0, "sockets are left open");
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

#[test]
fn connections_are_renewed_after_their_share_of_requests() {
    let spec = WorkerSpec { requests_per_connection: 10, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let sum = |field: fn(&Frame) -> u64| seen.frames.iter().map(field).sum::<u64>();
    assert_eq!(seen.sum(|part| part.completed), 1_000);
    assert_eq!(sum(|frame| frame.churned), 100);
    assert!((100..=110).contains(&sum(|frame| frame.opened)));
    assert!(seen.errors().is_empty());
}

#[test]
fn connections_are_renewed_after_their_lifetime() {
    let spec = WorkerSpec { lifetime_ns: 100 * MS, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let churned: u64 = seen.frames.iter().map(|frame| frame.churned).sum();
    assert!((80..=110).contains(&churned), "{churned}");
    assert_eq!(seen.sum(|part| part.completed), 1_000);
}

#[test]
fn least_recently_used_spreads_and_most_recently_used_gathers() {
    let renewed = |reuse| {
        // Ten connections that each live for 150 answers: a thousand answers wear out six of them only if they gather.
        let spec = WorkerSpec { reuse, requests_per_connection: 150, ..spec() };
        let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
        seen.frames.iter().map(|frame| frame.churned).sum::<u64>()
    };
    assert_eq!(renewed(Reuse::Mru), 6);
    assert_eq!(renewed(Reuse::Lru), 0);
}

#[test]
fn unexpected_answers_are_counted_by_kind_and_route() {
    let mut spec = spec();
    let second = RequestSpec { path: "/b".to_owned(), ..spec.requests[0].clone() };
    // The simulated server counts requests by their length, so both paths are as long.
    spec.requests[0].path = "/a".to_owned();
    spec.requests.push(second);
    spec.expect = Some(ExpectSpec { status: vec![200], header: None, body: Some("bye".to_owned()) });
    spec.route_histograms = true;
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let unexpected: u64 =
        seen.parts("measure").iter().flat_map(|part| &part.unexpected).map(|(_, count)| count).sum();
    assert_eq!(unexpected, 1_000);
    let done = seen.done.as_ref().expect("the last word");
    assert_eq!(done.unexpected.len(), 5);
    assert_eq!((done.unexpected[0].kind, done.unexpected[0].body.as_str()), ("body", "hello"));
    let routes: Vec<_> =
        done.routes.iter().map(|route| (route.route.as_str(), route.completed, route.unexpected)).collect();
    assert_eq!(routes, [("localhost /a", 500, 500), ("localhost /b", 500, 500)]);
    assert!(
        done.routes
            .iter()
            .all(|route| Histogram::decode(&route.latency).is_ok_and(|kept| kept.count() == 500))
    );
}

#[test]
fn idle_connections_act_at_their_own_pace() {
    let held_requests = |hold| {
        let spec = WorkerSpec { held: 20, hold, measure_ns: 2 * S, ..spec() };
        let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
        assert!(seen.errors().is_empty());
        seen.frames.iter().map(|frame| frame.held_requests).sum::<u64>()
    };
    let bytes = spec().requests[0].encode().len() as u64;
    assert_eq!(held_requests(HoldTraffic::Silent), 0);
    // Twenty connections, one request every 100 ms each, over the ramp and the two seconds of the load.
    let asked = held_requests(HoldTraffic::Request { every_ns: 100 * MS });
    assert!((400..=700).contains(&asked), "{asked}");
    // A byte every 10 ms, so a request every `bytes` times that.
    let slow = held_requests(HoldTraffic::SlowSend { every_ns: 10 * MS });
    assert!((20..=20 * 400 / bytes).contains(&slow), "{slow}");
    assert!(held_requests(HoldTraffic::SlowRead { every_ns: 10 * MS, bytes: 4 }) >= 20);
}

#[test]
fn a_rate_may_change_in_steps_and_ramps() {
    let profile = vec![
        Stretch { length_ns: S, from_per_s: 100.0, to_per_s: 100.0 },
        Stretch { length_ns: 2 * S, from_per_s: 100.0, to_per_s: 900.0 },
    ];
    let spec = WorkerSpec { profile, measure_ns: 4 * S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    assert_eq!(seen.sum(|part| part.completed), 100 + 1_000 + 900);
}

#[test]
fn a_connect_time_is_that_of_the_connection_and_not_of_the_ramp() {
    // Each call takes 100 ns and the server 10 us, so all 5,000 in one go would take 500 us before the first look.
    let spec = WorkerSpec { held: 5_000, active: 0, connect_rate_per_s: 1e8, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let mut connect = Histogram::new();
    for frame in &seen.frames {
        connect.add(&Histogram::decode(&frame.connect).expect("our own encoding"));
    }
    assert_eq!(connect.count(), 5_000);
    assert!(connect.max_us() < 50, "{} us", connect.max_us());
}

/// A closed loop of 100 connections: what it completed, and how often it woke, with naps and without.
fn closed_with_and_without_naps(server: &(impl Server + Clone)) -> [(u64, u64); 2] {
    [60_000, 0].map(|resolution_ns| {
        let spec =
            WorkerSpec { loop_kind: LoopKind::Closed, active: 100, warmup_ns: S, resolution_ns, ..spec() };
        let (seen, driver) = run(&spec, server.clone(), 2 * S);
        (seen.sum(|part| part.completed), driver.wakes())
    })
}

#[test]
fn a_closed_loop_naps_where_the_server_is_the_limit() {
    let queue = Queue { service_ns: 7_500, busy_until_ns: 0 };
    let [(completed, wakes), (without, wakes_without)] = closed_with_and_without_naps(&queue);
    assert!(completed as f64 > 0.99 * without as f64, "{completed} of {without}");
    assert!(wakes * 3 < wakes_without, "{wakes} of {wakes_without}");
}

#[test]
fn a_closed_loop_does_not_nap_where_that_would_cost_throughput() {
    let parallel = Parallel { service_ns: 700_000 };
    let [(completed, _), (without, _)] = closed_with_and_without_naps(&parallel);
    assert!(completed as f64 > 0.98 * without as f64, "{completed} of {without}");
}

#[test]
fn idle_connections_are_held_to_the_end_of_the_window() {
    /// Says when the last connection of a worker was closed.
    struct Watch;
    impl Server for Watch {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(0)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(1_000, GOOD.to_vec())]
        }
    }
    for active in [0, 1] {
        let spec = WorkerSpec { held: 20, active, measure_ns: 3 * S, profile: constant(1.0), ..spec() };
        let (seen, _) = run(&spec, Watch, 2 * S);
        let last = seen.frames.last().expect("a last frame");
        assert!(last.end_ns >= 5 * S, "closed at {} ns, {active} active", last.end_ns);
        assert!(seen.frames.iter().filter(|frame| frame.start_ns >= 2 * S).all(|frame| frame.held_min == 20));
    }
}

#[test]
fn idle_connections_that_are_lost_and_opened_again_leave_a_trace() {
    /// Closes each idle connection once, a second after the first request of all.
    struct Closes {
        at_ns: Option<u64>,
    }
    impl Server for Closes {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(0)
        }

        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            let at_ns = *self.at_ns.get_or_insert(now_ns + 500 * MS);
            if now_ns > at_ns {
                vec![Step::Send(1_000, GOOD.to_vec())]
            } else {
                vec![Step::Close(at_ns - now_ns)]
            }
        }
    }
    // The connections ask every 400 ms, so those that asked before the moment lose their connection then.
    let hold = HoldTraffic::Request { every_ns: 400 * MS };
    let spec = WorkerSpec { held: 20, active: 0, hold, measure_ns: 3 * S, interval_ns: 3 * S, ..spec() };
    let (seen, _) = run(&spec, Closes { at_ns: None }, 2 * S);
    assert!(seen.frames.iter().map(|frame| frame.held_lost).sum::<u64>() >= 10);
    assert!(seen.frames.iter().map(|frame| frame.held_min).min().expect("frames") < 20);
}

#[test]
fn frames_end_where_the_window_begins() {
    let spec = WorkerSpec { warmup_ns: 1_300 * MS, measure_ns: 2 * S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let ends: Vec<u64> =
        seen.frames.iter().map(|frame| frame.end_ns.saturating_sub(2 * S) / (100 * MS)).collect();
    for boundary in [0, 3, 13, 23, 33] {
        assert!(ends.contains(&boundary), "{boundary} is missing of {ends:?}");
    }
}

#[test]
fn waiting_for_a_connection_to_be_opened_again_is_not_the_generators_lateness() {
    /// Closes after each answer, and takes 20 ms to accept.
    struct SlowToAccept;
    impl Server for SlowToAccept {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(20 * MS)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            vec![Step::Send(1_000, answer.to_vec())]
        }
    }
    let spec = WorkerSpec { active: 2, profile: constant(90.0), ..spec() };
    let (seen, _) = run(&spec, SlowToAccept, 2 * S);
    let mut lateness = Histogram::new();
    for part in seen.parts("measure") {
        lateness.add(&Histogram::decode(&part.lateness).expect("ours"));
    }
    assert!(lateness.max_us() < 1_000, "{} us", lateness.max_us());
}
