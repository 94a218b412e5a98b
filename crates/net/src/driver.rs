//! The seam between the load engine and whatever moves its bytes.

use std::io;

use crate::address::RawAddress;

/// What is known of a connection's descriptor since the last look. Edge-triggered: each is reported once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The number that the connection was registered with. The second greatest is for the driver alone.
    pub token: u64,
    /// Bytes, or the end of the stream, may be read.
    pub readable: bool,
    /// The connection is established, or more bytes may be written.
    pub writable: bool,
    /// The peer has closed its side, or the connection is broken.
    pub closed: bool,
}

/// Where a connection goes, and from where if not from any address.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The server.
    pub target: &'a RawAddress,
    /// One of this machine's addresses.
    pub source: Option<&'a RawAddress>,
}

impl<'a> Route<'a> {
    /// The route of the nth connection: as many go from every source to every target, so that none of the pairs runs
    /// out of ports before the others.
    pub fn nth(number: usize, targets: &'a [RawAddress], sources: &'a [RawAddress]) -> Self {
        let target = &targets[number % targets.len()];
        Self { target, source: sources.get(number / targets.len() % sources.len().max(1)) }
    }
}

/// When to come back from a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At the deadline or as soon as something happens.
    OnEvent,
    /// At the deadline only: what happens meanwhile is gathered. One wake-up serves many answers. A driver that has to
    /// send on what it has taken looks earlier all the same, and may come back before the deadline.
    AtDeadline,
}

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Requests: nothing that is sent waits for more, and what arrives has its time reported.
    Requests,
    /// To be there: nothing on it is hurried or timed, so the system calls for that are left out.
    Idleness,
}

/// Sooner than this no segment is sent again: Linux's `TCP_RTO_MIN`; the first SYN's time-out is a second.
const SOONEST_RETRANSMISSION_NS: u64 = 200_000_000;

/// How a connection attempt ended, as far as its event shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well, and sooner than any segment is sent again: there is nothing to ask the kernel.
    Soon,
    /// It is for the kernel to say.
    Somehow,
}

impl Ended {
    /// Of an attempt that took this long until the event.
    #[inline]
    pub fn of(event: &Event, took_ns: u64) -> Self {
        let is_soon = event.writable && !event.closed && took_ns < SOONEST_RETRANSMISSION_NS;
        if is_soon { Self::Soon } else { Self::Somehow }
    }
}

/// Bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many; 0 is the end of the stream.
    pub len: usize,
    /// When the last of them arrived (`CLOCK_MONOTONIC`): the kernel's word, or the time of reading.
    pub at_ns: u64,
}

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The name that plans and results show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// A handshake that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// From the end of connect() to the end of the handshake.
    pub took_ns: u64,
    /// What was agreed upon.
    pub version: TlsVersion,
    /// Whether an earlier session was resumed instead of a full handshake.
    pub is_resumed: bool,
}

/// What is known of a connection once it is established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// Segments of the handshake that had to be sent again: each cost a second or more.
    pub retransmissions: u32,
    /// The TLS handshake, where there was one.
    pub tls: Option<Handshake>,
}

/// Non-blocking stream sockets and a clock. Implementations: epoll, io_uring, TLS over either, and a simulated one for
/// tests.
pub trait Driver {
    /// Now, in nanoseconds on the scale of every other time here.
    fn now_ns(&self) -> u64;

    /// How often the wall clock was stepped, as far as the driver knows.
    fn clock_steps(&self) -> u64;

    /// Whether [`Received::at_ns`] is the kernel's word, as far as the last look went.
    fn stamps_arrivals(&self) -> bool {
        false
    }

    /// Starts to connect; an event with `writable` or `closed` shows the outcome.
    fn connect(&mut self, token: u64, route: Route<'_>, purpose: Use) -> io::Result<i32>;

    /// What has become of an attempt, where the waits so far may not have said so: none is given up whose end is there.
    /// Nothing where every wait says all.
    fn look(&mut self, _socket: i32) -> Event {
        Event::default()
    }

    /// The outcome of [`Driver::connect`].
    fn connected(&mut self, socket: i32, ended: Ended) -> io::Result<Connected>;

    /// Segments of a connection that had to be sent again, also where it was never established.
    fn retransmissions(&mut self, socket: i32) -> u32;

    /// Writes what the kernel takes now; `WouldBlock` where it takes nothing.
    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize>;

    /// How many of the bytes that [`Driver::send`] took its socket has not taken, as far as is known now: a driver may
    /// keep some until it does.
    #[inline]
    fn unsent(&self, _socket: i32) -> usize {
        0
    }

    /// Reads what is there; `WouldBlock` where nothing is.
    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received>;

    /// Closes; `abort` resets the connection, so that it leaves no `TIME_WAIT` behind. Returns how many of the bytes that
    /// [`Driver::send`] took its socket never has.
    fn close(&mut self, socket: i32, abort: bool) -> usize;

    /// Waits and fills `events`, which is cleared first. Without a deadline it waits for an event.
    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn only_a_swift_and_clean_connect_has_nothing_to_report() {
        let clean = Event { writable: true, ..Event::default() };
        assert_eq!(Ended::of(&clean, SOONEST_RETRANSMISSION_NS - 1), Ended::Soon);
        assert_eq!(Ended::of(&clean, SOONEST_RETRANSMISSION_NS), Ended::Somehow);
        assert_eq!(Ended::of(&Event { closed: true, ..clean }, 0), Ended::Somehow);
        assert_eq!(Ended::of(&Event { readable: true, ..Event::default() }, 0), Ended::Somehow);
    }

    #[test]
    fn every_source_is_used_towards_every_target_alike() {
        let addresses = |count: u8| -> Vec<RawAddress> {
            (1..=count).map(|last| RawAddress::any_port(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))).collect()
        };
        for (targets, sources) in [(1, 4), (2, 2), (2, 4), (3, 2), (4, 6)] {
            let (targets, sources) = (addresses(targets), addresses(sources));
            let pairs = targets.len() * sources.len();
            let mut uses: HashMap<(*const RawAddress, *const RawAddress), u32> = HashMap::new();
            for number in 0..10 * pairs {
                let route = Route::nth(number, &targets, &sources);
                *uses.entry((route.target, route.source.expect("a source"))).or_default() += 1;
            }
            assert_eq!((uses.len(), uses.values().min(), uses.values().max()), (pairs, Some(&10), Some(&10)));
        }
        assert!(Route::nth(7, &addresses(2), &[]).source.is_none());
    }
}
