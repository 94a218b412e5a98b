//! A driver over io_uring: a tick's sends leave with one system call, and what arrives is put into buffers by the
//! kernel without being asked for each time.
//!
//! How it differs from epoll for its user: a send is queued and leaves at the next wait, or when [`SENDS_AT_ONCE`] are
//! queued; its failure is reported later, as a closed connection.

mod buffers;
mod completions;
mod probe;
mod reading;
mod requests;
mod ring;
mod table;

use std::collections::HashMap;
use std::io;

use io_uring::{cqueue, types};

pub use self::probe::Refusal;

use self::buffers::{Arrivals, Sends};
use self::reading::Spilled;
use self::ring::{Ring, Until};
use self::table::{End, Slot, Stage};
use crate::clock::{Realtime, now_ns};
use crate::driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};
use crate::lead::{Lead, wait_out};
use crate::ports::PortWindows;
use crate::{process, socket};

/// Sends that leave together. Each takes a few microseconds and is counted from when it was queued, so more would
/// lengthen the service times of the last ones, and a system call is spared by few already.
pub const SENDS_AT_ONCE: u32 = 4;

/// Before what arrived, the kernel writes `struct io_uring_recvmsg_out` and the control data.
const HEAD_BYTES: usize = 16;
/// Room for one stamp: `CMSG_SPACE(sizeof(struct timespec))`.
const CONTROL_BYTES: usize = 32;

/// io_uring behind the [`Driver`] trait.
pub struct UringDriver {
    ring: Ring,
    arrivals: Arrivals,
    sends: Sends,
    /// By descriptor.
    slots: Vec<Slot>,
    /// Descriptors that are not connections.
    watched: Vec<(i32, u64)>,
    spilled: HashMap<i32, Spilled>,
    /// Connections whose arrivals were reported in the last look.
    fresh: Vec<i32>,
    /// Connections that found no buffer.
    starved: Vec<(i32, u32)>,
    /// Requests of closed connections that have not come to their end.
    dying: Vec<u64>,
    batch: Vec<cqueue::Entry>,
    /// Something was set up anew for which bytes may be there already.
    must_look: bool,
    /// The form of a receive; the kernel copies it when a receive is handed over.
    message: Box<libc::msghdr>,
    queued_sends: u32,
    realtime: Realtime,
    ports: Option<PortWindows>,
    lead: Lead,
    stamp_arrivals: bool,
    stamps_unusable: bool,
}

impl UringDriver {
    /// `stamp_arrivals`: ask the kernel when bytes arrived. Fails where this kernel, or what confines this process,
    /// does not let every operation work that is needed; that is tried with a connection over loopback.
    pub fn new(stamp_arrivals: bool) -> Result<Self, Refusal> {
        probe::exchange(&mut Self::unproven(false)?)?;
        Self::unproven(stamp_arrivals)
    }

    fn unproven(stamp_arrivals: bool) -> Result<Self, Refusal> {
        let ring = Ring::new().map_err(|error| Refusal::of_setup(&error))?;
        if let Some(name) = ring.missing_operation().map_err(|error| Refusal::of_setup(&error))? {
            return Err(Refusal::of_operation(name));
        }
        let arrivals = Arrivals::register(ring.kernel()).map_err(|error| Refusal::of_setup(&error))?;
        // SAFETY: all zeroes is a valid msghdr.
        let mut message: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        message.msg_controllen = if stamp_arrivals { CONTROL_BYTES } else { 0 } as _;
        Ok(Self {
            ring,
            arrivals,
            sends: Sends::default(),
            slots: Vec::new(),
            watched: Vec::new(),
            spilled: HashMap::new(),
            fresh: Vec::new(),
            starved: Vec::new(),
            dying: Vec::new(),
            batch: Vec::new(),
            must_look: false,
            message,
            queued_sends: 0,
            realtime: Realtime::default(),
            ports: PortWindows::of_this_machine(),
            lead: Lead::default(),
            stamp_arrivals,
            stamps_unusable: false,
        })
    }

    /// Registers a descriptor that is not a connection, such as the pipe from the parent.
    pub fn watch(&mut self, fd: i32, token: u64) -> io::Result<()> {
        self.watched.push((fd, token));
        self.poll_watched(self.watched.len() - 1)
    }

    /// Hands over what is queued and lets completions gather until a step of the grid is due.
    fn sleep_until(&mut self, deadline_ns: u64) -> io::Result<()> {
        let timer_ns = self.lead.before(deadline_ns);
        let left_ns = timer_ns.saturating_sub(now_ns());
        if left_ns == 0 {
            self.ring.turn(Until::Now)?;
        } else {
            self.ring.turn(Until::Elapsed(left_ns))?;
            self.lead.woken(timer_ns);
        }
        wait_out(deadline_ns);
        Ok(())
    }

    /// Whether to let completions gather: nothing is to be seen yet, and the kernel needs no turn of this thread to go on
    /// with a send. A sleep would hold both up.
    fn may_sleep(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        let must_look =
            std::mem::take(&mut self.must_look) || !self.starved.is_empty() || !self.batch.is_empty();
        if must_look || self.sends.has_long() {
            self.ring.turn(Until::Now)?;
            self.reap(events)?;
        }
        Ok(events.is_empty() && !self.sends.has_long() && !self.must_look && self.starved.is_empty())
    }

    /// The open connection that a label is of.
    #[inline]
    fn current(&mut self, fd: u32, generation: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(fd as usize)?;
        (slot.generation == generation && slot.stage != Stage::Closed).then_some(slot)
    }

    #[inline]
    fn monotonic(&self, stamp: Option<u64>) -> u64 {
        match stamp {
            Some(stamp) if !self.stamps_unusable => self.realtime.to_monotonic(stamp),
            _ => now_ns(),
        }
    }
}

impl Driver for UringDriver {
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
        let index = fd as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::BLANK);
        }
        let generation = self.slots[index].generation;
        self.slots[index] = Slot { token, generation, stage: Stage::Connecting, ..Slot::BLANK };
        let mut prepare = || {
            socket::fit(fd, purpose, self.stamp_arrivals)?;
            // The kernel would not wait for the bytes of a socket that says that nobody is to wait.
            process::set_blocking(fd, true)?;
            self.arm_connect(fd)
        };
        prepare().inspect_err(|_| {
            self.close(fd, true);
        })?;
        Ok(fd)
    }

    fn connected(&mut self, socket: i32, ended: Ended) -> io::Result<Connected> {
        let retransmissions = socket::take_outcome(socket, ended)?;
        // Not before: why an attempt failed is reported once, and a receive would take it.
        let slot = &self.slots[socket as usize];
        if slot.stage == Stage::Receiving && !slot.is_armed && slot.end == End::None {
            self.arm_receive(socket)?;
        }
        Ok(Connected { retransmissions, tls: None })
    }

    fn retransmissions(&mut self, socket: i32) -> u32 {
        socket::retransmissions(socket)
    }

    /// Queues what fits. One send of a connection is under way at a time, which keeps their order.
    #[inline]
    fn send(&mut self, socket: i32, bytes: &[u8]) -> io::Result<usize> {
        let slot = &mut self.slots[socket as usize];
        if slot.is_sending {
            slot.is_blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let End::Broken(code) = slot.end {
            return Err(io::Error::from_raw_os_error(code));
        }
        let (number, len) = self.sends.keep(socket, slot.generation, bytes);
        (slot.is_sending, slot.is_blocked, slot.unsent) = (true, len < bytes.len(), len as u32);
        self.push_send(number)?;
        self.queued_sends += 1;
        if self.queued_sends >= SENDS_AT_ONCE {
            self.queued_sends = 0;
            self.ring.submit()?;
        }
        Ok(len)
    }

    #[inline]
    fn receive(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        self.read(socket, buffer)
    }

    #[inline]
    fn unsent(&self, socket: i32) -> usize {
        self.slots[socket as usize].unsent as usize
    }

    fn close(&mut self, socket: i32, abort: bool) -> usize {
        let Slot { generation, unsent, .. } = self.slots[socket as usize];
        // If calling off fails, the socket ends with its last request, at the latest with this process.
        let _ = self.let_go(socket);
        socket::shut(socket, abort);
        if unsent > 0 { unsent as usize - self.sent_lately(socket, generation) } else { 0 }
    }

    fn wait(&mut self, events: &mut Vec<Event>, deadline_ns: Option<u64>, wake: Wake) -> io::Result<()> {
        events.clear();
        self.settle()?;
        self.queued_sends = 0;
        if let (Some(deadline_ns), Wake::AtDeadline) = (deadline_ns, wake)
            && self.may_sleep(events)?
        {
            self.sleep_until(deadline_ns)?;
            return self.reap(events);
        }
        // A wait for one completion would end with that of a send, so sends are handed over before it.
        if self.ring.has_work() || !self.batch.is_empty() {
            self.ring.turn(Until::Now)?;
            self.reap(events)?;
        }
        while events.is_empty() {
            let left_ns = deadline_ns.map(|deadline_ns| deadline_ns.saturating_sub(now_ns()));
            if left_ns == Some(0) {
                break;
            }
            self.ring.turn(Until::One(left_ns))?;
            self.reap(events)?;
        }
        Ok(())
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        // The kernel must not write into buffers that are gone. Their owner gives up after a while; so does this.
        let limit = types::Timespec::new().sec(1);
        let _ = self.ring.kernel().submitter().register_sync_cancel(Some(limit), types::CancelBuilder::any());
    }
}
