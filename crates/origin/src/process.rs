//! The origin as a process: spec in on one pipe, counts out on the other.

use seatrial_net::clock::now_ns;
use seatrial_net::pipe::{LinePipe, PipeClosed};
use seatrial_net::process;
use serde::{Deserialize, Serialize};

use crate::server::{CONTROL, Server};
use crate::spec::OriginSpec;

/// However quiet it is, the loop looks this often whether a stop has waited long enough.
const LONGEST_TURN_NS: u64 = 100_000_000;
/// How long a graceful stop waits for answers that are under way.
const STOP_LIMIT_NS: u64 = 5_000_000_000;

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
enum Command {
    Counts,
    /// The addresses of these numbers, in the order of the spec, stand still; every other goes on.
    Pause {
        endpoints: Vec<usize>,
    },
    Stop,
}

#[derive(Serialize)]
struct Ready {
    r#type: &'static str,
    pid: u32,
    engine: &'static str,
    addresses: Vec<Address>,
}

/// Said once it is so.
#[derive(Serialize)]
struct Paused {
    r#type: &'static str,
    endpoints: Vec<usize>,
}

#[derive(Serialize)]
struct Address {
    host: String,
    port: u16,
}

/// Reads one spec from `input` and serves until it is to stop or the parent is gone. The text of an error is for a
/// person.
pub fn run(input: i32, output: i32) -> Result<(), String> {
    let (mut pipe, _) = LinePipe::to_parent(input, output)?;
    let spec = OriginSpec::parse(&pipe.spec()?)?;
    pipe.unblock()?;
    let mut server = Server::new(&spec)?;
    server.watch(input).map_err(|error| error.to_string())?;
    say(&mut pipe, &ready(&server));
    serve(&mut server, &mut pipe).map_err(|error| format!("the event loop failed: {error}"))?;
    process::set_blocking(output, true).map_err(|error| error.to_string())?;
    say(&mut pipe, &server.counts(true));
    Ok(())
}

fn ready(server: &Server) -> Ready {
    let address =
        |address: std::net::SocketAddr| Address { host: address.ip().to_string(), port: address.port() };
    Ready {
        r#type: "ready",
        pid: std::process::id(),
        engine: env!("CARGO_PKG_VERSION"),
        addresses: server.addresses().map(address).collect(),
    }
}

fn say(pipe: &mut LinePipe, message: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(message) {
        pipe.send_object(&line);
    }
}

fn serve(server: &mut Server, pipe: &mut LinePipe) -> std::io::Result<()> {
    let mut events = Vec::with_capacity(1024);
    let mut stop_at_ns = None;
    // The pipe is read when it has something: once a turn would be a system call for nothing.
    let mut has_orders = true;
    loop {
        if has_orders && obey(server, pipe, &mut stop_at_ns) == Err(PipeClosed) {
            return Ok(());
        }
        if stop_at_ns.is_some_and(|at_ns| !server.is_answering() || now_ns() >= at_ns) {
            return Ok(());
        }
        server.turn(&mut events, LONGEST_TURN_NS)?;
        has_orders = events.iter().any(|event| event.token == CONTROL);
        pipe.flush();
    }
}

/// Does what the parent has asked for.
fn obey(server: &mut Server, pipe: &mut LinePipe, stop_at_ns: &mut Option<u64>) -> Result<(), PipeClosed> {
    while let Some(command) = pipe.read_command()? {
        match command {
            Command::Counts => say(pipe, &server.counts(false)),
            Command::Pause { endpoints } => {
                server.pause(&endpoints);
                say(pipe, &Paused { r#type: "paused", endpoints });
            }
            Command::Stop => {
                server.pause(&[]);
                server.stop_listening();
                *stop_at_ns = Some(now_ns() + STOP_LIMIT_NS);
            }
        }
    }
    Ok(())
}
