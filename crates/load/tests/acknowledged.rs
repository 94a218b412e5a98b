//! Real sockets, and a server with a clock of its own: is it held back by how the load sleeps?

use std::io::{self, Read, Write};
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
use seatrial_net::tls::certificates::{self, Certificates};
use seatrial_net::tls::config::{ClientTls, ClientTlsSpec, ServerTls, ServerTlsSpec};
use seatrial_net::tls::{Scratch, Session, SocketTransport, TlsDriver, TlsVersion};
use seatrial_net::uring::UringDriver;

const MS: u64 = 1_000_000;
/// Of a request and of its answer.
const PLAIN_BODY_BYTES: usize = 4_000_000;
/// Encryption takes its time, too.
const TLS_BODY_BYTES: usize = 1_000_000;
/// Five requests a second, so that the loop could sleep for a tenth of a second each time.
const RATE_PER_S: f64 = 5.0;
const REQUESTS: u32 = 8;
/// An exchange takes some milliseconds, or some tens where others have the processor; one that waited for the loop to
/// wake took 100 for each direction at least.
const LONGEST: Duration = Duration::from_millis(75);

/// Answers on one connection, and says how long each exchange took: from the first byte of the request until the last
/// of the answer was acknowledged.
fn serve(
    stream: TcpStream,
    tls: Option<&ServerTls>,
    (request_bytes, body_bytes): (usize, usize),
    took: &Sender<Duration>,
) {
    let mut stream = Stream::new(stream, tls);
    let mut request = vec![0; request_bytes];
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + body_bytes, b'x');
    while stream.read_exact(&mut request[..1]).is_ok() {
        let began = Instant::now();
        let is_asked = stream.read_exact(&mut request[1..]).is_ok();
        if !is_asked || stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
            return;
        }
        while unacknowledged(&stream.socket) > 0 {
            thread::sleep(Duration::from_micros(100));
        }
        let _ = took.send(began.elapsed());
    }
}

/// A connection, plain or TLS, that waits.
struct Stream {
    socket: TcpStream,
    session: Option<(Session, Scratch)>,
}

impl Stream {
    fn new(socket: TcpStream, tls: Option<&ServerTls>) -> Self {
        socket.set_nonblocking(tls.is_some()).expect("an option");
        Self {
            socket,
            session: tls.map(|tls| (Session::server(tls).expect("a session"), Scratch::default())),
        }
    }

    /// Does `work` again and again until it need not wait for what `poll(2)` calls `event`.
    fn until_done<T>(
        &mut self,
        event: i16,
        mut work: impl FnMut(&mut Session, &mut Scratch, &mut SocketTransport) -> io::Result<T>,
    ) -> io::Result<T> {
        let (session, scratch) = self.session.as_mut().expect("of TLS");
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: event, revents: 0 };
        loop {
            match work(session, scratch, &mut SocketTransport(self.socket.as_raw_fd())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // SAFETY: the pointer is to one pollfd.
                    unsafe { libc::poll(&raw mut poll, 1, 1_000) };
                }
                other => return other,
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.session.is_none() {
            return self.socket.read(buffer);
        }
        self.until_done(libc::POLLIN, |session, scratch, transport| {
            session.receive(scratch, transport, buffer).map(|received| received.len)
        })
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.session.is_none() {
            return self.socket.write(bytes);
        }
        self.until_done(libc::POLLOUT, |session, scratch, transport| session.send(scratch, transport, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.session.is_none() {
            return Ok(());
        }
        self.until_done(libc::POLLOUT, |session, _, transport| {
            if session.flush(transport)? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        })
    }
}

fn unacknowledged(stream: &TcpStream) -> i32 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a c_int, which is what this request fills.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    bytes
}

fn server(bytes: (usize, usize), tls: Option<ServerTls>) -> (SocketAddr, Receiver<Duration>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, sender, tls) = (stream.expect("a connection"), sender.clone(), tls.clone());
            thread::spawn(move || serve(stream, tls.as_ref(), bytes, &sender));
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

    fn report(&mut self, message: Message) {
        match message {
            Message::Ready { .. } => self.is_ready = true,
            Message::Frame(frame) => {
                self.completed += frame.parts.iter().map(|part| part.completed).sum::<u64>();
            }
            _ => {}
        }
    }
}

/// What a server of ours says of each exchange of a load over this driver.
fn exchanges(driver: impl Driver, tls: Option<ServerTls>) -> Vec<Duration> {
    let body_bytes = if tls.is_some() { TLS_BODY_BYTES } else { PLAIN_BODY_BYTES };
    let mut spec = WorkerSpec {
        active: 3,
        profile: constant(RATE_PER_S),
        resolution_ns: MS / 4,
        measure_ns: (f64::from(REQUESTS) / RATE_PER_S * 1e9) as u64,
        timeout_ns: 20_000 * MS,
        drain_ns: 20_000 * MS,
        ..example::spec()
    };
    spec.requests[0].body = vec![b'y'; body_bytes];
    let (address, took) = server((spec.requests[0].encode().len(), body_bytes), tls);
    spec.targets = vec![address];
    let mut parent = Counting::default();
    Worker::new(spec, driver).run(&mut parent).expect("a load");
    assert_eq!(parent.completed, u64::from(REQUESTS));
    // The worker has closed its connections, so the server comes to its end; the last answer may be acknowledged by that.
    (0..REQUESTS).map(|_| took.recv_timeout(Duration::from_secs(20)).expect("an exchange")).collect()
}

fn assert_swift(name: &str, exchanges: &[Duration]) {
    let mean = exchanges.iter().sum::<Duration>() / REQUESTS;
    assert!(mean < LONGEST, "{name}: {exchanges:?}");
}

fn client(certificates: &Certificates) -> ClientTls {
    let spec = ClientTlsSpec {
        versions: TlsVersion::ALL.to_vec(),
        server_name: "a.test".to_owned(),
        alpn: vec![],
        ca_pem: Some(certificates.ca_pem.clone()),
        insecure: false,
        resumption: true,
        cert_pem: None,
        key_pem: None,
    };
    ClientTls::new(&spec).expect("a configuration")
}

#[test]
fn large_bodies_are_acknowledged_as_fast_as_they_can_be_sent() {
    let issued = certificates::issue(&["a.test".to_owned()], 3600).expect("a certificate");
    let spec = ServerTlsSpec { cert_pem: issued.cert_pem.clone(), key_pem: issued.key_pem.clone() };
    let tls = ServerTls::new(&spec).expect("a configuration");
    assert_swift("epoll", &exchanges(EpollDriver::new(true).expect("a driver"), None));
    let shielded = TlsDriver::new(EpollDriver::new(true).expect("a driver"), client(&issued));
    assert_swift("TLS over epoll", &exchanges(shielded, Some(tls.clone())));
    if let Ok(driver) = UringDriver::new(true) {
        assert_swift("io_uring", &exchanges(driver, None));
    }
    if let Ok(driver) = UringDriver::new(true) {
        assert_swift("TLS over io_uring", &exchanges(TlsDriver::new(driver, client(&issued)), Some(tls)));
    }
}
