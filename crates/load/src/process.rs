//! The worker as a process: spec in on one pipe, frames out on the other.

use std::io;

use seatrial_net::clock::{now_ns, wall_ns};
use seatrial_net::epoll::{EpollDriver, arrival_stamps_work};
use seatrial_net::pipe::LinePipe;
use seatrial_net::tls::TlsDriver;
use seatrial_net::tls::config::ClientTls;
use seatrial_net::uring::UringDriver;
use seatrial_net::{Driver, process};

use crate::control::{Command, Parent};
use crate::frame::{Hello, Message};
use crate::spec::{DriverKind, LoopKind, WorkerSpec};
use crate::token::CONTROL;
use crate::worker::Worker;

/// Reads a spec from `input`, runs it, and writes frames to `output`; and others, as long as the parent has more. The text
/// of an error is for a person.
pub fn run(input: i32, output: i32) -> Result<(), String> {
    let (mut pipe, descriptor_limit) = LinePipe::to_parent(input, output)?;
    loop {
        let spec = WorkerSpec::parse(&pipe.spec()?)?;
        if run_one(spec, descriptor_limit, &mut pipe)? == Next::End {
            return Ok(());
        }
    }
}

/// What the parent wants once a load is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Another,
    End,
}

fn run_one(spec: WorkerSpec, descriptor_limit: u64, pipe: &mut LinePipe) -> Result<Next, String> {
    pipe.unblock()?;
    let tls = spec.tls.as_ref().map(ClientTls::new).transpose()?;
    // A loop that never sleeps would shut everything else out, and the kernel would then stop it for its own good.
    let sleeps = spec.loop_kind == LoopKind::Open && !spec.spin;
    let runs_first = sleeps && process::run_first();
    // Not before the schedule starts: opening connections takes all the CPU there is, and the system has to accept them.
    process::run_shared();
    // A loop that wakes for every answer still reads it a wake-up later: 30 us, and a millisecond on a busy machine. In
    // closed loop nothing but the rate is asked for, and stamps cost CPU: of this process and of a server beside it.
    let stamp_arrivals = spec.loop_kind == LoopKind::Open && arrival_stamps_work();
    // A loop that sleeps through answers would measure its own sleep without the kernel's stamps.
    let may_sleep = stamp_arrivals || spec.loop_kind == LoopKind::Closed && !spec.spin;
    let spec = WorkerSpec { resolution_ns: if may_sleep { spec.resolution_ns } else { 0 }, ..spec };
    let (uring, driver_fallback) = match spec.driver {
        DriverKind::Epoll => (None, None),
        DriverKind::IoUring => match UringDriver::new(stamp_arrivals) {
            Ok(driver) => (Some(driver), None),
            Err(refusal) => (None, Some(refusal.to_string())),
        },
    };
    pipe.report(Message::Hello(Hello {
        worker: spec.worker,
        pid: std::process::id(),
        driver: if uring.is_some() { "io_uring" } else { "epoll" },
        driver_fallback,
        timestamps: if stamp_arrivals { "kernel" } else { "program" },
        resolution_ns: spec.resolution_ns,
        descriptor_limit,
        scheduling: if runs_first { "first" } else { "shared" },
        engine: env!("CARGO_PKG_VERSION"),
        boot_id: process::boot_id(),
        monotonic_ns: now_ns(),
        realtime_ns: wall_ns(),
    }));
    let run = || -> io::Result<Next> {
        if let Some(mut driver) = uring {
            driver.watch(pipe.input(), CONTROL)?;
            return run_over(driver, spec, tls, runs_first, pipe);
        }
        let driver = EpollDriver::new(stamp_arrivals)?;
        driver.watch(pipe.input(), CONTROL)?;
        run_over(driver, spec, tls, runs_first, pipe)
    };
    run().map_err(|error| format!("the event loop failed: {error}"))
}

fn run_over<D: Driver>(
    driver: D,
    spec: WorkerSpec,
    tls: Option<ClientTls>,
    runs_first: bool,
    pipe: &mut LinePipe,
) -> io::Result<Next> {
    let number = spec.worker;
    match tls {
        Some(tls) => {
            run_to_end(Worker::new(spec, TlsDriver::new(driver, tls)).running_first(runs_first), number, pipe)
        }
        None => run_to_end(Worker::new(spec, driver).running_first(runs_first), number, pipe),
    }
}

fn run_to_end<D: Driver>(mut worker: Worker<D>, number: u32, pipe: &mut LinePipe) -> io::Result<Next> {
    worker.run(pipe)?;
    process::run_shared();
    for fd in pipe.both() {
        process::set_blocking(fd, true)?;
    }
    pipe.flush();
    let next = rest(number, pipe);
    worker.close();
    Ok(next)
}

/// The parent lets a worker go when every one is done, and it has looked at what this process took; it may ask what its
/// clock shows.
fn rest(number: u32, pipe: &mut LinePipe) -> Next {
    while let Ok(line) = pipe.read_first_line() {
        match serde_json::from_str(&line) {
            Ok(Command::Ping { id }) => pipe.report(Message::Pong { worker: number, id, at_ns: now_ns() }),
            Ok(Command::Again) => return Next::Another,
            _ => {}
        }
    }
    Next::End
}
