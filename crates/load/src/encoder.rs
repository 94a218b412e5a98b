//! The deflated V2 encoding of a histogram, without a new compressor for each.
//!
//! A frame is made every interval while requests are sent, so it must not take long: the compressor is made once and its
//! compression is the fast one. The format is that of `AbstractHistogram.java`
//! (`encodeIntoCompressedByteBuffer`): a cookie, the length, and a zlib stream of the plain V2 encoding.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, FlushCompress, Status};
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::{Serializer as _, V2Serializer};

/// The V2 format, compressed.
const COOKIE: u32 = 0x1c84_9304 | 0x10;
const HEADER_BYTES: usize = 8;
/// What a zlib stream adds to what it cannot compress is less than a thousandth and this.
const SLACK_BYTES: usize = 128;

thread_local! {
    /// One for all histograms: a compressor has a few hundred KiB.
    static ENCODER: RefCell<Encoder> = RefCell::new(Encoder::new());
}

/// The encoding of a histogram, in base64.
pub(crate) fn encode(hdr: &Hdr<u64>) -> String {
    ENCODER.with_borrow_mut(|encoder| {
        encoder.plain.clear();
        encoder.serializer.serialize(hdr, &mut encoder.plain).expect("writing to memory does not fail");
        encoder.deflate();
        STANDARD.encode(&encoder.encoded)
    })
}

/// Encodes one histogram after another with the same memory.
struct Encoder {
    serializer: V2Serializer,
    deflater: Compress,
    plain: Vec<u8>,
    encoded: Vec<u8>,
}

impl Encoder {
    fn new() -> Self {
        Self {
            serializer: V2Serializer::new(),
            deflater: Compress::new(Compression::fast(), true),
            plain: Vec::new(),
            encoded: Vec::new(),
        }
    }

    fn deflate(&mut self) {
        self.encoded.clear();
        self.encoded.extend_from_slice(&COOKIE.to_be_bytes());
        self.encoded.extend_from_slice(&[0; HEADER_BYTES / 2]);
        // The stream never needs more room than this, so one call finishes it.
        self.encoded.reserve(self.plain.len() + self.plain.len() / 1_000 + SLACK_BYTES);
        self.deflater.reset();
        let status = self.deflater.compress_vec(&self.plain, &mut self.encoded, FlushCompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)), "there is room for the whole stream");
        let len = (self.encoded.len() - HEADER_BYTES) as u32;
        self.encoded[HEADER_BYTES / 2..HEADER_BYTES].copy_from_slice(&len.to_be_bytes());
    }
}
