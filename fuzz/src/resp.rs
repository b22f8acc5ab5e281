//! What a server of Redis sends.

use alacena_backends::redis::{
    Refusal,
    resp::{Frame, Limits, Malformed, Reader},
};
use bytes::BytesMut;

const LIMITS: Limits = Limits { frame_bytes_max: 4096, values_max: 256, depth_max: 4, line_bytes_max: 256 };
/// Most bytes of what a server refuses with that are shown.
const SHOWN_BYTES_MAX: usize = 160;

/// The first byte is the size of the pieces that the others arrive in.
///
/// In whatever pieces they arrive, they are the same frames and the same mistake, each frame within the limits.
pub fn resp(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = read(bytes, bytes.len());
    for piece in [1, usize::from(*piece) + 2] {
        let pieced = read(bytes, piece);
        assert_eq!(format!("{pieced:?}"), format!("{whole:?}"), "in pieces of {piece}");
    }
    for frame in &whole.0 {
        let (values, depth, held) = measure(frame);
        assert!(
            values <= LIMITS.values_max + 1 && depth <= LIMITS.depth_max && held <= LIMITS.frame_bytes_max
        );
        if let Frame::Error(text) = frame {
            let shown = Refusal::new(text).to_string();
            assert!(shown.len() <= SHOWN_BYTES_MAX, "{} bytes of a refusal are shown", shown.len());
        }
    }
}

/// The frames, how many bytes are left over, and the mistake that ended it.
fn read(bytes: &[u8], piece: usize) -> (Vec<Frame>, usize, Option<Malformed>) {
    let (mut reader, mut buffer, mut frames) = (Reader::new(LIMITS), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.read(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(malformed) => return (frames, 0, Some(malformed)),
            }
        }
        assert!(reader.missing(&buffer) <= LIMITS.frame_bytes_max, "what can never come is not waited for");
    }
    (frames, buffer.len(), None)
}

/// How many values are in a frame, itself included, how deep they are, and how many bytes they hold.
fn measure(frame: &Frame) -> (usize, usize, usize) {
    let all = |values: &mut dyn Iterator<Item = &Frame>| {
        values
            .map(measure)
            .fold((1, 0, 0), |sum, value| (sum.0 + value.0, sum.1.max(value.1), sum.2 + value.2))
    };
    let (values, depth, held) = match frame {
        Frame::Array(values) | Frame::Set(values) | Frame::Push(values) => all(&mut values.iter()),
        Frame::Map(pairs) => all(&mut pairs.iter().flat_map(|(key, value)| [key, value])),
        Frame::Error(text) => return (1, 0, text.len()),
        other => return (1, 0, other.bytes().map_or(0, |bytes| bytes.len())),
    };
    (values, depth + usize::from(values > 1), held)
}
