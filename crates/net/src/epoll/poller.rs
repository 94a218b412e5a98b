//! The system calls of epoll: what is watched, and what is seen of it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::clock::timespec;
use crate::driver::Event;
use crate::sys::{check, check_len};

/// Events taken in one look; more are reported at the next.
pub(super) const EVENTS_PER_LOOK: usize = 512;

/// An epoll instance.
pub struct Poller {
    epoll: OwnedFd,
    raw: Vec<libc::epoll_event>,
    /// Kernels before 5.11 lack `epoll_pwait2`; its millisecond forerunner is used there.
    has_pwait2: bool,
}

impl Poller {
    /// Opens an instance.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed; the descriptor returned is ours alone.
        let epoll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        let blank = libc::epoll_event { events: 0, u64: 0 };
        Ok(Self { epoll, raw: vec![blank; EVENTS_PER_LOOK], has_pwait2: true })
    }

    /// Registers a descriptor, once, for reading and (where `writable`) for writing.
    pub fn add(&self, fd: i32, token: u64, writable: bool) -> io::Result<()> {
        let mut interest = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;
        if writable {
            interest |= libc::EPOLLOUT;
        }
        let mut event = libc::epoll_event { events: interest as u32, u64: token };
        // SAFETY: `event` is valid for reading during the call.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })
            .map(|_| ())
    }

    /// Waits for at most `timeout_ns` (forever without) and fills `events`.
    pub fn wait(&mut self, events: &mut Vec<Event>, timeout_ns: Option<u64>) -> io::Result<()> {
        events.clear();
        let count = match self.wait_raw(timeout_ns) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        events.extend(self.raw[..count].iter().map(decode));
        Ok(())
    }

    fn wait_raw(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        if self.has_pwait2 {
            match self.pwait2(timeout_ns) {
                Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => self.has_pwait2 = false,
                other => return other,
            }
        }
        let timeout_ms = timeout_ns.map_or(-1, |ns| ns.div_ceil(1_000_000).min(i32::MAX as u64) as i32);
        // SAFETY: `raw` is valid for writing `raw.len()` events.
        let count = check(unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), self.raw.as_mut_ptr(), self.raw.len() as i32, timeout_ms)
        })?;
        Ok(count as usize)
    }

    fn pwait2(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        let timeout = timeout_ns.map(timespec);
        let timeout_ptr = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `raw` is valid for writing `raw.len()` events, the timeout is null or valid, the mask is null.
        // Called by number: a C library older than 2.35 lacks the wrapper.
        check_len(unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.raw.as_mut_ptr(),
                self.raw.len() as libc::c_int,
                timeout_ptr,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            ) as libc::ssize_t
        })
    }
}

fn decode(raw: &libc::epoll_event) -> Event {
    let bits = raw.events as i32;
    let closed = bits & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0;
    Event {
        token: raw.u64,
        readable: bits & libc::EPOLLIN != 0,
        writable: bits & libc::EPOLLOUT != 0,
        closed,
    }
}
