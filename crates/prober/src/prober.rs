//! The prober's event loop.

use std::collections::HashSet;
use std::io;

use seatrial_net::{Driver, Event, Wake};

use crate::answers::Judgement;
use crate::control::{Command, Parent, Watch};
use crate::line_up::LineUp;
use crate::over::Over;
use crate::place::Place;
use crate::pool::{Came, Pool, Probe};
use crate::report::Report;
use crate::spec::ProberSpec;

/// The number of the pipe from the parent.
pub(crate) const CONTROL: u64 = u64::MAX;
/// A probe that finds no connection free comes again so soon.
const AGAIN_NS: u64 = 200_000;

/// One prober on one driver.
pub struct Prober<D: Driver> {
    spec: ProberSpec,
    driver: D,
    pool: Pool,
    line_up: LineUp,
    watches: Vec<(Watch, Vec<u8>)>,
    /// The numbers of all watches.
    known: HashSet<u64>,
    places: Vec<Place>,
}

impl<D: Driver> Prober<D> {
    /// A prober that looks for nothing yet.
    pub fn new(spec: ProberSpec, driver: D) -> Self {
        let pool = Pool::new(spec.addresses(), spec.kept_connections, spec.timeout_ns, &spec.field);
        let line_up = LineUp::new(spec.rate_limit_per_s);
        Self { spec, driver, pool, line_up, watches: vec![], known: HashSet::new(), places: vec![] }
    }

    /// Does what the parent says until it is to stop.
    pub fn run(&mut self, parent: &mut impl Parent) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        let mut was_ready = false;
        while self.obey(parent) {
            self.pool.reopen(&mut self.driver);
            if !was_ready && self.pool.is_ready() {
                was_ready = true;
                parent.report(&Report::Ready { worker: self.spec.worker });
            }
            while let Some((probe, failure)) = self.pool.expired(&mut self.driver) {
                self.heard(probe, Judgement::failed(failure.name()), self.driver.now_ns(), parent);
            }
            self.send_due(parent);
            let wake_ns = self.line_up.wake_ns().into_iter().chain(self.pool.wake_ns()).min();
            parent.flush();
            self.driver.wait(&mut events, wake_ns, Wake::OnEvent)?;
            for event in &events {
                self.on_event(event, parent);
            }
        }
        self.end(parent);
        Ok(())
    }

    /// The driver, to see what it saw.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    fn obey(&mut self, parent: &mut impl Parent) -> bool {
        while let Some(command) = parent.command() {
            match command {
                Command::Watch(watch) => self.watch(watch),
                Command::Forget { id } => self.forget(|watch| watch.id == id, parent),
                Command::Ping { id } => {
                    let at_ns = self.driver.now_ns();
                    parent.report(&Report::Pong { worker: self.spec.worker, id, at_ns });
                }
                Command::Stop | Command::Gone => return false,
            }
        }
        true
    }

    fn watch(&mut self, watch: Watch) {
        // What is said again, over another stream, is known.
        if !self.known.insert(watch.id) {
            return;
        }
        let now_ns = self.driver.now_ns();
        let number = self.watches.len();
        for &over in &watch.over {
            for replica in 0..self.spec.replicas.len() as u32 {
                self.line_up.add(now_ns, self.places.len() as u32);
                self.places.push(Place::new(number, replica, over, now_ns));
            }
        }
        let request = self.request(&watch);
        self.watches.push((watch, request));
    }

    fn request(&self, watch: &Watch) -> Vec<u8> {
        let fields: String =
            self.spec.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", watch.path, watch.host).into_bytes()
    }

    fn forget(&mut self, is_meant: impl Fn(&Watch) -> bool, parent: &mut impl Parent) {
        let in_flight = self.pool.in_flight();
        for (index, place) in (0..).zip(&mut self.places) {
            let watch = &self.watches[place.watch].0;
            if !place.is_settled && is_meant(watch) {
                if in_flight.contains(&index) {
                    // The proxy counts it, whatever comes of it.
                    place.leave();
                }
                parent.report(&place.settle(watch.id, false));
            }
        }
    }

    fn send_due(&mut self, parent: &mut impl Parent) {
        loop {
            let now_ns = self.driver.now_ns();
            let Some(index) = self.line_up.next(now_ns) else { return };
            let place = &self.places[index as usize];
            if place.is_settled {
                continue;
            }
            let (request, replica) = (&self.watches[place.watch].1, place.replica);
            if place.over == Over::Kept {
                if self.pool.send_kept(&mut self.driver, replica, index, request).is_some() {
                    self.line_up.count_sent();
                    continue;
                }
                // Where nobody takes connections any more, whoever asks for the route has to hear that, too.
                if !self.pool.is_away(replica) {
                    self.line_up.add(now_ns + AGAIN_NS, index);
                    continue;
                }
            }
            if let Err(failure) = self.pool.send_fresh(&mut self.driver, replica, index, request) {
                let probe = Probe { place: index, sent_ns: now_ns };
                self.heard(probe, Judgement::failed(failure.name()), now_ns, parent);
            }
            self.line_up.count_sent();
        }
    }

    fn on_event(&mut self, event: &Event, parent: &mut impl Parent) {
        if event.token == CONTROL {
            return;
        }
        let Some((connection, probe, came, at_ns)) = self.pool.on_event(&mut self.driver, event) else {
            return;
        };
        let judgement = match came {
            Came::Answer(status) => {
                let place = &self.places[probe.place as usize];
                self.pool.seen(connection).judge(&self.watches[place.watch].0, status)
            }
            Came::Failure(failure) => Judgement::failed(failure.name()),
        };
        self.heard(probe, judgement, at_ns, parent);
    }

    fn heard(&mut self, probe: Probe, judgement: Judgement, at_ns: u64, parent: &mut impl Parent) {
        let place = &mut self.places[probe.place as usize];
        if place.is_settled {
            return;
        }
        let id = self.watches[place.watch].0.id;
        for report in place.take(id, judgement, probe.sent_ns, at_ns, self.spec.stable_after) {
            parent.report(&report);
        }
        if !place.is_settled {
            let due_ns = (probe.sent_ns + self.spec.period_ns).max(at_ns);
            self.line_up.add(due_ns, probe.place);
        }
    }

    fn end(&mut self, parent: &mut impl Parent) {
        self.forget(|_| true, parent);
        let (probes, late_ns_max) = self.line_up.totals();
        let cpu = seatrial_net::process::cpu_time();
        parent.report(&Report::Done {
            worker: self.spec.worker,
            probes,
            late_ns_max,
            cpu_user_ns: cpu.user_ns,
            cpu_system_ns: cpu.system_ns,
        });
    }
}

#[cfg(test)]
mod tests;
