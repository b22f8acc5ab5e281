//! The text of keys.

use alacena_core::key::{KeySpace, escape, split_text};

use crate::text;

/// The text of a key is one for one with its segments, and so is the key itself.
pub fn key(data: &[u8]) {
    let text = text(data);
    let segments: Vec<&str> = text.split('\n').collect();
    let written = segments.iter().map(|segment| escape(segment)).collect::<Vec<_>>().join(":");
    assert_eq!(split_text(&written), segments, "what is escaped splits back");
    // Any text at all can be split, and what comes of it can be written.
    let split = split_text(&text);
    let rewritten = split.iter().map(|segment| escape(segment)).collect::<Vec<_>>().join(":");
    assert_eq!(split_text(&rewritten), split, "split, written and split again");

    let space = KeySpace::new("fuzz", "class", &["root"]).expect("it is within the limits");
    let Ok(key) = space.key(None, &segments) else { return };
    assert_eq!(key.text(), format!("root:{written}"), "a key reads as its segments are written");
    let other = segments.iter().rev();
    let is_same = segments.iter().eq(other.clone());
    let other = space.key(None, other).expect("as long as the first");
    assert_eq!(key == other, is_same, "other segments are another key");
}
