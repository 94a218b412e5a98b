//! One TLS connection over a non-blocking socket: records in and out, and little memory while nothing happens.
//!
//! rustls is used without its buffers: records are decrypted where they were read to, in memory that all connections of
//! a thread share, and a connection keeps bytes only while a record is cut short by the network.

use std::io;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use super::config::{ClientTls, ServerTls};
use super::records::{Job, Outcome, Side, Sink};
use super::transport::Transport;
use super::{TlsFailure, TlsFailureKind, TlsVersion};
use crate::driver::Received;

/// The most plaintext that a record holds (RFC 8446, 5.1).
pub(super) const RECORD_BYTES: usize = 16 * 1024;
/// What a record adds to it: header, nonce, tag, type and room to spare (RFC 8446, 5.2: at most 256).
const RECORD_EXTRA_BYTES: usize = 512;
/// One read takes at most this much, behind what an earlier one has left: at most a handshake message of 64 KiB.
const INPUT_BYTES: usize = 128 * 1024;
/// So many reads of the socket for one of its reader: records that hold next to nothing must not keep it for ever.
const PULLS_AT_ONCE: u32 = 8;

/// Memory that all sessions of a thread share.
pub struct Scratch {
    input: Box<[u8]>,
    pub(super) sealed: Box<[u8]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { input: vec![0; INPUT_BYTES].into(), sealed: vec![0; RECORD_BYTES + RECORD_EXTRA_BYTES].into() }
    }
}

/// Why nothing more will be read.
pub(super) enum End {
    /// The peer said so (`close_notify`).
    Orderly,
    /// The stream ended without a word.
    Cut,
    /// Reported once; a stream that was cut from then on.
    Failed(io::Error),
}

/// Plaintext that came when nobody had room for it.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    taken: usize,
    at_ns: u64,
}

/// A connection's state. Calls take the [`Scratch`] of the thread and the connection's [`Transport`].
pub struct Session {
    pub(super) side: Side,
    /// The beginning of a record whose end has not arrived.
    pub(super) partial: Vec<u8>,
    pub(super) plain: Plain,
    /// Ciphertext that the socket has not taken.
    pub(super) unsent: Vec<u8>,
    /// How much plaintext is in it, and in the record that the transport took last, as a whole.
    pub(super) kept_plain: u32,
    pub(super) last_plain: u32,
    pub(super) end: Option<End>,
    has_heard: bool,
    /// The last read ended before the socket was empty.
    was_cut_short: bool,
}

impl Session {
    /// A client's, for [`Session::advance`] to take through its handshake.
    pub fn client(tls: &ClientTls) -> Result<Self, TlsFailure> {
        UnbufferedClientConnection::new(tls.config.clone(), tls.name.clone())
            .map(|connection| {
                let mut session = Self::new(Side::Client(connection));
                // A client has something to say before it has heard anything.
                session.take_in(&mut [], &mut []);
                session
            })
            .map_err(|error| TlsFailure::new(TlsFailureKind::Handshake, error))
    }

    /// A server's, which [`Session::receive`] takes through its handshake.
    pub fn server(tls: &ServerTls) -> Result<Self, TlsFailure> {
        UnbufferedServerConnection::new(tls.config.clone())
            .map(|connection| Self::new(Side::Server(connection)))
            .map_err(|error| TlsFailure::new(TlsFailureKind::Handshake, error))
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            partial: Vec::new(),
            plain: Plain::default(),
            unsent: Vec::new(),
            kept_plain: 0,
            last_plain: 0,
            end: None,
            has_heard: false,
            was_cut_short: false,
        }
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(connection) => connection,
            Side::Server(connection) => connection,
        }
    }

    /// Whether the handshake goes on.
    pub fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// What was agreed upon, once it is.
    pub fn version(&self) -> TlsVersion {
        match self.common().protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        }
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Whether [`Session::receive`] has something to report that no event of the socket will announce.
    pub fn owes_a_read(&self) -> bool {
        self.plain.taken < self.plain.bytes.len() || self.end.is_some() || self.was_cut_short
    }

    /// Whether the stream has ended behind what was read.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Takes the handshake as far as it goes without waiting; returns whether it is over.
    pub fn advance(
        &mut self,
        scratch: &mut Scratch,
        transport: &mut impl Transport,
    ) -> Result<bool, TlsFailure> {
        let sent = self.flush(transport);
        while self.is_handshaking() && self.end.is_none() && self.pull(scratch, transport, &mut []).is_some()
        {
        }
        let sent = sent.and_then(|_| self.flush(transport));
        match self.end.take() {
            Some(End::Failed(error)) => Err(TlsFailure::of_handshake(&error)),
            Some(_) if self.is_handshaking() => {
                let text = "the peer closed the connection during the handshake";
                Err(TlsFailure::new(TlsFailureKind::Handshake, text))
            }
            end => {
                self.end = end;
                sent.map_err(|error| TlsFailure::of_handshake(&error))?;
                Ok(!self.is_handshaking())
            }
        }
    }

    /// Reads plaintext; `WouldBlock` where none is there. An answer that does not fill the buffer has emptied the
    /// socket, and so has `WouldBlock`, unless [`Session::owes_a_read`]. The end is `Ok` with a length of 0 if the peer
    /// has announced it, else `UnexpectedEof`.
    #[inline]
    pub fn receive(
        &mut self,
        scratch: &mut Scratch,
        transport: &mut impl Transport,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        let mut received = self.plain.take(buffer);
        let mut pulls = 0;
        self.was_cut_short = false;
        while received.len < buffer.len() && self.end.is_none() {
            if pulls == PULLS_AT_ONCE {
                self.was_cut_short = true;
                break;
            }
            pulls += 1;
            let Some(pulled) = self.pull(scratch, transport, &mut buffer[received.len..]) else { break };
            if pulled.len > 0 {
                received = Received { len: received.len + pulled.len, at_ns: pulled.at_ns };
            }
            if pulled.has_emptied {
                break;
            }
        }
        if self.has_unsent() {
            // A handshake's or a key update's answer. If the socket is broken, reading shows it.
            let _ = self.flush(transport);
        }
        if received.len > 0 { Ok(received) } else { self.nothing_came() }
    }

    fn nothing_came(&mut self) -> io::Result<Received> {
        match self.end.take() {
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(End::Orderly) => {
                self.end = Some(End::Orderly);
                Ok(Received { len: 0, at_ns: 0 })
            }
            Some(end) => {
                self.end = Some(End::Cut);
                Err(match end {
                    End::Failed(error) => error,
                    _ => io::ErrorKind::UnexpectedEof.into(),
                })
            }
        }
    }

    /// Reads once; None where nothing came.
    #[inline]
    fn pull(
        &mut self,
        scratch: &mut Scratch,
        transport: &mut impl Transport,
        buffer: &mut [u8],
    ) -> Option<Pulled> {
        let kept = self.partial.len();
        scratch.input[..kept].copy_from_slice(&self.partial);
        // No more than about what is wanted, so that a slow reader slows its peer down.
        let wanted = buffer.len().max(RECORD_BYTES) + RECORD_EXTRA_BYTES;
        let limit = scratch.input.len().min(kept + wanted);
        match transport.receive(&mut scratch.input[kept..limit]) {
            Ok(Received { len: 0, .. }) => self.end = Some(End::Cut),
            Ok(Received { len, at_ns }) => {
                let has_emptied = kept + len < limit;
                let overflow = self.plain.bytes.len();
                let len = self.take_in(&mut scratch.input[..kept + len], buffer);
                if self.plain.bytes.len() > overflow {
                    self.plain.at_ns = at_ns;
                }
                return Some(Pulled { len, at_ns, has_emptied });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.end = Some(End::Failed(error)),
        }
        None
    }

    /// Takes ciphertext, from the beginning of a record on; returns how much plaintext is in `buffer`.
    #[inline]
    fn take_in(&mut self, input: &mut [u8], buffer: &mut [u8]) -> usize {
        let mut sink = Sink { buffer, len: 0, overflow: &mut self.plain.bytes };
        let (mut done, mut failure) = (0, None);
        loop {
            let step = self.side.step(&mut input[done..], &mut Job::Read, &mut sink, &mut self.unsent);
            done += step.discard;
            match step.outcome {
                Outcome::More => {}
                Outcome::PeerClosed => self.end = Some(End::Orderly),
                Outcome::Failed(error) if failure.is_none() => failure = Some(error),
                // The one look after a failure was for the alert that reports it to the peer.
                Outcome::Failed(_) | Outcome::Idle | Outcome::Sealed(_) => break,
            }
        }
        let len = sink.len;
        self.has_heard |= len > 0 || !self.plain.bytes.is_empty();
        if let Some(error) = failure {
            let in_handshake = self.is_handshaking() || !self.has_heard;
            self.end = Some(End::Failed(TlsFailure::of_session(&error, in_handshake).into()));
            done = input.len();
        }
        if done < input.len() {
            self.partial = input[done..].to_vec();
        } else if self.partial.capacity() > 0 {
            self.partial = Vec::new();
        }
        len
    }
}

/// What one read gave.
struct Pulled {
    len: usize,
    at_ns: u64,
    has_emptied: bool,
}

impl Plain {
    #[inline]
    fn take(&mut self, buffer: &mut [u8]) -> Received {
        let rest = &self.bytes[self.taken..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        if self.taken == self.bytes.len() && self.taken > 0 {
            (self.bytes, self.taken) = (Vec::new(), 0);
        }
        Received { len, at_ns: self.at_ns }
    }
}
