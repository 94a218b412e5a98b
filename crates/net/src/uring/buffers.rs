//! Memory that the kernel reads from and writes to: a ring of buffers for what arrives, shared by all connections, so
//! that an idle one has none; and one buffer for each send under way.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The one group of buffers.
pub(super) const GROUP: u16 = 0;
/// Answers that may wait to be read; a power of two. Two MiB with all of them.
const COUNT: u16 = 512;
const BYTES: usize = 4096;
const PAGE_BYTES: usize = 4096;
/// More than this is sent in pieces.
const MOST_SENT: usize = 64 * 1024;
/// As much as this an idle socket takes at once, however small its buffer (`tcp_wmem`'s least).
const SURELY_TAKEN: usize = 4096;

/// No buffer.
pub(super) const NONE: u16 = u16::MAX;

/// What one buffer holds of a connection's stream, and where the stream goes on.
#[derive(Clone, Copy)]
struct Piece {
    next: u16,
    start: u16,
    end: u16,
    at_ns: u64,
}

/// The buffers that arrivals land in. Those that were filled form lists, one for each connection.
pub(super) struct Arrivals {
    memory: *mut u8,
    pieces: Vec<Piece>,
    tail: u16,
    lent: u16,
}

const RING_BYTES: usize = (COUNT as usize * size_of::<BufRingEntry>()).next_multiple_of(PAGE_BYTES);

fn layout() -> Layout {
    Layout::from_size_align(RING_BYTES + COUNT as usize * BYTES, PAGE_BYTES).expect("constants that fit")
}

impl Arrivals {
    /// Offers every buffer to the kernel. They must outlive what `ring` has under way.
    pub(super) fn register(ring: &IoUring) -> io::Result<Self> {
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout()) };
        if memory.is_null() {
            handle_alloc_error(layout());
        }
        let blank = Piece { next: NONE, start: 0, end: 0, at_ns: 0 };
        let mut arrivals = Self { memory, pieces: vec![blank; COUNT as usize], tail: 0, lent: COUNT };
        // SAFETY: the ring lies at the page-aligned start of memory that lives as long as `arrivals`.
        unsafe { ring.submitter().register_buf_ring_with_flags(memory as u64, COUNT, GROUP, 0)? };
        for id in 0..COUNT {
            arrivals.give_back(id);
        }
        Ok(arrivals)
    }

    fn address(&self, id: u16) -> *mut u8 {
        // SAFETY: an id is below COUNT, so this is within the memory.
        unsafe { self.memory.add(RING_BYTES + id as usize * BYTES) }
    }

    /// Whether the kernel has buffers left.
    pub(super) fn has_free(&self) -> bool {
        self.lent < COUNT
    }

    /// The kernel has filled a buffer.
    pub(super) fn lend(&mut self) {
        self.lent += 1;
    }

    /// Offers a buffer to the kernel again.
    #[expect(clippy::cast_ptr_alignment, reason = "the memory is aligned to a page")]
    pub(super) fn give_back(&mut self, id: u16) {
        let index = (self.tail & (COUNT - 1)) as usize;
        let (address, ring) = (self.address(id) as u64, self.memory.cast::<BufRingEntry>());
        self.tail = self.tail.wrapping_add(1);
        self.lent -= 1;
        // SAFETY: the index is within the ring. The tail overlays a reserved field of the first entry, which setting an
        // entry leaves alone; the kernel reads entries only below it.
        unsafe {
            let entry = &mut *ring.add(index);
            entry.set_addr(address);
            entry.set_len(BYTES as u32);
            entry.set_bid(id);
            (*BufRingEntry::tail(ring).cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }

    /// What the kernel has written into a buffer: the head of a multishot receive and what follows it.
    pub(super) fn filled(&self, id: u16, len: usize) -> &[u8] {
        // SAFETY: the kernel has let go of the buffer and wrote `len` bytes of it.
        unsafe { std::slice::from_raw_parts(self.address(id), len.min(BYTES)) }
    }

    /// Appends `start..end` of a buffer to the list `(first, last)`.
    pub(super) fn append(&mut self, list: &mut (u16, u16), id: u16, range: (usize, usize), at_ns: u64) {
        let piece = Piece { next: NONE, start: range.0 as u16, end: range.1 as u16, at_ns };
        self.pieces[id as usize] = piece;
        if list.0 == NONE {
            list.0 = id;
        } else {
            self.pieces[list.1 as usize].next = id;
        }
        list.1 = id;
    }

    /// Moves bytes from the list into `buffer`, until one of them is empty or full. Returns how many, and when the last
    /// of them arrived.
    #[inline]
    pub(super) fn read(&mut self, list: &mut (u16, u16), buffer: &mut [u8]) -> (usize, u64) {
        let (mut len, mut at_ns) = (0, 0);
        while list.0 != NONE && len < buffer.len() {
            let id = list.0;
            let piece = self.pieces[id as usize];
            let bytes = &self.filled(id, piece.end as usize)[piece.start as usize..];
            let part = bytes.len().min(buffer.len() - len);
            buffer[len..len + part].copy_from_slice(&bytes[..part]);
            (len, at_ns) = (len + part, piece.at_ns);
            self.pieces[id as usize].start += part as u16;
            if piece.start as usize + part == piece.end as usize {
                list.0 = piece.next;
                self.give_back(id);
            }
        }
        (len, at_ns)
    }

    /// Drops what is in the list.
    pub(super) fn discard(&mut self, list: &mut (u16, u16)) {
        while list.0 != NONE {
            let id = list.0;
            list.0 = self.pieces[id as usize].next;
            self.give_back(id);
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; nothing is under way any more that would write here.
        unsafe { dealloc(self.memory, layout()) };
    }
}

/// One send under way.
pub(super) struct Sending {
    pub(super) socket: i32,
    pub(super) generation: u32,
    bytes: Vec<u8>,
    sent: usize,
}

impl Sending {
    /// Whether the kernel may have to wait with a part of it.
    fn is_long(&self) -> bool {
        self.bytes.len() > SURELY_TAKEN
    }

    /// What is still to be sent. It stays where it is until the send is done.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The kernel took so many bytes more; returns whether that was all.
    pub(super) fn advance(&mut self, len: usize) -> bool {
        self.sent += len;
        self.sent >= self.bytes.len()
    }
}

/// The sends under way, by number. A number is used again, with its memory.
#[derive(Default)]
pub(super) struct Sends {
    all: Vec<Sending>,
    free: Vec<u32>,
    long: u32,
}

impl Sends {
    /// Keeps a copy of what fits; returns its number and how many bytes it is.
    #[inline]
    pub(super) fn keep(&mut self, socket: i32, generation: u32, bytes: &[u8]) -> (u32, usize) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Sending { socket, generation, bytes: Vec::new(), sent: 0 });
            self.all.len() as u32 - 1
        });
        let len = bytes.len().min(MOST_SENT);
        let sending = &mut self.all[number as usize];
        (sending.socket, sending.generation, sending.sent) = (socket, generation, 0);
        sending.bytes.clear();
        sending.bytes.extend_from_slice(&bytes[..len]);
        self.long += u32::from(sending.is_long());
        (number, len)
    }

    /// Whether sends are under way that may not go out at once.
    #[inline]
    pub(super) fn has_long(&self) -> bool {
        self.long > 0
    }

    pub(super) fn get(&self, number: u32) -> &Sending {
        &self.all[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Sending {
        &mut self.all[number as usize]
    }

    /// The kernel has let go of it.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
        self.long -= u32::from(self.all[number as usize].is_long());
        self.free.push(number);
    }
}
