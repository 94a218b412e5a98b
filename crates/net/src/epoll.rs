//! The reference driver: edge-triggered epoll, each descriptor registered once and never re-armed.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

pub use self::poller::Poller;
use crate::clock::{Realtime, now_ns, sleep_until};
use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};
use crate::lead::{Lead, wait_out};
use crate::ports::PortWindows;
use crate::socket;
use crate::timer::Alarms;

mod poller;

/// How many bytes are sent, so far apart, to see whether the kernel stamps them.
const STAMP_ATTEMPTS: u32 = 100;
const STAMP_ATTEMPT_GAP: Duration = Duration::from_micros(200);

/// The token of the alarms that end waits: no connection's, and not that of a pipe.
const ALARM: u64 = u64::MAX - 1;
/// A deadline that is further away than this is too seldom met for an alarm to be worth setting.
const NEAR_DEADLINE_NS: u64 = 5_000_000;

/// epoll behind the [`Driver`] trait.
pub struct EpollDriver {
    poller: Poller,
    realtime: Realtime,
    ports: Option<PortWindows>,
    lead: Lead,
    /// For sleeps, and for waits. None where the kernel gave none.
    sleeps: Option<Alarms>,
    waits: Option<Alarms>,
    stamp_arrivals: bool,
    /// The wall clock was stepped during the last sleep: stamps of this look cannot be mapped.
    stamps_unusable: bool,
}

impl EpollDriver {
    /// `stamp_arrivals`: ask the kernel when bytes arrived instead of looking at the clock when reading them.
    pub fn new(stamp_arrivals: bool) -> io::Result<Self> {
        let poller = Poller::new()?;
        let is_watched = |alarms: &Alarms| alarms.fds().all(|fd| poller.add(fd, ALARM, false).is_ok());
        let waits = Alarms::new().ok().filter(is_watched);
        Ok(Self {
            poller,
            realtime: Realtime::default(),
            ports: PortWindows::of_this_machine(),
            lead: Lead::default(),
            sleeps: Alarms::new().ok(),
            waits,
            stamp_arrivals,
            stamps_unusable: false,
        })
    }

    /// Registers a descriptor that is not a connection, such as the pipe from the parent.
    pub fn watch(&self, fd: i32, token: u64) -> io::Result<()> {
        self.poller.add(fd, token, false)
    }
}

/// Whether the kernel stamps what arrives: tried with one byte over loopback, because a socket option may be accepted
/// and do nothing.
pub fn arrival_stamps_work() -> bool {
    let attempt = || -> io::Result<bool> {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let mut sender = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (receiver, _) = listener.accept()?;
        socket::stamp_arrivals(receiver.as_raw_fd())?;
        // The kernel turns its stamping on a moment after the first socket asks for it.
        for _ in 0..STAMP_ATTEMPTS {
            std::io::Write::write_all(&mut sender, b"?")?;
            // A byte that is not there yet is stamped or not at the next attempt.
            if let Ok((_, Some(_))) = socket::receive_stamped(receiver.as_raw_fd(), &mut [0; 8]) {
                return Ok(true);
            }
            std::thread::sleep(STAMP_ATTEMPT_GAP);
        }
        Ok(false)
    };
    attempt().unwrap_or(false)
}

impl EpollDriver {
    /// Only a step of the grid is met to the microsecond: a ramp has thousands of deadlines in which nobody is to spin.
    fn wait_until(&mut self, events: &mut Vec<Event>, deadline_ns: u64, wake: Wake) -> io::Result<()> {
        if wake == Wake::OnEvent {
            return self.wait_for_events(events, deadline_ns);
        }
        let timer_ns = self.lead.before(deadline_ns);
        let slept_until_ns = match &mut self.sleeps {
            Some(alarms) => alarms.sleep_until(timer_ns),
            None => sleep_until(timer_ns),
        };
        if let Some(slept_until_ns) = slept_until_ns {
            self.lead.woken(slept_until_ns);
        }
        wait_out(deadline_ns);
        self.poller.wait(events, Some(0))
    }

    fn wait_for_events(&mut self, events: &mut Vec<Event>, deadline_ns: u64) -> io::Result<()> {
        let left_ns = deadline_ns.saturating_sub(now_ns());
        let Some(alarms) = &mut self.waits else { return self.poller.wait(events, Some(left_ns)) };
        let is_near = left_ns > 0 && left_ns < NEAR_DEADLINE_NS;
        let has_alarm = is_near && alarms.set(deadline_ns).is_ok();
        self.poller.wait(events, if has_alarm { None } else { Some(left_ns) })
    }
}

impl Driver for EpollDriver {
    #[inline]
    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn clock_steps(&self) -> u64 {
        self.realtime.steps()
    }

    fn stamps_arrivals(&self) -> bool {
        self.stamp_arrivals && !self.stamps_unusable
    }

    fn connect(&mut self, token: u64, route: Route<'_>, purpose: Use) -> io::Result<i32> {
        let fd = socket::connect(route, self.ports.as_mut())?;
        let fitted = socket::fit(fd, purpose, self.stamp_arrivals);
        fitted.and_then(|()| self.poller.add(fd, token, true)).inspect_err(|_| socket::shut(fd, true))?;
        Ok(fd)
    }

    /// A wait takes [`poller::EVENTS_PER_LOOK`] events, and more may be there.
    fn look(&mut self, socket: i32) -> Event {
        socket::look(socket)
    }

    fn connected(&mut self, socket: i32, ended: Ended) -> io::Result<Connected> {
        Ok(Connected { retransmissions: socket::take_outcome(socket, ended)?, tls: None })
    }

    fn retransmissions(&mut self, socket: i32) -> u32 {
        socket::retransmissions(socket)
    }

    #[inline]
    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        socket::send(socket, bytes)
    }

    #[inline]
    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        if !self.stamp_arrivals {
            let len = socket::receive(socket, buffer)?;
            return Ok(Received { len, at_ns: now_ns() });
        }
        let (len, stamp) = socket::receive_stamped(socket, buffer)?;
        let at_ns = match stamp {
            Some(stamp) if !self.stamps_unusable => self.realtime.to_monotonic(stamp),
            _ => now_ns(),
        };
        Ok(Received { len, at_ns })
    }

    fn close(&mut self, socket: i32, abort: bool) -> usize {
        socket::shut(socket, abort);
        0
    }

    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()> {
        match deadline_ns {
            Some(deadline_ns) => self.wait_until(events, deadline_ns, wake)?,
            None => self.poller.wait(events, None)?,
        }
        // An alarm may go off at any later wait.
        events.retain(|event| event.token != ALARM);
        if self.stamp_arrivals {
            self.stamps_unusable = self.realtime.refresh();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;
    use crate::address::RawAddress;
    use crate::timer::NEAR_NS;

    /// A driver that lets the kernel stamp, one of its connections, and the other end of that.
    fn connected() -> (EpollDriver, i32, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let target = RawAddress::new(listener.local_addr().expect("its address"));
        let mut driver = EpollDriver::new(true).expect("a driver");
        let socket =
            driver.connect(1, Route { target: &target, source: None }, Use::Requests).expect("a connection");
        let (peer, _) = listener.accept().expect("its other end");
        peer.set_nodelay(true).expect("an option");
        let mut seen = (driver, socket, peer);
        // The kernel turns its stamping on a moment after the first socket asks for it.
        for _ in 0..STAMP_ATTEMPTS {
            exchange(&mut seen, |_| {});
            std::thread::sleep(STAMP_ATTEMPT_GAP);
        }
        seen
    }

    /// Sends a byte; returns when it was sent, when it is said to have arrived, and when it had been read.
    fn exchange(seen: &mut (EpollDriver, i32, TcpStream), meanwhile: impl FnOnce(&mut Realtime)) -> [u64; 3] {
        let (driver, socket, peer) = seen;
        let sent_ns = now_ns();
        peer.write_all(b"?").expect("a byte is sent");
        meanwhile(&mut driver.realtime);
        let mut events = Vec::new();
        driver.wait(&mut events, Some(now_ns() + 1_000_000_000), Wake::OnEvent).expect("a look");
        loop {
            match driver.receive(*socket, &mut [0; 8]) {
                Ok(received) => return [sent_ns, received.at_ns, now_ns()],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Even deadlines, for which alarms are set ahead, and others, for which they are not, or are in vain.
    #[test]
    fn a_wait_ends_at_its_deadline_and_reports_no_alarm() {
        let mut driver = EpollDriver::new(false).expect("a driver");
        let mut events = Vec::new();
        let mut deadline_ns = now_ns();
        for number in 0..200_u64 {
            deadline_ns += if number < 100 { 200_000 } else { 50_000 + number * 7_919 % 400_000 };
            let wake = if number % 10 < 5 { Wake::OnEvent } else { Wake::AtDeadline };
            while now_ns() + NEAR_NS < deadline_ns {
                driver.wait(&mut events, Some(deadline_ns), wake).expect("a wait");
                assert!(events.is_empty(), "{events:?}");
            }
        }
        assert!(now_ns() < deadline_ns + 5_000_000_000, "a wait missed its deadline");
    }

    #[test]
    fn an_event_ends_a_wait_before_its_alarm() {
        let (mut driver, socket, mut peer) = connected();
        let mut events = Vec::new();
        for _ in 0..50 {
            let deadline_ns = now_ns() + NEAR_DEADLINE_NS / 2;
            peer.write_all(b"?").expect("a byte is sent");
            driver.wait(&mut events, Some(deadline_ns), Wake::OnEvent).expect("a wait");
            assert!(events.iter().any(|event| event.token == 1 && event.readable), "{events:?}");
            driver.receive(socket, &mut [0; 8]).expect("the byte");
        }
    }

    #[test]
    fn the_kernels_clock_and_the_programs_agree() {
        let mut seen = connected();
        let mut behind: Vec<i64> = Vec::new();
        for _ in 0..5_000 {
            let [sent_ns, at_ns, read_ns] = exchange(&mut seen, |_| {});
            behind.push(read_ns as i64 - at_ns as i64);
            // A stamp lies between the sending and the reading; a microsecond is what mapping one clock to another takes.
            assert!(at_ns + 1_000 >= sent_ns, "arrived {} ns before it was sent", sent_ns - at_ns);
            assert!(at_ns <= read_ns + 1_000, "read {} ns before it arrived", at_ns - read_ns);
        }
        behind.sort_unstable();
        let median_ns = behind[behind.len() / 2];
        assert!((0..50_000).contains(&median_ns), "the median is {median_ns} ns");
    }

    /// Setting the clock of a machine that others use would be harm, so the driver is made to remember an older offset:
    /// to it this is the same as a wall clock that somebody set between two looks.
    #[test]
    fn a_step_of_the_wall_clock_moves_no_arrival() {
        let mut seen = connected();
        for (steps, ahead_ns) in [(1, 5_000_000_000), (2, -5_000_000_000), (3, 2_000_000)] {
            let stepped = exchange(&mut seen, |clock| clock.pretend_step(ahead_ns));
            assert_eq!(seen.0.clock_steps(), steps);
            for [sent_ns, at_ns, read_ns] in [stepped, exchange(&mut seen, |_| {})] {
                assert!((sent_ns - 1_000..=read_ns + 1_000).contains(&at_ns), "{ahead_ns} ns ahead");
            }
        }
    }
}
