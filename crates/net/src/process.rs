//! What a process of ours asks of the kernel about itself.

use std::io;

use crate::clock;
use crate::sys::check;

/// CPU time used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel on behalf of this process.
    pub system_ns: u64,
}

/// The CPU time of this process.
pub fn cpu_time() -> CpuTime {
    // SAFETY: all zeroes is a valid rusage, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    CpuTime { user_ns: ns(usage.ru_utime), system_ns: ns(usage.ru_stime) }
}

/// Raises the soft descriptor limit to the hard one, and returns it.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writing and then for reading.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }
    Ok(limit.rlim_cur)
}

/// The CPU time of this thread so far, to the nanosecond.
pub fn thread_cpu_ns() -> u64 {
    clock::read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// For how long the CPU quota of this control group has held its processes back; 0 where there is none, or no word of it.
///
/// A container sees its own group there, a process outside one the root's, which has no quota.
pub fn throttled_ns() -> u64 {
    let said = |file, field, unit_ns| {
        let text = std::fs::read_to_string(file).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(field))?;
        value.trim().parse::<u64>().ok().map(|value| value * unit_ns)
    };
    // Version 2 (cgroup-v2.rst), then version 1 (sched-bwc.rst).
    said("/sys/fs/cgroup/cpu.stat", "throttled_usec ", 1_000)
        .or_else(|| said("/sys/fs/cgroup/cpu/cpu.stat", "throttled_time ", 1))
        .unwrap_or(0)
}

/// This process's part of the memory that it uses (PSS, proc_pid_smaps(5)); 0 where the kernel does not say.
pub fn pss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0_u64) * 1_024
}

/// What tells this boot of this machine from every other; "" where the kernel does not say.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Asks the kernel to wake this thread's sleeps on time: the default allows it 50 us more.
pub fn precise_timers() {
    // SAFETY: no pointers are passed; a failure leaves the default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

/// Asks the kernel to let this thread run as soon as it wakes, whatever else wants the processor. Returns whether it
/// will: that takes a privilege (CAP_SYS_NICE).
///
/// A kernel that preempts only at its ticks lets a thread that wakes wait for up to 4 ms behind a busy one. A generator
/// sleeps most of the time, so it takes little from anyone by going first, and what it measures is no longer its own wait.
pub fn run_first() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is valid for reading during the call.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const priority) == 0
    }
}

/// Takes turns with everybody again.
pub fn run_shared() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is valid for reading during the call. It cannot be refused.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, &raw const priority)
    };
}

/// Asks the kernel to kill this process when the thread that started it ends. The pipe from the parent closing is the
/// other sign; this one works even while the process is stopped.
///
/// The first process of a container is left alone: a thread of the runtime started it, whose end means nothing.
pub fn die_with_parent() {
    // SAFETY: no pointers are passed. The parent of the first process of a pid namespace is outside, and shows as 0.
    if unsafe { libc::getppid() } == 0 {
        return;
    }
    // SAFETY: no pointers are passed.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

/// Sets whether reading and writing a descriptor waits.
pub fn set_blocking(fd: i32, waits: bool) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    unsafe {
        let flags = check(libc::fcntl(fd, libc::F_GETFL))? & !libc::O_NONBLOCK;
        let flags = if waits { flags } else { flags | libc::O_NONBLOCK };
        check(libc::fcntl(fd, libc::F_SETFL, flags)).map(|_| ())
    }
}
