//! Fewer bytes for the same: LZ4 in blocks, whose length is known from elsewhere.
//!
//! LZ4 and not more: it gives back about two to eight times as many bytes a second as anything that makes JSON much
//! smaller, and a hit pays for each of them.

use std::fmt;

/// Below this many bytes compression does not pay.
pub const BYTES_MIN: usize = 1024;

/// Most bytes that anything is decompressed to.
pub const LENGTH_MAX: usize = 256 * 1024 * 1024;
/// Most times as many bytes as compressed ones: who says that there are more lies, or wants memory.
const RATIO_MAX: usize = 100;

/// Compressed bytes are not what the length that is known of them says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed bytes are damaged")
    }
}

impl std::error::Error for Corrupt {}

/// `bytes` compressed; `None` where that is not worth it: they are few, or stay more than seven eighths.
#[must_use]
pub fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < BYTES_MIN {
        return None;
    }
    let compressed = lz4_flex::block::compress(bytes);
    is_worth_it(compressed.len(), bytes.len()).then_some(compressed)
}

/// Whether so many bytes instead of so many are worth the work of getting them back.
#[must_use]
pub fn is_worth_it(compressed: usize, bytes: usize) -> bool {
    compressed <= bytes - bytes / 8
}

/// Whether `compressed` bytes that came from outside can be taken to stand for `length` ones: at most [`LENGTH_MAX`], and
/// at most a hundred times as many.
#[must_use]
pub fn is_likely(length: usize, compressed: usize) -> bool {
    length <= LENGTH_MAX && length <= RATIO_MAX.saturating_mul(compressed)
}

/// The `length` bytes that were compressed. Never holds more than these, whatever it is given.
///
/// # Errors
/// [`Corrupt`] where they are not exactly as many, or anything else is wrong.
pub fn decompress(compressed: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut bytes = vec![0; length];
    match lz4_flex::block::decompress_into(compressed, &mut bytes) {
        Ok(written) if written == length => Ok(bytes),
        _ => Err(Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_repeats_itself_is_compressed_and_what_does_not_is_not() {
        let json = br#"{"id":1,"state":"open"},"#.repeat(100);
        let compressed = compress(&json).unwrap();
        assert!(compressed.len() < json.len() / 10);
        assert_eq!(decompress(&compressed, json.len()).unwrap(), json);

        assert_eq!(compress(&json[..BYTES_MIN - 1]), None);
        let noise: Vec<u8> = (0..200_u64).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        assert_eq!(compress(&noise), None);
    }

    #[test]
    fn another_length_than_the_true_one_is_refused() {
        let json = br#"{"id":1,"state":"open"},"#.repeat(100);
        let compressed = compress(&json).unwrap();
        for length in [0, 1, json.len() - 1, json.len() + 1, 10 * json.len()] {
            assert_eq!(decompress(&compressed, length), Err(Corrupt), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(words in prop::collection::vec("[a-c]{1,3}", 500..900)) {
            let bytes = words.concat().into_bytes();
            if let Some(compressed) = compress(&bytes) {
                prop_assert_eq!(decompress(&compressed, bytes.len()).unwrap(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes: Vec<u8>, length in 0_usize..5_000) {
            if let Ok(decompressed) = decompress(&bytes, length) {
                prop_assert_eq!(decompressed.len(), length);
            }
        }
    }
}
