//! `resp` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| alacena_fuzz::resp(data));
