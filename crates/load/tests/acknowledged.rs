//! Real sockets, and a server with a clock of its own: is it held back by how the load sleeps?

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use seatrial_load::control::{Command, Parent};
use seatrial_load::example::{self, constant};
use seatrial_load::frame::Message;
use seatrial_load::spec::WorkerSpec;
use seatrial_load::worker::Worker;
use seatrial_net::Driver;
use seatrial_net::clock::now_ns;
use seatrial_net::epoll::EpollDriver;
use seatrial_net::uring::UringDriver;

const MS: u64 = 1_000_000;
const REQUEST_BODY_BYTES: usize = 4_000_000;
const ANSWER_BODY_BYTES: usize = 1_000_000;
/// Five requests a second, so that the loop could sleep for a tenth of a second each time.
const RATE_PER_S: f64 = 5.0;
const REQUESTS: usize = 8;
/// An exchange takes some milliseconds; one that waited for the loop to wake took 100 for each direction.
const LONGEST: Duration = Duration::from_millis(60);

/// Answers on one connection, and tells how long each exchange took: from the first byte of the request until the last of
/// the answer was acknowledged.
fn serve(mut stream: TcpStream, request_bytes: usize, took: &Sender<Duration>) {
    let mut request = vec![0; request_bytes];
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BODY_BYTES}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + ANSWER_BODY_BYTES, b'x');
    while stream.read_exact(&mut request[..1]).is_ok() {
        let began = Instant::now();
        if stream.read_exact(&mut request[1..]).is_err() || stream.write_all(&answer).is_err() {
            return;
        }
        while unacknowledged(&stream) > 0 {
            thread::sleep(Duration::from_micros(100));
        }
        let _ = took.send(began.elapsed());
    }
}

fn unacknowledged(stream: &TcpStream) -> i32 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a c_int, which is what this request fills.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    bytes
}

fn server(request_bytes: usize) -> (SocketAddr, Receiver<Duration>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, sender) = (stream.expect("a connection"), sender.clone());
            thread::spawn(move || serve(stream, request_bytes, &sender));
        }
    });
    (address, receiver)
}

/// Starts the schedule once the worker is ready, and counts.
#[derive(Default)]
struct Counting {
    is_ready: bool,
    has_gone: bool,
    completed: u64,
}

impl Parent for Counting {
    fn command(&mut self) -> Option<Command> {
        (self.is_ready && !std::mem::replace(&mut self.has_gone, true))
            .then(|| Command::Go { at_ns: now_ns() + 10 * MS })
    }

    fn tell(&mut self, message: Message) {
        match message {
            Message::Ready { .. } => self.is_ready = true,
            Message::Frame(frame) => {
                self.completed += frame.parts.iter().map(|part| part.completed).sum::<u64>();
            }
            Message::Hello(_) | Message::Done(_) => {}
        }
    }
}

/// What a server of ours says of each exchange of a load over this driver.
fn exchanges(driver: impl Driver) -> Vec<Duration> {
    let mut spec = WorkerSpec {
        active: 3,
        profile: constant(RATE_PER_S),
        resolution_ns: MS / 4,
        measure_ns: (REQUESTS as f64 / RATE_PER_S * 1e9) as u64,
        timeout_ns: 20_000 * MS,
        drain_ns: 20_000 * MS,
        ..example::spec()
    };
    spec.requests[0].body = vec![b'y'; REQUEST_BODY_BYTES];
    let (address, took) = server(spec.requests[0].encode().len());
    spec.targets = vec![address];
    let mut parent = Counting::default();
    Worker::new(spec, driver).run(&mut parent).expect("a load");
    assert_eq!(parent.completed, REQUESTS as u64);
    // The worker has closed its connections, so the server comes to its end; the last answer may be acknowledged by that.
    (0..REQUESTS).map(|_| took.recv_timeout(Duration::from_secs(20)).expect("an exchange")).collect()
}

/// The median, because the machine may be busy with something else for a while.
fn assert_swift(name: &str, mut exchanges: Vec<Duration>) {
    exchanges.sort_unstable();
    assert!(exchanges[REQUESTS / 2] < LONGEST, "{name}: {exchanges:?}");
}

#[test]
fn large_bodies_are_acknowledged_as_fast_as_they_can_be_sent() {
    let epoll = thread::spawn(|| exchanges(EpollDriver::new(true).expect("a driver")));
    if let Ok(driver) = UringDriver::new(true) {
        assert_swift("io_uring", exchanges(driver));
    }
    assert_swift("epoll", epoll.join().expect("a load over epoll"));
}
