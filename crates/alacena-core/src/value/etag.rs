//! Entity tags that a caller has already.

/// Whether one line of `If-None-Match` names the entity tag `etag`, or is the star that names all; weak and strong count
/// alike (RFC 9110, 13.1.2). A tag is what stands in quotes, commas and stars included.
///
/// ```
/// use alacena_core::value::if_none_match;
///
/// assert!(if_none_match(br#""v0", W/"v1""#, br#""v1""#));
/// assert!(if_none_match(b" * ", br#""v1""#));
/// assert!(!if_none_match(br#""a,*,b""#, br#""v1""#));
/// ```
#[must_use]
pub fn if_none_match(line: &[u8], etag: &[u8]) -> bool {
    let strong = etag.strip_prefix(b"W/").unwrap_or(etag);
    let Some(wanted) = strong.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return false;
    };
    // Every other piece stands between two tags.
    let mut tags = line.split(|byte| *byte == b'"').skip(1).step_by(2);
    line.trim_ascii() == b"*" || tags.any(|tag| tag == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_whole_wherever_it_stands_and_however_weak() {
        for line in
            [r#""v1""#, r#"W/"v1""#, r#""v0", "v1""#, r#""v0",W/"v1" , "v2""#, r#""a,b", "v1""#, "*", " * "]
        {
            assert!(if_none_match(line.as_bytes(), br#""v1""#), "{line}");
            assert!(if_none_match(line.as_bytes(), br#"W/"v1""#), "{line}");
        }
        for line in ["", "v1", r#""v""#, r#""v11""#, r#""*""#, r#""x,*,y""#, r#""a", *"#, r#"", v1, ""#] {
            assert!(!if_none_match(line.as_bytes(), br#""v1""#), "{line}");
        }
        assert!(!if_none_match(b"*", b"v1"), "what is no entity tag is never held");
    }
}
