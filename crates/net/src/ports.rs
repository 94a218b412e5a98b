//! Local ports that stay cheap to find.
//!
//! Left alone, connect() searches the ephemeral range linearly: past half of it, per source and destination, the rate
//! collapses to hundreds a second. A socket that narrows its own range (`IP_LOCAL_PORT_RANGE`, Linux 6.3) bounds the
//! search, so the rate stays flat until every port is taken. The kernel still does the choosing, and so never takes a
//! port that something listens on. See Cloudflare, "connect() - why are you so slow?", 2024.

use std::io;

use crate::sys::set_option;

/// `<linux/in.h>`, Linux 6.3.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
/// Ports in a window: the longest search of one connect().
const WINDOW: u16 = 16;
/// Windows that are tried before the pair of addresses is taken for exhausted: a whole turn through the widest range.
const ATTEMPTS: usize = (u16::MAX / WINDOW) as usize;

/// Gives each socket the next window of the ephemeral range.
#[derive(Clone, Debug)]
pub(crate) struct PortWindows {
    low: u16,
    windows: u16,
    next: u16,
}

impl PortWindows {
    /// The windows of this machine's range, or `None` where the kernel has no such option.
    pub(crate) fn of_this_machine() -> Option<Self> {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let mut limits = range.split_whitespace().map(str::parse::<u16>);
        let (low, high) = (limits.next()?.ok()?, limits.next()?.ok()?);
        let windows = high.checked_sub(low)? / WINDOW;
        let works = windows > 0 && probe(low, high);
        // Workers begin at different places, so that they seldom search the same window.
        works.then(|| Self { low, windows, next: (std::process::id() as u16).wrapping_mul(97) % windows })
    }

    /// One window, wherever it is.
    #[cfg(test)]
    pub(crate) fn beginning_at(low: u16) -> Self {
        Self { low, windows: 1, next: 0 }
    }

    /// Narrows a socket to the next window.
    pub(crate) fn narrow(&mut self, fd: libc::c_int) -> io::Result<()> {
        let first = self.low + self.next * WINDOW;
        self.next = (self.next + 1) % self.windows;
        set_range(fd, first, first + (WINDOW - 1))
    }

    /// How many windows may be tried for one connection.
    pub(crate) fn attempts(&self) -> usize {
        ATTEMPTS.min(usize::from(self.windows))
    }
}

fn set_range(fd: libc::c_int, first: u16, last: u16) -> io::Result<()> {
    let range = u32::from(last) << 16 | u32::from(first);
    set_option(fd, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, range as libc::c_int)
}

fn probe(low: u16, high: u16) -> bool {
    std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))
        .is_ok_and(|socket| set_range(std::os::fd::AsRawFd::as_raw_fd(&socket), low, high).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stay_inside_the_range_and_come_round() {
        let Some(mut ports) = PortWindows::of_this_machine() else { return };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let first = ports.next;
        for _ in 0..ports.windows {
            assert!(u32::from(ports.low) + u32::from(ports.next) * 16 + 15 <= 65_535);
            ports.narrow(std::os::fd::AsRawFd::as_raw_fd(&socket)).expect("the option works here");
        }
        assert_eq!(ports.next, first);
    }
}
