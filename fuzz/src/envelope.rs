//! What stands on disk, and may have been changed there.

use alacena_core::envelope::{Header, SealKey, SealKeys, Subject};

use crate::text;

/// Any bytes are no envelope of ours, or a header with something after it; what is sealed is opened, and only as what
/// it was sealed as and where nothing was changed.
pub fn envelope(data: &[u8]) {
    let keys = SealKeys::new(SealKey::new(&[1; 32]), Some(SealKey::new(&[2; 32])));
    let subject = Subject::new("fuzz", b"7");
    assert!(keys.open(&subject, data).is_err(), "nobody without the key makes an envelope");
    if let Ok((header, sealed)) = Header::read(data) {
        assert_eq!([header.to_bytes().as_slice(), sealed].concat(), data, "read and written again");
        assert!(keys.open(&header.subject, data).is_err(), "nor for a subject of their own");
    }
    // Spelled or not, a text is a key or is refused.
    if let Ok(key) = SealKey::parse(&text(data)) {
        assert_eq!(format!("{key:?}"), format!("SealKey({})", key.id()));
    }

    let (nonce, content) = data.split_at(data.len().min(24));
    let mut drawn = [0; 24];
    drawn[..nonce.len()].copy_from_slice(nonce);
    let mut envelope = keys.seal(&subject, content, drawn);
    assert_eq!(keys.open(&subject, &envelope).as_deref(), Ok(content), "sealed and opened");
    assert!(keys.open(&Subject::new("fuzz", b"8"), &envelope).is_err(), "not as another's");
    assert!(keys.open(&Subject::new("fuzz, version 2", b"7"), &envelope).is_err(), "not as of another form");
    let changed = nonce.iter().map(|byte| usize::from(*byte)).sum::<usize>() % envelope.len();
    envelope[changed] ^= 1;
    assert!(keys.open(&subject, &envelope).is_err(), "nor with one bit changed");
}
