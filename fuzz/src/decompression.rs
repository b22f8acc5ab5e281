//! Compressed bytes that were damaged, or made to become too many.

use alacena_backends::http::gunzip::Gunzip;
use alacena_core::{
    envelope::compress::{compress, decompress},
    value::gunzip,
};

/// Bytes that are borne of a source's answer.
const BYTES_MAX: usize = 256 * 1024;

/// The first two bytes are the length that is known of the others, or the size of the pieces that they come in.
///
/// Whatever they are, what comes of them is no longer than was said; what was compressed comes back.
pub fn decompression(data: &[u8]) {
    let Some((length, compressed)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    for decompressed in [decompress(compressed, length), gunzip(compressed, length)].into_iter().flatten() {
        assert_eq!(decompressed.len(), length);
    }

    let mut arriving = Gunzip::new(BYTES_MAX);
    let pieces = compressed.chunks(length % 64 + 1).try_for_each(|piece| arriving.push(piece));
    if let Ok(decompressed) = pieces.and_then(|()| arriving.finish()) {
        assert!(decompressed.len() <= BYTES_MAX, "{} bytes", decompressed.len());
        if let Ok(same) = gunzip(compressed, decompressed.len()) {
            assert_eq!(same, decompressed, "by either way the same");
        }
    }

    let repeated = compressed.repeat(1 + 4096 / compressed.len().max(1));
    if let Some(smaller) = compress(&repeated) {
        assert!(smaller.len() < repeated.len());
        assert_eq!(decompress(&smaller, repeated.len()).as_deref(), Ok(&*repeated), "compressed and back");
        assert!(decompress(&smaller, repeated.len() + 1).is_err(), "only at its length");
    }
}
