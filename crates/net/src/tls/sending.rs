//! The half of a session that writes. What the socket does not take is kept, and leaves before anything else.

use std::io;

use super::TlsFailure;
use super::records::{Job, Outcome, Sink};
use super::session::{End, RECORD_BYTES, Scratch, Session};
use super::transport::Transport;

impl Session {
    /// Whether ciphertext waits for the socket: then [`Session::flush`] as soon as it takes more.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// How much plaintext of what [`Session::send`] took the socket has not: records of which it lacks a part. Of what
    /// the transport took it has not taken `transport_unsent` bytes. These can only be of the last record: a transport
    /// that keeps something takes nothing more.
    #[inline]
    pub fn unsent_plain(&self, transport_unsent: usize) -> usize {
        (self.kept_plain + if transport_unsent > 0 { self.last_plain } else { 0 }) as usize
    }

    /// Encrypts and writes; returns how many bytes of plaintext are on their way. What the socket has not taken of
    /// them is kept; `WouldBlock` while it is.
    #[inline]
    pub fn send(
        &mut self,
        scratch: &mut Scratch,
        transport: &mut impl Transport,
        bytes: &[u8],
    ) -> io::Result<usize> {
        if self.has_unsent() && !self.flush(transport)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = 0;
        for piece in bytes.chunks(RECORD_BYTES) {
            let len = self.seal(&mut Job::Seal(piece, &mut scratch.sealed))?;
            let is_out = match self.put(&scratch.sealed[..len], piece.len() as u32, transport) {
                // The pieces before it are on their way; the next call fails.
                Err(_) if taken > 0 => break,
                other => other?,
            };
            taken += piece.len();
            if !is_out {
                break;
            }
        }
        Ok(taken)
    }

    /// Says goodbye, as far as the socket takes it at once.
    pub fn close(&mut self, scratch: &mut Scratch, transport: &mut impl Transport) {
        if !self.is_handshaking()
            && let Ok(len) = self.seal(&mut Job::Close(&mut scratch.sealed))
        {
            // Whoever closes does not wait; a peer that misses the word sees the stream end.
            let _ = self.put(&scratch.sealed[..len], 0, transport);
        }
    }

    fn seal(&mut self, job: &mut Job<'_>) -> io::Result<usize> {
        let mut sink = Sink { buffer: &mut [], len: 0, overflow: &mut self.plain.bytes };
        loop {
            // The partial record is shown again: what rustls remembers of it are places in it.
            let step = self.side.step(&mut self.partial, job, &mut sink, &mut self.unsent);
            self.partial.drain(..step.discard);
            match step.outcome {
                Outcome::More => {}
                Outcome::Sealed(len) => return Ok(len),
                Outcome::PeerClosed => self.end = Some(End::Orderly),
                Outcome::Failed(error) => return Err(TlsFailure::of_session(&error, false).into()),
                Outcome::Idle => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    #[inline]
    fn put(&mut self, sealed: &[u8], plain: u32, transport: &mut impl Transport) -> io::Result<bool> {
        let mut taken = 0;
        if !self.has_unsent() {
            taken = match transport.send(sealed) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                other => other?,
            };
        }
        if taken == sealed.len() {
            self.last_plain = plain;
            return Ok(true);
        }
        if taken > 0 {
            self.last_plain = 0;
        }
        self.unsent.extend_from_slice(&sealed[taken..]);
        self.kept_plain += plain;
        // What fails is not on its way.
        self.flush(transport).inspect_err(|_| self.kept_plain -= plain)
    }

    /// Writes what is kept; returns whether all of it is out.
    pub fn flush(&mut self, transport: &mut impl Transport) -> io::Result<bool> {
        let mut done = 0;
        while done < self.unsent.len() {
            match transport.send(&self.unsent[done..]) {
                Ok(taken) => (done, self.last_plain) = (done + taken, 0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.drain(..done);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        if done > 0 {
            self.unsent = Vec::new();
            self.last_plain = std::mem::take(&mut self.kept_plain);
        }
        Ok(true)
    }
}
