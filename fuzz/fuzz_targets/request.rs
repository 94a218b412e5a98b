#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seatrial_fuzz::check_request(input));
