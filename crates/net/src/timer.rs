//! Timers that are set before they are needed.
//!
//! Setting the timer that goes off next means writing to the processor's own, for which a virtual machine exits to its
//! host: half of what a sleep costs. A timer behind one that goes off earlier needs no such write: the kernel does it
//! when it handles the earlier one. So where moments follow each other evenly, the one after the next is set, too. And
//! a timer of its own, unlike a wait's time limit, is not taken back whenever the wait ends early.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::clock::{now_ns, sleep_until, timespec};
use crate::sys::{check, check_len};

/// Moments this close are the same: a lead drifts by less from sleep to sleep.
pub(crate) const NEAR_NS: u64 = 2_000;

/// Two alarms, for the next moment and the one after it.
#[derive(Debug)]
pub(crate) struct Alarms {
    pair: [Alarm; 2],
    last_ns: u64,
    gap_ns: u64,
    is_even: bool,
}

impl Alarms {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { pair: [Alarm::new()?, Alarm::new()?], last_ns: 0, gap_ns: 0, is_even: false })
    }

    /// The descriptors, which are readable once they have gone off.
    pub(crate) fn fds(&self) -> impl Iterator<Item = i32> {
        self.pair.iter().map(|alarm| alarm.fd.as_raw_fd())
    }

    /// Sees to it that an alarm goes off at `at_ns`, to within [`NEAR_NS`], and another where the one after is foreseen.
    pub(crate) fn set(&mut self, at_ns: u64) -> io::Result<()> {
        let next_ns = self.foresee(at_ns);
        self.arm(at_ns, next_ns).map(|_| ())
    }

    /// Sleeps until `at_ns`, to within [`NEAR_NS`]; returns until when, and nothing where that is past already. A signal may
    /// end it early.
    pub(crate) fn sleep_until(&mut self, at_ns: u64) -> Option<u64> {
        let next_ns = self.foresee(at_ns);
        if at_ns <= now_ns() {
            return None;
        }
        // Where nothing is foreseen an alarm would be one system call more.
        let is_worth_it = next_ns.is_some() || self.pair.iter().any(|alarm| alarm.is_set_for(at_ns));
        if is_worth_it && let Ok(slept_until_ns) = self.arm(at_ns, next_ns).and_then(Alarm::wait) {
            return Some(slept_until_ns);
        }
        sleep_until(at_ns)
    }

    /// The moment after this one, if it is as far from this as this is from the last, which was so, too.
    fn foresee(&mut self, at_ns: u64) -> Option<u64> {
        if at_ns.abs_diff(self.last_ns) > NEAR_NS {
            let gap_ns = at_ns.saturating_sub(self.last_ns);
            self.is_even = gap_ns.abs_diff(self.gap_ns) <= NEAR_NS;
            (self.last_ns, self.gap_ns) = (at_ns, gap_ns);
        }
        self.is_even.then(|| at_ns + self.gap_ns)
    }

    fn arm(&mut self, at_ns: u64, next_ns: Option<u64>) -> io::Result<&mut Alarm> {
        let [one, other] = &mut self.pair;
        let (alarm, other) = if other.is_set_for(at_ns) { (other, one) } else { (one, other) };
        alarm.ensure(at_ns)?;
        if let Some(next_ns) = next_ns {
            other.ensure(next_ns)?;
        }
        Ok(alarm)
    }
}

/// A one-shot timer, and the moment that it was last set for.
#[derive(Debug)]
struct Alarm {
    fd: OwnedFd,
    at_ns: u64,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC;
        // SAFETY: no pointers are passed; the descriptor returned is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags))?) };
        Ok(Self { fd, at_ns: 0 })
    }

    /// Whether it will go off at about that moment, which an alarm that may have gone off already will not.
    fn is_set_for(&self, at_ns: u64) -> bool {
        self.at_ns.abs_diff(at_ns) <= NEAR_NS && self.at_ns > now_ns()
    }

    fn ensure(&mut self, at_ns: u64) -> io::Result<()> {
        if self.is_set_for(at_ns) {
            return Ok(());
        }
        let once = libc::itimerspec { it_interval: timespec(0), it_value: timespec(at_ns) };
        let fd = self.fd.as_raw_fd();
        // SAFETY: `once` is valid for reading, and the old setting is not asked for.
        check(unsafe {
            libc::timerfd_settime(fd, libc::TFD_TIMER_ABSTIME, &raw const once, std::ptr::null_mut())
        })?;
        self.at_ns = at_ns;
        Ok(())
    }

    /// Waits for it to go off, and returns for when it was set.
    fn wait(&mut self) -> io::Result<u64> {
        let mut times = 0_u64;
        // SAFETY: the pointer and length describe `times`.
        let read =
            check_len(unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut times).cast(), size_of::<u64>()) });
        match read {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(self.at_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP_NS: u64 = 2_000_000;

    /// Sleeps through even gaps, each of which begins anew where this machine was too busy to keep the last.
    fn slept_evenly(alarms: &mut Alarms, times: u64) -> u64 {
        let mut at_ns = now_ns();
        let mut even = 0;
        for _ in 0..1_000 {
            at_ns += GAP_NS;
            even = if alarms.sleep_until(at_ns).is_some() { even + 1 } else { 0 };
            if even == times {
                return at_ns;
            }
        }
        panic!("never {times} sleeps in a row");
    }

    #[test]
    fn no_sleep_ends_before_its_time() {
        let mut alarms = Alarms::new().expect("timers");
        let mut at_ns = now_ns();
        for number in 0..200_u64 {
            at_ns += if number < 100 { 300_000 } else { 100_000 + number * 7_919 % 400_000 };
            if let Some(until_ns) = alarms.sleep_until(at_ns) {
                assert!(until_ns.abs_diff(at_ns) <= NEAR_NS, "asked {at_ns}, slept until {until_ns}");
            }
            assert!(now_ns() + NEAR_NS >= at_ns);
        }
    }

    #[test]
    fn after_even_sleeps_the_next_alarm_is_set_already() {
        let mut alarms = Alarms::new().expect("timers");
        let last_ns = slept_evenly(&mut alarms, 3);
        let next = alarms.pair.iter().find(|alarm| alarm.at_ns.abs_diff(last_ns + GAP_NS) <= NEAR_NS);
        assert!(next.is_some(), "{alarms:?} after {last_ns}");
    }

    #[test]
    fn a_moment_that_is_past_is_not_slept_for() {
        let mut alarms = Alarms::new().expect("timers");
        assert_eq!(alarms.sleep_until(now_ns() - 1), None);
    }

    /// Nobody waits for an alarm that has gone off and been reported already.
    #[test]
    fn a_moment_is_set_anew_once_its_alarm_has_gone_off() {
        let mut alarms = Alarms::new().expect("timers");
        let at_ns = slept_evenly(&mut alarms, 3);
        while now_ns() < at_ns + GAP_NS + NEAR_NS {
            std::hint::spin_loop();
        }
        assert!(alarms.pair.iter().all(|alarm| !alarm.is_set_for(at_ns + GAP_NS)));
        let again_ns = now_ns() + GAP_NS;
        alarms.set(again_ns).expect("an alarm");
        assert!(alarms.pair.iter().any(|alarm| alarm.at_ns == again_ns));
    }
}
