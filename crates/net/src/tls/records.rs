//! rustls, a step at a time: ciphertext in, plaintext to whoever asked, ciphertext out.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};

/// Where plaintext goes: to whoever asked, the rest to wait.
pub(super) struct Sink<'a> {
    pub(super) buffer: &'a mut [u8],
    pub(super) len: usize,
    pub(super) overflow: &'a mut Vec<u8>,
}

impl Sink<'_> {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.buffer.len() - self.len);
        self.buffer[self.len..self.len + fits].copy_from_slice(&bytes[..fits]);
        self.len += fits;
        self.overflow.extend_from_slice(&bytes[fits..]);
    }
}

/// What is wanted of a session once it may send.
pub(super) enum Job<'a> {
    Read,
    Seal(&'a [u8], &'a mut [u8]),
    Close(&'a mut [u8]),
}

/// What one look at the input gave.
pub(super) struct Step {
    /// Bytes of the input that are done with.
    pub(super) discard: usize,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// There may be more to do.
    More,
    /// Nothing is left to do with this input.
    Idle,
    /// So many bytes of ciphertext were made.
    Sealed(usize),
    PeerClosed,
    Failed(rustls::Error),
}

/// Either end of a session.
pub(super) enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl Side {
    #[inline]
    pub(super) fn step(
        &mut self,
        input: &mut [u8],
        job: &mut Job<'_>,
        sink: &mut Sink<'_>,
        unsent: &mut Vec<u8>,
    ) -> Step {
        match self {
            Self::Client(connection) => handle(connection.process_tls_records(input), job, sink, unsent),
            Self::Server(connection) => handle(connection.process_tls_records(input), job, sink, unsent),
        }
    }
}

#[inline]
fn handle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    job: &mut Job<'_>,
    sink: &mut Sink<'_>,
    unsent: &mut Vec<u8>,
) -> Step {
    let mut discard = status.discard;
    let outcome = match status.state {
        Err(error) => Outcome::Failed(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Outcome::More,
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.push(record.payload);
                }
                Some(Err(error)) => break Outcome::Failed(error),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, unsent),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It is in `unsent` now and leaves before anything else does.
            data.done();
            Outcome::More
        }
        Ok(ConnectionState::PeerClosed) => Outcome::PeerClosed,
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match job {
            Job::Read => Outcome::Idle,
            Job::Seal(bytes, out) => sealed(traffic.encrypt(bytes, out)),
            Job::Close(out) => sealed(traffic.queue_close_notify(out)),
        },
        Ok(_) => Outcome::Idle,
    };
    Step { discard, outcome }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, unsent: &mut Vec<u8>) -> Outcome {
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        let start = unsent.len();
        unsent.resize(start + size.required_size, 0);
        if let Err(error) = data.encode(&mut unsent[start..]) {
            return Outcome::Failed(rustls::Error::General(error.to_string()));
        }
    }
    Outcome::More
}

fn sealed(result: Result<usize, EncryptError>) -> Outcome {
    match result {
        Ok(len) => Outcome::Sealed(len),
        Err(error) => Outcome::Failed(rustls::Error::General(error.to_string())),
    }
}
