//! The answer as JSON: checked without building a tree, and cut where the pointer points.

use alacena_core::{
    declared::{NotJson, Pointer},
    error::{Error, catalogue},
};
use bytes::Bytes;

/// Checks that `bytes` are one JSON document and cuts out what is wanted of it. Nothing is written anew: numbers,
/// order and spelling stay those of the source.
///
/// # Errors
/// `Corrupt`, naming the place, never the text at it.
pub(super) fn check(bytes: Vec<u8>, pointer: &Pointer) -> Result<Bytes, Error> {
    let malformed = |detail: String| Error::new(&catalogue::ANSWER_MALFORMED, detail);
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(malformed("it is empty where JSON is expected".to_owned()));
    }
    let not_json = |NotJson { line, column }| malformed(format!("not JSON at line {line}, column {column}"));
    match pointer.find(text).map_err(not_json)? {
        // An entry must not keep more memory alive than it weighs.
        Some(_) if pointer.is_root() => Ok(bytes.into_boxed_slice().into()),
        Some(part) => Ok(Bytes::copy_from_slice(part.as_bytes())),
        None => {
            let detail = format!("it has nothing at pointer `{}`", pointer.as_str());
            Err(Error::new(&catalogue::ANSWER_LACKS_PART, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(answer: &str, pointer: &str) -> Result<String, String> {
        let pointer = Pointer::parse(pointer).unwrap();
        let bytes = check(answer.as_bytes().to_vec(), &pointer).map_err(|error| error.detail().to_owned())?;
        Ok(String::from_utf8(bytes.into()).unwrap())
    }

    #[test]
    fn what_is_kept_stays_as_the_source_wrote_it() {
        let answer =
            "{ \"a/b\" : { \"m~n\" : [ 1.00 , {\"x\": 10000000000000000000000} ] } , \"\\u0061\" : \"é\" }";
        assert_eq!(cut(answer, "").unwrap(), answer);
        assert_eq!(cut(answer, "/a~1b/m~0n/0").unwrap(), "1.00");
        assert_eq!(cut(answer, "/a~1b/m~0n/1").unwrap(), "{\"x\": 10000000000000000000000}");
        assert_eq!(cut(answer, "/a").unwrap(), "\"é\"");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_without_its_text() {
        for pointer in ["/b", "/a/2", "/a/00", "/a/+1", "/a/-", "/a/0/x", "/"] {
            assert_eq!(
                cut("{\"a\":[1,2]}", pointer).unwrap_err(),
                format!("it has nothing at pointer `{pointer}`")
            );
        }
        assert_eq!(cut("{\"canary\":\n canary}", "").unwrap_err(), "not JSON at line 2, column 2");
        assert_eq!(cut("{\"a\":1", "").unwrap_err(), "not JSON at line 1, column 6");
        assert_eq!(cut("{} {}", "").unwrap_err(), "not JSON at line 1, column 4");
        assert_eq!(cut(" \n", "").unwrap_err(), "it is empty where JSON is expected");
        assert_eq!(
            check(b"\"ab\xff\"".to_vec(), &Pointer::parse("").unwrap()).unwrap_err().detail(),
            "not UTF-8 at byte 3"
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(cut(&deep, "/0/0").unwrap().len(), deep.len() - 4);
    }
}
