//! What becomes of connections: renewed, reused, idle, lost.

use seatrial_load::example::constant;
use seatrial_load::frame::Frame;
use seatrial_load::histogram::Histogram;
use seatrial_load::request::RequestSpec;
use seatrial_load::spec::{HoldTraffic, Reuse, WorkerSpec};
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, Queue, Recording, S, run, run_when_ready, spec};

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

/// RFC 9112 section 9.6, for each request by itself: about one in two says so, of the same length.
#[test]
fn nothing_follows_a_request_that_said_close() {
    let mut spec = spec();
    let with_connection = |path: &str, value: &str| RequestSpec {
        path: path.to_owned(),
        headers: vec![("Connection".to_owned(), value.to_owned())],
        ..spec.requests[0].clone()
    };
    spec.requests = vec![with_connection("/last", "TE,  close"), with_connection("/more", "keep-alive")];
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let sum = |field: fn(&Frame) -> u64| seen.frames.iter().map(field).sum::<u64>();
    assert_eq!((seen.sum(|part| part.completed), sum(|frame| frame.churned)), (1_000, 0));
    let routes = &seen.done.as_ref().expect("the last word").routes;
    let last = routes.iter().find(|route| route.route.ends_with("/last")).expect("its route").completed;
    assert!((1..1_000).contains(&last));
    assert_eq!((sum(|frame| frame.reconnected), sum(|frame| frame.opened)), (last, last + 10));
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
fn connections_that_all_broke_come_back_no_faster_than_connections_are_opened() {
    /// Resets everything that asks in a certain millisecond, and counts who came in the 100 ms after it.
    struct Restarts {
        came: u32,
    }
    impl Server for Restarts {
        fn welcome(&mut self, now_ns: u64) -> Welcome {
            self.came += u32::from((2_501 * MS..2_601 * MS).contains(&now_ns));
            Welcome::Accept(10_000)
        }

        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            let restarts_ns = 2_501 * MS;
            vec![if now_ns < restarts_ns && now_ns > 2_400 * MS {
                Step::Reset(restarts_ns - now_ns)
            } else {
                Step::Send(10_000, GOOD.to_vec())
            }]
        }
    }
    let spec = WorkerSpec { active: 80, connect_rate_per_s: 200.0, ..spec() };
    let (seen, driver) = run(&spec, Restarts { came: 0 }, 2 * S);
    assert!(seen.sum(|part| part.failed) >= 60, "{}", seen.sum(|part| part.failed));
    let came = driver.server().came;
    // 200 a second, and what a late wake-up may catch up.
    assert!((15..=25).contains(&came), "{came}");
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
fn idle_connections_are_held_to_the_end_of_the_window() {
    /// Says when the last connection of a worker was closed.
    struct Watch;
    impl Server for Watch {
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

/// A listener that takes a connection every so often from a queue, and loses what finds the queue full. As with a real
/// one, whoever is in the queue is established.
struct Listener {
    queue_len: u64,
    accept_ns: u64,
    free_ns: u64,
    lost: u64,
}

impl Server for Listener {
    fn welcome(&mut self, now_ns: u64) -> Welcome {
        if self.free_ns.saturating_sub(now_ns) / self.accept_ns >= self.queue_len {
            self.lost += 1;
            return Welcome::Lose;
        }
        self.free_ns = self.free_ns.max(now_ns) + self.accept_ns;
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        vec![Step::Send(10_000, GOOD.to_vec())]
    }
}

#[test]
fn a_ramp_at_twice_what_the_listener_accepts_loses_nobody_and_takes_little_longer_than_it_must() {
    let spec = WorkerSpec {
        held: 10_000,
        active: 50,
        connect_rate_per_s: 2_000.0,
        connecting_limit: 512,
        timeout_ns: 2 * S,
        ..spec()
    };
    // 1,000 are accepted a second, so it takes ten seconds at least; the clock begins at one. Half as much again is left
    // for finding out how much that is.
    let listener = Listener { queue_len: 128, accept_ns: MS, free_ns: 0, lost: 0 };
    let (seen, driver) = run_when_ready(&spec, listener, 25 * S);
    assert!(seen.is_ready);
    let ready = seen.frames.iter().find(|frame| frame.held == 10_000).expect("a frame with all connections");
    assert!(ready.end_ns < 17 * S, "ready after {} ns", ready.end_ns);
    // Those that carry requests were in first.
    assert_eq!(seen.frames[0].active, 50);
    assert!(driver.most_connecting() <= 512, "{} attempts under way", driver.most_connecting());
    // What was lost is what the listener says, to the last one; and it was little.
    let again: u64 = seen.frames.iter().map(|frame| frame.syn_retransmissions).sum();
    assert_eq!(again, driver.sent_again());
    assert!((1..2_000).contains(&driver.server().lost), "{} lost", driver.server().lost);
    assert_eq!(seen.sum(|part| part.completed), 1_000);
}

#[test]
fn every_connection_request_that_was_sent_again_is_counted_where_nobody_answers() {
    struct Deaf;
    impl Server for Deaf {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Lose
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![]
        }
    }
    // Some attempts are given up, some are under way when the load ends; idle ones and others alike.
    for (held, active) in [(20, 0), (0, 20), (10, 10)] {
        let spec = WorkerSpec { held, active, timeout_ns: 4 * S, ..spec() };
        let (seen, driver) = run(&spec, Deaf, 8 * S);
        let again: u64 = seen.frames.iter().map(|frame| frame.syn_retransmissions).sum();
        assert_eq!(again, driver.sent_again());
        assert!(again >= 60, "{again}");
        assert!(seen.errors()["connect_timeout"] >= 20);
    }
}

/// The sum of a counter over a run.
fn sum(seen: &Recording, field: fn(&Frame) -> u64) -> u64 {
    seen.frames.iter().map(field).sum()
}

#[test]
fn answers_to_idle_connections_are_counted_by_their_status_and_so_is_what_never_comes() {
    /// Answers each request with the next of these, one after another.
    struct Answers {
        steps: Vec<Vec<Step>>,
        asked: u64,
    }
    impl Server for Answers {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            self.asked += 1;
            self.steps[self.asked as usize % self.steps.len()].clone()
        }
    }
    let failing = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec();
    let steps = vec![
        vec![Step::Send(MS, GOOD.to_vec())],
        // Cut in the middle of its first line.
        vec![Step::Send(MS, failing[..4].to_vec()), Step::Send(MS, failing[4..].to_vec())],
        vec![],
        vec![Step::Close(MS)],
    ];
    let hold = HoldTraffic::Request { every_ns: 100 * MS };
    let spec = WorkerSpec { held: 20, active: 0, hold, measure_ns: 3 * S, ..spec() };
    let (seen, driver) = run(&spec, Answers { steps, asked: 0 }, 2 * S);
    let asked = driver.server().asked;
    let answered = |class| {
        let counts = seen.frames.iter().flat_map(|frame| &frame.held_answers);
        counts.filter(|(name, _)| *name == class).map(|(_, count)| count).sum::<u64>()
    };
    let unanswered = sum(&seen, |frame| frame.held_unanswered);
    assert_eq!(sum(&seen, |frame| frame.held_requests), asked);
    assert!(asked >= 300, "{asked}");
    // Those of the last round may still be awaited.
    let ends = answered("2xx") + answered("5xx") + unanswered;
    assert!((asked - 20..=asked).contains(&ends), "{ends} of {asked}");
    for (class, count) in [("2xx", answered("2xx")), ("5xx", answered("5xx"))] {
        assert!(count.abs_diff(asked / 4) <= 20, "{count} of {asked} are {class}");
    }
    // A quarter has no answer, of another the connection ends.
    assert!(unanswered.abs_diff(asked / 2) <= 20, "{unanswered} of {asked}");
}

#[test]
fn idle_connections_send_every_request_of_the_load() {
    /// Counts requests by their length, which is all that a simulated server sees of them.
    struct Counts;
    impl Server for Counts {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(MS, GOOD.to_vec())]
        }
    }
    let request = &spec().requests[0];
    let hosts =
        ["a.test", "b.test", "c.test"].map(|host| RequestSpec { host: host.to_owned(), ..request.clone() });
    let hold = HoldTraffic::Request { every_ns: 100 * MS };
    let spec = WorkerSpec { held: 9, active: 0, hold, requests: hosts.to_vec(), measure_ns: 3 * S, ..spec() };
    let (seen, driver) = run(&spec, Counts, 2 * S);
    let sent = driver.sent_by_request();
    let asked = sum(&seen, |frame| frame.held_requests);
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert_eq!(sent.values().sum::<u64>(), asked);
    assert!(sent.values().all(|count| count.abs_diff(asked / 3) <= 10), "{sent:?}");
}

#[test]
fn idle_connections_above_a_limit_do_not_starve_those_that_carry_requests() {
    /// Closes every connection that does not ask for something whole.
    struct Limited {
        welcomed: u64,
    }
    impl Server for Limited {
        fn welcome(&mut self, _: u64) -> Welcome {
            self.welcomed += 1;
            Welcome::Accept(10_000)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(MS, GOOD.to_vec())]
        }

        fn interrupt(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Close(MS)]
        }
    }
    // Each idle connection sends a byte every millisecond, and is closed for it.
    let hold = HoldTraffic::SlowSend { every_ns: MS };
    let spec =
        WorkerSpec { held: 20, active: 10, hold, connect_rate_per_s: 500.0, measure_ns: 3 * S, ..spec() };
    let (seen, driver) = run(&spec, Limited { welcomed: 0 }, 2 * S + MS);
    assert_eq!(seen.sum(|part| part.completed), 3_000);
    // Five seconds at 500 a second would be 2,500. Resting, the twenty come once after each rest, a second apart at last.
    let welcomed = driver.server().welcomed;
    assert!((30..600).contains(&welcomed), "{welcomed} connections");
    let lost = sum(&seen, |frame| frame.held_lost);
    let lifetimes = seen.frames.iter().filter(|frame| !frame.held_lifetime.is_empty());
    let lived: Vec<_> =
        lifetimes.map(|frame| Histogram::decode(&frame.held_lifetime).expect("ours")).collect();
    assert_eq!(lived.iter().map(Histogram::count).sum::<u64>(), lost);
    assert!(lived.iter().all(|lifetimes| lifetimes.max_us() < 50_000));
}
