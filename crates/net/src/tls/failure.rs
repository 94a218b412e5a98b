//! Why a TLS connection came to nothing.

use std::error::Error;
use std::fmt;
use std::io;

/// The kinds that results distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailureKind {
    /// The peer's certificate is not to be trusted: an unknown issuer, another name, out of date.
    Certificate,
    /// The handshake failed in any other way.
    Handshake,
    /// The handshake did not end in time.
    Timeout,
    /// The session broke off after the handshake: an alert, or bytes that are no TLS.
    Broken,
}

/// A failure, which travels inside an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    /// The kind.
    pub kind: TlsFailureKind,
    /// What exactly, for a person.
    pub text: String,
}

impl TlsFailure {
    pub(super) fn new(kind: TlsFailureKind, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }

    /// The failure inside an error, if it is one of TLS.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whatever ended a handshake, as the handshake's failure.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        Self::of(error).cloned().unwrap_or_else(|| Self::new(TlsFailureKind::Handshake, error))
    }

    /// `in_handshake`: nothing of the application has been exchanged yet.
    pub(super) fn of_session(error: &rustls::Error, in_handshake: bool) -> Self {
        let kind = match error {
            rustls::Error::InvalidCertificate(_) => TlsFailureKind::Certificate,
            _ if in_handshake => TlsFailureKind::Handshake,
            _ => TlsFailureKind::Broken,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Error for TlsFailure {}

impl From<TlsFailure> for io::Error {
    fn from(failure: TlsFailure) -> Self {
        Self::new(io::ErrorKind::InvalidData, failure)
    }
}
