//! The seam between the load engine and whatever moves its bytes.

use std::io;

use crate::address::RawAddress;
use crate::tls::Handshake;

/// What is known of a connection's descriptor since the last look. Edge-triggered: each is told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The number that the connection was registered with.
    pub token: u64,
    /// Bytes, or the end of the stream, may be read.
    pub readable: bool,
    /// The connection is established, or more bytes may be written.
    pub writable: bool,
    /// The peer has closed its side, or the connection is broken.
    pub closed: bool,
}

/// When to come back from a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At the deadline or as soon as something happens.
    OnEvent,
    /// At the deadline only: what happens meanwhile is gathered. One wake-up serves many answers.
    AtDeadline,
}

/// Bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many; 0 is the end of the stream.
    pub len: usize,
    /// When the last of them arrived (`CLOCK_MONOTONIC`): the kernel's word, or the time of reading.
    pub at_ns: u64,
}

/// What is known of a connection once it is established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// Segments of the handshake that had to be sent again: each cost a second or more.
    pub retransmissions: u32,
    /// The TLS handshake, where there was one.
    pub tls: Option<Handshake>,
}

/// Non-blocking stream sockets and a clock. Implementations: epoll; a simulated one for tests.
pub trait Driver {
    /// Now, in nanoseconds on the scale of every other time here.
    fn now_ns(&self) -> u64;

    /// How often the wall clock was stepped, as far as the driver can tell.
    fn clock_steps(&self) -> u64;

    /// Starts to connect; an event with `writable` or `closed` tells the outcome.
    fn connect(&mut self, token: u64, target: &RawAddress, source: Option<&RawAddress>) -> io::Result<i32>;

    /// The outcome of [`Driver::connect`].
    fn connected(&mut self, socket: i32) -> io::Result<Connected>;

    /// Writes what the kernel takes now; `WouldBlock` where it takes nothing.
    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize>;

    /// Reads what is there; `WouldBlock` where nothing is.
    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received>;

    /// Closes; `abort` resets the connection, so that it leaves no `TIME_WAIT` behind.
    fn close(&mut self, socket: i32, abort: bool);

    /// Waits and fills `events`, which is cleared first. Without a deadline it waits for an event.
    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()>;
}
