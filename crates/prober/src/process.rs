//! The prober as a process: spec and commands in on one pipe, what is seen out on the other.

use seatrial_net::clock::{now_ns, wall_ns};
use seatrial_net::epoll::{EpollDriver, arrival_stamps_work};
use seatrial_net::pipe::LinePipe;
use seatrial_net::tls::TlsDriver;
use seatrial_net::tls::config::ClientTls;
use seatrial_net::{Driver, process};

use crate::control::Parent;
use crate::prober::{CONTROL, Prober};
use crate::report::Report;
use crate::spec::ProberSpec;

/// Reads one spec from `input` and probes until it is to stop or the parent is gone. The text of an error is for a
/// person.
pub fn run(input: i32, output: i32) -> Result<(), String> {
    let (mut pipe, _) = LinePipe::to_parent(input, output)?;
    let spec = ProberSpec::parse(&pipe.spec()?)?;
    pipe.unblock()?;
    let tls = spec.tls.as_ref().map(ClientTls::new).transpose()?;
    pipe.report(&Report::Hello {
        worker: spec.worker,
        pid: std::process::id(),
        engine: env!("CARGO_PKG_VERSION"),
        boot_id: process::boot_id(),
        monotonic_ns: now_ns(),
        realtime_ns: wall_ns(),
    });
    let driver = EpollDriver::new(arrival_stamps_work()).and_then(|driver| {
        driver.watch(pipe.input(), CONTROL)?;
        Ok(driver)
    });
    let driver = driver.map_err(|error| format!("the event loop cannot begin: {error}"))?;
    match tls {
        Some(tls) => run_over(TlsDriver::new(driver, tls), spec, &mut pipe),
        None => run_over(driver, spec, &mut pipe),
    }
}

fn run_over<D: Driver>(driver: D, spec: ProberSpec, pipe: &mut LinePipe) -> Result<(), String> {
    Prober::new(spec, driver).run(pipe).map_err(|error| format!("the event loop failed: {error}"))?;
    process::set_blocking(pipe.both()[1], true).map_err(|error| error.to_string())?;
    pipe.flush();
    Ok(())
}
