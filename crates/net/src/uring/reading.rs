//! What is read of a connection: from the shared buffers, from what was taken out of them, or from the socket itself.

use std::io;

use super::UringDriver;
use super::table::{End, Slot, Stage};
use crate::clock::now_ns;
use crate::driver::Received;
use crate::socket;

/// What arrived for a connection whose owner had not read it.
pub(super) struct Spilled {
    bytes: Vec<u8>,
    read: usize,
    at_ns: u64,
}

impl UringDriver {
    /// As [`crate::Driver::receive`].
    #[inline]
    pub(super) fn read(&mut self, socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
        let slot = &mut self.slots[socket as usize];
        if slot.stage == Stage::Receiving {
            let (len, at_ns) = self.arrivals.read(&mut slot.arrived, buffer);
            if len > 0 {
                return Ok(Received { len, at_ns });
            }
            // It has found no buffer. What the socket holds is there to be read all the same.
            return match slot.end {
                End::Broken(_) if !slot.is_armed => self.last_of(socket, buffer),
                End::None if !slot.is_armed => self.read_directly(socket, buffer),
                _ => Self::end_of(slot),
            };
        }
        let (stage, end) = (slot.stage, slot.end);
        let spilled = self.take_spilled(socket, buffer);
        if spilled.len < buffer.len() && stage == Stage::Polling && end != End::Orderly {
            match self.read_directly(socket, &mut buffer[spilled.len..]) {
                Ok(read) if read.len > 0 => {
                    return Ok(Received { len: spilled.len + read.len, at_ns: read.at_ns });
                }
                other if spilled.len == 0 && end == End::None => return other,
                // The end, or what has failed, is reported again at the next read or by the poll.
                _ => {}
            }
        }
        if spilled.len > 0 {
            return Ok(spilled);
        }
        if stage == Stage::Switching && matches!(end, End::Broken(_)) {
            // The socket may hold bytes that came before; they are reported as soon as they can be read.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Self::end_of(&mut self.slots[socket as usize])
    }

    /// Takes what arrived out of the shared buffers, which others need.
    pub(super) fn spill(&mut self, fd: i32) {
        let list = &mut self.slots[fd as usize].arrived;
        let spilled = self.spilled.entry(fd).or_insert(Spilled { bytes: Vec::new(), read: 0, at_ns: 0 });
        let mut part = [0; 4096];
        loop {
            let (len, at_ns) = self.arrivals.read(list, &mut part);
            if len == 0 {
                return;
            }
            spilled.bytes.extend_from_slice(&part[..len]);
            spilled.at_ns = at_ns;
        }
    }

    fn take_spilled(&mut self, fd: i32, buffer: &mut [u8]) -> Received {
        let Some(spilled) = self.spilled.get_mut(&fd) else { return Received { len: 0, at_ns: 0 } };
        let rest = &spilled.bytes[spilled.read..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        spilled.read += len;
        let received = Received { len, at_ns: spilled.at_ns };
        if spilled.read == spilled.bytes.len() {
            self.spilled.remove(&fd);
        }
        received
    }

    /// Reads from the socket itself.
    fn read_directly(&mut self, fd: i32, buffer: &mut [u8]) -> io::Result<Received> {
        let (len, stamp) = if self.stamp_arrivals {
            socket::receive_stamped(fd, buffer)?
        } else {
            (socket::receive(fd, buffer)?, None)
        };
        Ok(Received { len, at_ns: self.monotonic(stamp) })
    }

    /// A send has failed. What came before that is read, and then it is reported.
    fn last_of(&mut self, fd: i32, buffer: &mut [u8]) -> io::Result<Received> {
        match self.read_directly(fd, buffer) {
            Ok(received) if received.len > 0 => Ok(received),
            _ => Self::end_of(&mut self.slots[fd as usize]),
        }
    }

    fn end_of(slot: &mut Slot) -> io::Result<Received> {
        match slot.end {
            End::None => Err(io::ErrorKind::WouldBlock.into()),
            End::Orderly => Ok(Received { len: 0, at_ns: now_ns() }),
            // As the kernel does: the error is reported once, then the stream is at its end.
            End::Broken(code) => {
                slot.end = End::Orderly;
                Err(io::Error::from_raw_os_error(code))
            }
        }
    }
}
