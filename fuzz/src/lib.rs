//! What the fuzz targets check. The checks live beside the parsers' tests, which replay the corpus with them.

#[path = "../../crates/wire/tests/protocol/checks/mod.rs"]
mod checks;

/// Panics where a response depends on how it is cut.
pub fn check_response(input: &[u8]) {
    checks::response::check(input);
}

/// Panics where requests depend on how they are cut.
pub fn check_request(input: &[u8]) {
    checks::request::check(input);
}
