//! The two queues: what is asked of the kernel, and what has become of it.

use std::io;

use io_uring::{IoUring, cqueue, opcode, squeue};

/// Requests to the kernel that fit before they have to be handed over.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps more aside, at a price.
const COMPLETIONS: u32 = 16 * 1024;

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 8;

/// `struct io_uring_getevents_arg` of `<linux/io_uring.h>`.
#[repr(C)]
struct WaitArgument {
    signals: u64,
    signals_len: u32,
    min_wait_us: u32,
    timeout: u64,
}

/// How long to wait for completions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// Not at all.
    Now,
    /// For one, at most so many nanoseconds; for ever without.
    One(Option<u64>),
    /// So many nanoseconds, whatever completes meanwhile.
    Elapsed(u64),
}

pub(super) struct Ring {
    ring: IoUring,
}

impl Ring {
    /// Completions are worked on only when this thread looks at them (`DEFER_TASKRUN`, Linux 6.1): what arrives while
    /// it sleeps does not wake it.
    pub(super) fn new() -> io::Result<Self> {
        let mut ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_clamp()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .build(SUBMISSIONS)?;
        // Saves the kernel a look-up in each call; without it everything works as well.
        let _ = ring.submitter().register_ring_fd();
        let _ = ring.submission();
        Ok(Self { ring })
    }

    /// The first operation that this driver needs and the kernel lacks.
    pub(super) fn missing_operation(&self) -> io::Result<Option<&'static str>> {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe)?;
        let needed = [
            (opcode::PollAdd::CODE, "POLL_ADD"),
            (opcode::RecvMsgMulti::CODE, "RECVMSG"),
            (opcode::Send::CODE, "SEND"),
            (opcode::AsyncCancel2::CODE, "ASYNC_CANCEL"),
        ];
        Ok(needed.into_iter().find(|(code, _)| !probe.is_supported(*code)).map(|(_, name)| name))
    }

    pub(super) fn kernel(&self) -> &IoUring {
        &self.ring
    }

    /// Queues a request.
    ///
    /// # Safety
    /// What the request points at stays valid until it has completed.
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: the caller's promise.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.submit()?;
        }
        Ok(())
    }

    /// Hands over what is queued.
    #[inline]
    pub(super) fn submit(&mut self) -> io::Result<()> {
        let queued = self.ring.submission().len() as u32;
        if queued == 0 {
            return Ok(());
        }
        // SAFETY: no argument is passed.
        unsafe { self.ring.submitter().enter::<WaitArgument>(queued, 0, 0, None) }.map(|_| ())
    }

    /// Whether a turn that does not wait could bring anything.
    #[inline]
    pub(super) fn has_work(&mut self) -> bool {
        let submission = self.ring.submission();
        let has_work = !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
        drop(submission);
        has_work || !self.ring.completion().is_empty()
    }

    /// Hands over what is queued, lets the kernel complete what it can, and waits.
    pub(super) fn turn(&mut self, until: Until) -> io::Result<()> {
        let (least, timeout_ns) = match until {
            Until::Now => (0, None),
            Until::One(timeout_ns) => (1, timeout_ns),
            Until::Elapsed(timeout_ns) => (self.ring.params().cq_entries(), Some(timeout_ns)),
        };
        let timeout = timeout_ns.map(crate::clock::timespec);
        let argument = WaitArgument {
            signals: 0,
            signals_len: 0,
            min_wait_us: 0,
            timeout: timeout.as_ref().map_or(0, |timeout| std::ptr::from_ref(timeout) as u64),
        };
        let queued = self.ring.submission().len() as u32;
        let flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
        // SAFETY: `argument` and the time that it points at outlive the call.
        match unsafe { self.ring.submitter().enter(queued, least, flags, Some(&argument)) } {
            Err(error) if !is_harmless(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Moves what has completed to the end of `batch`.
    #[inline]
    pub(super) fn take(&mut self, batch: &mut Vec<cqueue::Entry>) {
        batch.extend(self.ring.completion());
    }
}

/// The time is over, a signal came, or completions wait to be taken.
fn is_harmless(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}
