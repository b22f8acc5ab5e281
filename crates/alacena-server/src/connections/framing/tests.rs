//! What is followed, what is flawed, and that it does not matter in which pieces the bytes come.

use super::*;

/// What the framing says after `bytes`, however they are cut: heads, whether one is arriving, and the flawed one.
fn after(bytes: &[u8]) -> (u64, bool, Option<u64>) {
    let seen = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framing = Framing::new();
        for piece in pieces {
            framing.see(piece);
        }
        (framing.heads(), framing.in_head(), framing.flawed())
    };
    let whole = seen(&mut [bytes].into_iter());
    assert_eq!(seen(&mut bytes.chunks(1)), whole, "byte by byte: {}", String::from_utf8_lossy(bytes));
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(seen(&mut [first, second].into_iter()), whole, "cut at {cut}");
    }
    whole
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}")
}

#[test]
fn every_sound_request_ends_where_the_next_one_begins() {
    for request in [
        GET.to_owned(),
        format!("\r\n\r\n{GET}"),
        post("content-length: 0\r\n", ""),
        post("Content-Length:4\r\n", "{}\n\n"),
        post("CONTENT-LENGTH: \t 4 \r\n", "\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n1;a=\"b\"\r\n\n\r\n0\r\n\r\n"),
        post(
            "transfer-encoding: chunked\r\n",
            "00A \r\n0123456789\r\n0\r\ncontent-length: 9\r\nb: c\r\n\r\n",
        ),
        post("x-content-length: 4\r\ncontent-lengthy: 4\r\ncontent-length-x: 1\r\n", ""),
        post(&format!("x: {}\r\ncontent-length: 1\r\n", "y".repeat(200)), "z"),
    ] {
        assert_eq!(after(request.as_bytes()), (1, false, None), "{request}");
        assert_eq!(after(request.repeat(3).as_bytes()), (3, false, None), "{request}");
        let (heads, in_head, flawed) = after(format!("{request}GET / HT").as_bytes());
        assert_eq!((heads, in_head, flawed), (1, true, None), "{request}");
    }
}

#[test]
fn the_middle_of_a_body_is_not_a_head() {
    assert_eq!(after(post("content-length: 40\r\n", GET).as_bytes()), (1, false, None));
    assert_eq!(after(post("transfer-encoding: chunked\r\n", "28\r\nGET / HTTP/1.1\r\n").as_bytes()).0, 1);
}

#[test]
fn a_head_that_another_reader_could_end_elsewhere_is_flawed() {
    let pad = " ".repeat(60);
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "transfer-encoding: xchunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 4\r\n",
        "content-length: +4\r\n",
        "content-length: -4\r\n",
        "content-length: 0x4\r\n",
        "content-length: 4 4\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        &format!("content-length: {pad}4\r\n"),
        "x: a\ntransfer-encoding: chunked\r\n",
        "x: a\ny: b\r\n",
        "x: a\n",
    ] {
        for (before, flawed) in [(String::new(), 1), (GET.to_owned(), 2)] {
            let bytes = before + &post(fields, "{}  ") + GET;
            assert_eq!(after(bytes.as_bytes()), (flawed, true, Some(flawed)), "{fields}");
        }
    }
    for lines in
        ["GET / HTTP/1.1\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\n", "\nGET / HTTP/1.1\r\n\r\n"]
    {
        assert_eq!(after(lines.as_bytes()).2, Some(1), "{lines:?}");
    }
}

#[test]
fn after_chunks_that_cannot_be_followed_nothing_is_sound() {
    let many = "0".repeat(70);
    for chunks in ["z\r\n", "\r\n", "-1\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n", many.as_str()]
    {
        let bytes = post("transfer-encoding: chunked\r\n", chunks) + "\r\n";
        assert_eq!(after(bytes.as_bytes()), (2, true, Some(2)), "{chunks}");
    }
}

#[test]
fn lines_between_chunks_end_as_all_lines_do() {
    for chunks in ["2\n{}\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\r\na: b\n\r\n", "0;a\n\r\n"] {
        let bytes = post("transfer-encoding: chunked\r\n", chunks) + GET;
        assert_eq!(after(bytes.as_bytes()), (2, true, Some(2)), "{chunks:?}");
    }
}

#[test]
fn http2_is_known_by_its_preface_and_left_alone() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut framing = Framing::new();
    framing.see(&preface[..23]);
    assert!(framing.in_head() && !framing.is_http2());
    framing.see(&preface[23..]);
    framing.see(b"content-length: 1\ncontent-length: 2\n\n");
    assert!(framing.is_http2() && !framing.in_head());
    assert_eq!((framing.heads(), framing.flawed()), (0, None));
}
