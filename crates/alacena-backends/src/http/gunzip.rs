//! Gzip within limits: a small answer cannot become a large one.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// How many bytes one compressed byte may become. JSON that people and machines write stays well below.
const RATIO_MAX: usize = 100;

/// Up to here the ratio does not matter: the memory is small, and short repetitive answers do compress that well.
const RATIO_FREE_BYTES: usize = 64 * 1024;

/// Why an answer was not decompressed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It became larger than an answer may be.
    TooLarge,
    /// It became more than a hundred times as large as it was.
    Bomb,
    /// It is not gzip, or not all of it.
    Corrupt,
}

/// Decompresses piece by piece; never holds more than the limit and one piece of the decoder's own buffer.
pub struct Gunzip {
    decoder: MultiGzDecoder<Sink>,
}

struct Sink {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// What has come in so far, compressed.
    compressed: usize,
    refusal: Option<Refusal>,
}

impl Gunzip {
    /// For at most so many bytes, decompressed.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let sink = Sink { bytes: Vec::new(), bytes_max, compressed: 0, refusal: None };
        Self { decoder: MultiGzDecoder::new(sink) }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The reason why no further one is to come.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.decoder.get_mut().compressed += piece.len();
        self.decoder.write_all(piece).map_err(|_| self.decoder.get_ref().refusal())
    }

    /// What was decompressed, once there are no more pieces.
    ///
    /// # Errors
    /// [`Refusal::Corrupt`] where something is missing.
    pub fn finish(mut self) -> Result<Vec<u8>, Refusal> {
        match self.decoder.try_finish() {
            Ok(()) => Ok(std::mem::take(&mut self.decoder.get_mut().bytes)),
            Err(_) => Err(self.decoder.get_ref().refusal()),
        }
    }
}

impl Sink {
    fn refusal(&self) -> Refusal {
        self.refusal.unwrap_or(Refusal::Corrupt)
    }
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let size = self.bytes.len() + piece.len();
        if size > self.bytes_max {
            self.refusal = Some(Refusal::TooLarge);
        }
        if size > RATIO_FREE_BYTES && size > self.compressed.saturating_mul(RATIO_MAX) {
            self.refusal = Some(Refusal::Bomb);
        }
        if self.refusal.is_some() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(compressed: &[u8], piece: usize, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let mut gunzip = Gunzip::new(bytes_max);
        compressed.chunks(piece).try_for_each(|piece| gunzip.push(piece))?;
        gunzip.finish()
    }

    #[test]
    fn what_is_too_large_or_too_dense_is_refused_and_never_held() {
        let megabyte = vec![b' '; 1 << 20];
        let compressed = gzip(&megabyte);
        assert_eq!(gunzip(&compressed, 10, 2 << 20), Err(Refusal::Bomb));
        assert_eq!(gunzip(&gzip(&megabyte[..65_536]), 10, 65_536).unwrap().len(), 65_536);
        assert_eq!(gunzip(&gzip(&megabyte[..65_536]), 10, 65_535), Err(Refusal::TooLarge));
        let mut gunzip = Gunzip::new(2 << 20);
        assert!(gunzip.push(&compressed).is_err());
        assert!(gunzip.decoder.get_ref().bytes.capacity() <= 256 * 1024);
    }

    #[test]
    fn what_is_broken_is_told_apart_from_what_is_whole() {
        let whole = gzip(b"{\"a\":1}");
        assert_eq!(gunzip(b"{\"a\":1}", 3, 100), Err(Refusal::Corrupt));
        assert_eq!(gunzip(b"", 3, 100), Err(Refusal::Corrupt));
        for end in 1..whole.len() {
            assert_eq!(gunzip(&whole[..end], 3, 100), Err(Refusal::Corrupt), "cut at {end}");
        }
        let mut flipped = whole.clone();
        let crc = flipped.len() - 6;
        flipped[crc] ^= 1;
        assert_eq!(gunzip(&flipped, 3, 100), Err(Refusal::Corrupt));
        let twice = [whole.as_slice(), whole.as_slice()].concat();
        assert_eq!(gunzip(&twice, 3, 100).unwrap(), b"{\"a\":1}{\"a\":1}");
    }

    proptest! {
        #[test]
        fn any_split_into_pieces_gives_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..2_000),
            piece in 1_usize..64,
        ) {
            prop_assert_eq!(gunzip(&gzip(&bytes), piece, 2_000).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..64) {
            let bytes = [&[0x1f, 0x8b, 8], bytes.as_slice()].concat();
            let _ = gunzip(&bytes, piece, 1_000);
        }
    }
}
