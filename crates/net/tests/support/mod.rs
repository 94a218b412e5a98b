//! A network in memory with TLS servers at its other end: rustls with its own buffers, another path through it than
//! the one under test. Bytes are cut and delayed at random; events are edge-triggered and reported once.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use seatrial_net::tls::certificates::Certificates;
use seatrial_net::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};

pub(crate) const TICK_NS: u64 = 1_000_000;

struct Socket {
    token: u64,
    server: ServerConnection,
    is_established: bool,
    is_open: bool,
    /// The client found it full and waits to hear that it is not.
    is_blocked: bool,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    arrived: Vec<u8>,
    arrived_ns: u64,
    echoed: usize,
    has_ended: bool,
}

/// Servers that echo, and close in order after `close_after` bytes each.
pub(crate) struct Network {
    now_ns: u64,
    random: Xoshiro256PlusPlus,
    config: Arc<ServerConfig>,
    sockets: Vec<Socket>,
    close_after: usize,
    largest_piece: u64,
}

pub(crate) fn server_config(certificates: &Certificates) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certificates.cert_pem.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(certificates.key_pem.as_bytes()).expect("our own PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's defaults")
        .with_no_client_auth()
        .with_single_cert(chain.collect::<Result<_, _>>().expect("our own PEM"), key)
        .expect("our own certificate")
}

impl Network {
    pub(crate) fn new(seed: u64, config: Arc<ServerConfig>, close_after: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let largest_piece = [3, 100, 5_000, 200_000][random.next_u64() as usize % 4];
        Self { now_ns: 1, random, config, sockets: Vec::new(), close_after, largest_piece }
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.is_open).count()
    }

    /// How much plaintext the server has had.
    pub(crate) fn heard(&self, socket: i32) -> usize {
        self.sockets[socket as usize].echoed
    }

    pub(crate) fn has_heard_goodbye(&self, socket: i32) -> bool {
        self.sockets[socket as usize].has_ended
    }

    fn up_to(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % (limit + 1)
    }

    fn piece(&mut self, len: usize) -> usize {
        let largest = self.largest_piece;
        (self.up_to(largest) as usize).min(len)
    }

    fn tick(&mut self, index: usize) -> Event {
        let (now_ns, close_after) = (self.now_ns, self.close_after);
        let (up, down, is_slow) = (
            self.piece(self.sockets[index].to_server.len()),
            self.piece(self.sockets[index].to_client.len()),
            self.up_to(2) == 0,
        );
        let socket = &mut self.sockets[index];
        let mut event = Event { token: socket.token, ..Event::default() };
        if !socket.is_established {
            socket.is_established = !is_slow;
            event.writable = socket.is_established;
            return event;
        }
        if down > 0 {
            socket.arrived.extend(socket.to_client.drain(..down));
            socket.arrived_ns = now_ns;
            event.readable = true;
        }
        socket.serve(up, close_after);
        if socket.has_ended && down > 0 && socket.to_client.is_empty() {
            event.closed = true;
        }
        if socket.is_blocked && !is_slow {
            (socket.is_blocked, event.writable) = (false, true);
        }
        event
    }
}

impl Socket {
    fn serve(&mut self, len: usize, close_after: usize) {
        let mut bytes: Vec<u8> = self.to_server.drain(..len).collect();
        while !bytes.is_empty() {
            let mut rest = bytes.as_slice();
            self.server.read_tls(&mut rest).expect("memory");
            bytes = rest.to_vec();
            let state = self.server.process_new_packets();
            let mut plain = vec![0; state.as_ref().map_or(0, rustls::IoState::plaintext_bytes_to_read)];
            self.server.reader().read_exact(&mut plain).expect("what was announced");
            self.server.writer().write_all(&plain).expect("memory");
            self.echoed += plain.len();
            if state.is_err() || state.is_ok_and(|state| state.peer_has_closed()) {
                self.has_ended = true;
            }
        }
        if self.echoed >= close_after && !self.has_ended {
            self.server.send_close_notify();
            self.has_ended = true;
        }
        while self.server.wants_write() {
            self.server.write_tls(&mut self.to_client).expect("memory");
        }
    }
}

impl Driver for Network {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn clock_steps(&self) -> u64 {
        0
    }

    fn connect(&mut self, token: u64, _: Route<'_>, _: Use) -> io::Result<i32> {
        let mut server = ServerConnection::new(Arc::clone(&self.config)).expect("a server's session");
        server.set_buffer_limit(None);
        self.sockets.push(Socket {
            token,
            server,
            is_established: false,
            is_open: true,
            is_blocked: false,
            to_server: Vec::new(),
            to_client: Vec::new(),
            arrived: Vec::new(),
            arrived_ns: 0,
            echoed: 0,
            has_ended: false,
        });
        Ok(self.sockets.len() as i32 - 1)
    }

    /// Time passes here, too, and what it brings is reported.
    fn look(&mut self, socket: i32) -> Event {
        self.now_ns += TICK_NS;
        self.tick(socket as usize)
    }

    fn connected(&mut self, _: i32, _: Ended) -> io::Result<Connected> {
        Ok(Connected::default())
    }

    fn retransmissions(&mut self, _: i32) -> u32 {
        0
    }

    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.piece(bytes.len());
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open && socket.is_established, "a send on a dead socket");
        // As the kernel does: a partial write says nothing, only a refused one is followed by an event.
        if taken == 0 {
            socket.is_blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        socket.to_server.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open, "a read on a closed socket");
        let len = socket.arrived.len().min(buffer.len());
        if len == 0 && !(socket.has_ended && socket.to_client.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..len].copy_from_slice(&socket.arrived[..len]);
        socket.arrived.drain(..len);
        Ok(Received { len, at_ns: socket.arrived_ns })
    }

    fn close(&mut self, socket: i32, _: bool) -> usize {
        let socket = &mut self.sockets[socket as usize];
        assert!(socket.is_open, "a socket is closed twice");
        socket.is_open = false;
        let rest = socket.to_server.len();
        socket.serve(rest, usize::MAX);
        0
    }

    fn wait(&mut self, events: &mut Vec<Event>, _: Option<u64>, _: Wake) -> io::Result<()> {
        events.clear();
        self.now_ns += TICK_NS;
        for index in 0..self.sockets.len() {
            if self.sockets[index].is_open {
                let event = self.tick(index);
                if event.readable || event.writable || event.closed {
                    events.push(event);
                }
            }
        }
        Ok(())
    }
}
