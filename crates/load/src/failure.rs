//! Everything that can go wrong between a worker and its target, by kind.

use std::io;

use seatrial_net::tls::{TlsFailure, TlsFailureKind};
use seatrial_net::{Driver, Ended};
use seatrial_wire::ProtocolError;

macro_rules! failures {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// A kind of failure; its name is what results show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Failure { $(#[doc = $doc] $variant,)* }

        impl Failure {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that results show.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

failures! {
    ConnectRefused => "connect_refused", "Nothing listens there.";
    ConnectTimeout => "connect_timeout", "No answer to the connection request in time.";
    ConnectReset => "connect_reset", "The connection was reset while it was being established.";
    ConnectUnreachable => "connect_unreachable", "No route to the target.";
    ConnectFailed => "connect_failed", "Any other failure to connect.";
    TlsHandshake => "tls_handshake", "The TLS handshake failed.";
    TlsCertificate => "tls_certificate", "The certificate is not to be trusted: its issuer, its name or its date.";
    TlsTimeout => "tls_timeout", "The TLS handshake did not end in time.";
    TlsBroken => "tls_broken", "The TLS session broke off: an alert, or bytes that are no TLS.";
    DescriptorsExhausted => "descriptors_exhausted", "This process, or the machine, has no descriptor left.";
    PortsExhausted => "ports_exhausted", "No local port is left towards the target.";
    WriteFailed => "write_failed", "The peer reset the connection before the request was all sent.";
    ReadReset => "read_reset", "The peer reset the connection during a request that was all sent.";
    ReadFailed => "read_failed", "Receiving broke off in another way.";
    PrematureClose => "premature_close", "The peer closed the connection before its answer was whole.";
    ProtocolHead => "protocol_head", "The answer's head is not HTTP/1.1.";
    ProtocolHeadTooLarge => "protocol_head_too_large", "The answer's head has no end within the limit.";
    ProtocolContentLength => "protocol_content_length", "The answer's Content-Length is not one number.";
    ProtocolChunk => "protocol_chunk", "The answer's chunked framing is broken.";
    ProtocolChunkOverhead => "protocol_chunk_overhead", "The answer's chunks have far more framing than data.";
    ProtocolInformational => "protocol_informational", "Too many informational answers came before the final one.";
    ProtocolExcess => "protocol_excess", "Bytes came that nobody asked for.";
    Timeout => "timeout", "The answer was not whole in time.";
}

impl Failure {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Classifies a failure to connect.
    pub fn of_connect(error: &io::Error) -> Self {
        if let Some(failure) = TlsFailure::of(error) {
            return Self::of_tls(failure.kind);
        }
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => Self::ConnectRefused,
            Some(libc::ETIMEDOUT) => Self::ConnectTimeout,
            Some(libc::ECONNRESET | libc::EPIPE) => Self::ConnectReset,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Self::ConnectUnreachable,
            Some(libc::EMFILE | libc::ENFILE) => Self::DescriptorsExhausted,
            Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE) => Self::PortsExhausted,
            _ => Self::ConnectFailed,
        }
    }

    /// Classifies a connection that took too long, by what was still missing.
    pub fn of_expired_connect<D: Driver>(driver: &mut D, socket: i32) -> Self {
        let outcome = driver.connected(socket, Ended::Somehow);
        outcome.err().map_or(Self::ConnectTimeout, |error| Self::of_connect(&error))
    }

    fn of_tls(kind: TlsFailureKind) -> Self {
        match kind {
            TlsFailureKind::Certificate => Self::TlsCertificate,
            TlsFailureKind::Handshake => Self::TlsHandshake,
            TlsFailureKind::Timeout => Self::TlsTimeout,
            TlsFailureKind::Broken => Self::TlsBroken,
        }
    }

    /// Classifies what broke a connection under a request, which may not have been all sent.
    pub fn of_broken(error: &io::Error, is_half_sent: bool) -> Self {
        match Self::of_read(error) {
            // Whether a read or a write is the first to fail is chance.
            Self::ReadReset if is_half_sent => Self::WriteFailed,
            failure => failure,
        }
    }

    /// Classifies a failure to receive.
    pub fn of_read(error: &io::Error) -> Self {
        if let Some(failure) = TlsFailure::of(error) {
            return Self::of_tls(failure.kind);
        }
        match error.raw_os_error() {
            // TLS whose stream ended without the word that it would: whatever came may be cut.
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::PrematureClose,
            Some(libc::ECONNRESET | libc::EPIPE) => Self::ReadReset,
            _ => Self::ReadFailed,
        }
    }

    /// Classifies bytes that are no answer.
    pub fn of_protocol(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Head => Self::ProtocolHead,
            ProtocolError::HeadTooLarge => Self::ProtocolHeadTooLarge,
            ProtocolError::ContentLength => Self::ProtocolContentLength,
            ProtocolError::Chunk => Self::ProtocolChunk,
            ProtocolError::ChunkOverhead => Self::ProtocolChunkOverhead,
            ProtocolError::Informational => Self::ProtocolInformational,
            ProtocolError::Excess => Self::ProtocolExcess,
            ProtocolError::PrematureClose => Self::PrematureClose,
        }
    }
}

/// A count for each kind.
#[derive(Clone, Debug)]
pub struct FailureCounts([u64; Failure::COUNT]);

impl Default for FailureCounts {
    fn default() -> Self {
        Self([0; Failure::COUNT])
    }
}

impl FailureCounts {
    /// One more.
    pub fn add(&mut self, failure: Failure) {
        self.0[failure as usize] += 1;
    }

    /// Adds the counts of `other`, which start again from 0.
    pub fn absorb(&mut self, other: &mut Self) {
        for (sum, count) in self.0.iter_mut().zip(std::mem::take(&mut other.0)) {
            *sum += count;
        }
    }

    /// The kinds that happened, with their names; the counts start again from 0.
    pub fn take(&mut self) -> Vec<(&'static str, u64)> {
        let counts = std::mem::take(self);
        Failure::ALL
            .iter()
            .map(|kind| (kind.name(), counts.0[*kind as usize]))
            .filter(|entry| entry.1 > 0)
            .collect()
    }
}
