//! The TLS handshakes between two frames.

use seatrial_net::tls::{Handshake, TlsVersion};

use crate::frame::Frame;
use crate::histogram::Histogram;

/// Counts by version, and how long they took. The histogram is allocated by the first handshake: a load without TLS
/// pays nothing.
#[derive(Default)]
pub(crate) struct Handshakes {
    took: Option<Histogram>,
    versions: [u64; TlsVersion::ALL.len()],
    resumed: u64,
}

impl Handshakes {
    pub(crate) fn record(&mut self, handshake: Handshake) {
        self.took.get_or_insert_default().record_ns(handshake.took_ns);
        self.versions[handshake.version as usize] += 1;
        self.resumed += u64::from(handshake.is_resumed);
    }

    pub(crate) fn drain_into(&mut self, frame: &mut Frame) {
        let Some(took) = &mut self.took else { return };
        frame.tls_handshake = took.take_encoded();
        frame.tls_resumed = std::mem::take(&mut self.resumed);
        let versions = std::mem::take(&mut self.versions);
        let named = TlsVersion::ALL.iter().map(|version| version.name()).zip(versions);
        frame.tls_versions = named.filter(|(_, count)| *count > 0).collect();
    }
}
