//! Cutting an input into pieces, as a network may.

/// Two inputs in one: the first two bytes say how to parse and where to cut, the rest is what a peer sends.
///
/// They are printable in the corpus: `H` answers HEAD, any other letter does not; the second seeds the cuts.
pub(crate) fn split_control(input: &[u8]) -> Option<(u8, u8, &[u8])> {
    match input {
        [mode, cuts, bytes @ ..] => Some((*mode, *cuts, bytes)),
        _ => None,
    }
}

/// Every way in which one input is cut: into single bytes, into pieces of the seed's lengths, and in two at a few places.
pub(crate) fn ways(bytes: &[u8], seed: u8) -> Vec<Vec<&[u8]>> {
    const CUTS_IN_TWO: usize = 64;
    let mut ways = vec![bytes.chunks(1).collect(), uneven(bytes, seed)];
    let stride = bytes.len().div_ceil(CUTS_IN_TWO).max(1);
    for cut in (usize::from(seed) % stride..bytes.len()).step_by(stride) {
        ways.push(vec![&bytes[..cut], &bytes[cut..]]);
    }
    ways
}

/// Pieces of 0 to 63 bytes, by a linear congruential generator: equal seeds give equal pieces.
fn uneven(mut bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, rest) = bytes.split_at((state >> 26) as usize % (bytes.len() + 1));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
