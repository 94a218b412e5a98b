//! What must hold for any input to the parsers. Shared by the fuzz targets (`fuzz/`) and by the test that replays their corpus
//! (`corpus.rs`), so that both assert the same.

pub(crate) mod pieces;
pub(crate) mod request;
pub(crate) mod response;
