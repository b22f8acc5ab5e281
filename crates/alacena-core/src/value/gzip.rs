//! Gzip for those who read it anyway: made once for many answers, so that it may take its time.

use std::{
    future::poll_fn,
    io::{Read, Write},
    task::Poll,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::envelope::compress::{BYTES_MIN, Corrupt, is_worth_it};

/// Measured on JSON of 16 KiB: level 6 makes it 5.6 times as small in 60 µs; 4 is no faster, 9 no smaller.
const LEVEL: Compression = Compression::new(6);

/// Bytes that are encoded at a stretch, in about 0.4 ms; then others have their turn.
const STRETCH_BYTES: usize = 64 * 1024;

/// `bytes` as gzip; `None` where that is not worth it: they are few, or stay more than seven eighths.
///
/// Gives way to other tasks every 64 KiB.
pub(super) async fn gzip_if_worth_it(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < BYTES_MIN {
        return None;
    }
    let encoded = gzip(bytes).await;
    is_worth_it(encoded.len(), bytes.len()).then_some(encoded)
}

/// `bytes` as gzip, whatever that makes of them.
pub(super) async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), LEVEL);
    for (stretch, piece) in bytes.chunks(STRETCH_BYTES).enumerate() {
        if stretch > 0 {
            give_way().await;
        }
        encoder.write_all(piece).expect("memory takes what is written");
    }
    let mut encoded = encoder.finish().expect("memory takes what is written");
    encoded.shrink_to_fit();
    encoded
}

/// The `length` bytes that `encoded` was made of. Never holds more than one more than these, whatever it is given.
///
/// # Errors
/// [`Corrupt`] where they are not exactly as many, or anything else is wrong.
pub fn gunzip(encoded: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    // Room for one more, by which it would show that there are more.
    let mut bytes = Vec::with_capacity(length + 1);
    let read = GzDecoder::new(encoded).take(length as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(read) if read == length => Ok(bytes),
        _ => Err(Corrupt),
    }
}

/// Lets every other task that is ready run once.
async fn give_way() {
    let mut has_given = false;
    poll_fn(|context| {
        if has_given {
            return Poll::Ready(());
        }
        has_given = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    async fn encoded(bytes: &[u8]) -> Vec<u8> {
        gzip_if_worth_it(bytes).await.expect("it is worth it")
    }

    #[tokio::test]
    async fn what_is_encoded_comes_back_and_only_at_its_length() {
        for times in [50, 5_000, 50_000] {
            let json = br#"{"id":1,"state":"open"},"#.repeat(times);
            let encoded = encoded(&json).await;
            assert!(encoded.len() < json.len() / 10);
            assert_eq!(gunzip(&encoded, json.len()).unwrap(), json);
            for length in [0, 1, json.len() - 1, json.len() + 1] {
                assert_eq!(gunzip(&encoded, length), Err(Corrupt), "{length}");
            }
            for end in [0, 10, encoded.len() - 1] {
                assert_eq!(gunzip(&encoded[..end], json.len()), Err(Corrupt), "cut at {end}");
            }
        }
        assert_eq!(gzip_if_worth_it(&[b' '; BYTES_MIN - 1]).await, None);
        let noise: Vec<u8> = (0..200_u64).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        assert_eq!(gzip_if_worth_it(&noise).await, None);
        assert_eq!(gunzip(&gzip(b"{}").await, 2).unwrap(), b"{}");
    }

    #[test]
    fn it_gives_way_while_it_encodes_much() {
        assert!(gzip(&[b' '; STRETCH_BYTES]).now_or_never().is_some());
        assert!(gzip(&[b' '; STRETCH_BYTES + 1]).now_or_never().is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes: Vec<u8>, length in 0_usize..5_000) {
            let bytes = [&[0x1f, 0x8b, 8], bytes.as_slice()].concat();
            if let Ok(decoded) = gunzip(&bytes, length) {
                prop_assert_eq!(decoded.len(), length);
            }
        }
    }
}
