use proptest::{collection::vec, prelude::*};

use super::*;

/// All frames in `bytes`, arriving in pieces of these sizes, again and again; what is left over, and the error.
fn read_in(bytes: &[u8], limits: Limits, pieces: &[usize]) -> (Vec<Frame>, usize, Option<Malformed>) {
    let (mut reader, mut buffer, mut frames) = (Reader::new(limits), BytesMut::new(), Vec::new());
    let (mut rest, mut sizes) = (bytes, pieces.iter().cycle());
    loop {
        match reader.read(&mut buffer) {
            Ok(Some(frame)) => frames.push(frame),
            Err(malformed) => return (frames, 0, Some(malformed)),
            Ok(None) if rest.is_empty() => return (frames, buffer.len(), None),
            Ok(None) => {
                let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                buffer.extend_from_slice(piece);
                rest = later;
            }
        }
    }
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Vec<Frame>, Malformed> {
    let bytes = bytes.as_ref();
    let whole = read_in(bytes, Limits::default(), &[bytes.len().max(1)]);
    assert_eq!(
        format!("{whole:?}"),
        format!("{:?}", read_in(bytes, Limits::default(), &[1])),
        "byte by byte"
    );
    whole.2.map_or(Ok(whole.0), Err)
}

fn bulk(text: &'static str) -> Frame {
    Frame::Bulk(Bytes::from_static(text.as_bytes()))
}

#[test]
fn every_type_is_read() {
    let table: Vec<(&str, Frame)> = vec![
        ("+OK\r\n", Frame::Simple("OK".into())),
        ("+\r\n", Frame::Simple("".into())),
        ("-ERR no\r\n", Frame::Error("ERR no".into())),
        ("!6\r\nERR\r\nx\r\n", Frame::Error("ERR\r\nx".into())),
        (":-12\r\n", Frame::Integer(-12)),
        (":9223372036854775807\r\n", Frame::Integer(i64::MAX)),
        (",1.5e3\r\n", Frame::Double(1500.0)),
        (",10\r\n", Frame::Double(10.0)),
        (",-inf\r\n", Frame::Double(f64::NEG_INFINITY)),
        ("#t\r\n", Frame::Boolean(true)),
        ("#f\r\n", Frame::Boolean(false)),
        (
            "(-3492890328409238509324850943850943825024385\r\n",
            Frame::Big("-3492890328409238509324850943850943825024385".into()),
        ),
        ("_\r\n", Frame::Null),
        ("$-1\r\n", Frame::Null),
        ("*-1\r\n", Frame::Null),
        ("$0\r\n\r\n", bulk("")),
        ("$4\r\n\r\n$1\r\n", bulk("\r\n$1")),
        ("=7\r\ntxt:abc\r\n", Frame::Verbatim(*b"txt", "abc".into())),
        ("*0\r\n", Frame::Array(vec![])),
        (
            "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            Frame::Array(vec![Frame::Array(vec![Frame::Integer(1)]), bulk("a")]),
        ),
        ("~1\r\n_\r\n", Frame::Set(vec![Frame::Null])),
        ("%1\r\n+a\r\n*0\r\n", Frame::Map(vec![(Frame::Simple("a".into()), Frame::Array(vec![]))])),
        (">2\r\n+invalidate\r\n_\r\n", Frame::Push(vec![Frame::Simple("invalidate".into()), Frame::Null])),
    ];
    for (bytes, frame) in table {
        assert_eq!(read(bytes), Ok(vec![frame]), "{bytes:?}");
    }
    assert!(matches!(read(",nan\r\n").as_deref(), Ok([Frame::Double(number)]) if number.is_nan()));
}

#[test]
fn attributes_are_left_out_wherever_they_stand() {
    let bytes = "|1\r\n+ttl\r\n|1\r\n+a\r\n+b\r\n:3600\r\n*2\r\n|0\r\n:1\r\n|1\r\n+c\r\n*1\r\n_\r\n:2\r\n|0\r\n>1\r\n+x\r\n";
    let array = Frame::Array(vec![Frame::Integer(1), Frame::Integer(2)]);
    assert_eq!(read(bytes), Ok(vec![array, Frame::Push(vec![Frame::Simple("x".into())])]));
}

#[test]
fn what_is_not_the_protocol_is_named() {
    let table = [
        ("\r\n", Malformed::Type(b'\r')),
        ("HTTP/1.1 400 Bad Request\r\n", Malformed::Type(b'H')),
        ("+a\nb\r\n", Malformed::LineEnd),
        ("+a\rb\r\n", Malformed::LineEnd),
        (":\r\n", Malformed::Number),
        (":1.0\r\n", Malformed::Number),
        (":9223372036854775808\r\n", Malformed::Number),
        (",infinity\r\n", Malformed::Number),
        (",\r\n", Malformed::Number),
        ("(1a\r\n", Malformed::Number),
        ("(-\r\n", Malformed::Number),
        ("#true\r\n", Malformed::Word),
        ("_x\r\n", Malformed::Word),
        ("$-2\r\n", Malformed::Length),
        ("~-1\r\n", Malformed::Length),
        ("$+1\r\n", Malformed::Length),
        ("$\r\n", Malformed::Length),
        ("$99999999999999999999\r\n", Malformed::Length),
        ("$18446744073709551615\r\n", Malformed::TooLarge),
        ("%9223372036854775808\r\n", Malformed::TooMany),
        ("*18446744073709551615\r\n", Malformed::TooMany),
        ("$1\r\nab\r\n", Malformed::BulkEnd),
        ("=3\r\nabc\r\n", Malformed::Verbatim),
        ("$?\r\n", Malformed::Streamed),
        ("*?\r\n", Malformed::Streamed),
        (";4\r\n", Malformed::Streamed),
        (".\r\n", Malformed::Streamed),
        ("*1\r\n>1\r\n+x\r\n", Malformed::PushWithin),
        ("|1\r\n+a\r\n>0\r\n", Malformed::PushWithin),
    ];
    for (bytes, malformed) in table {
        assert_eq!(read(bytes), Err(malformed), "{bytes:?}");
    }
}

#[test]
fn each_limit_holds_at_its_value_and_not_one_beyond() {
    let limits = Limits { frame_bytes_max: 24, values_max: 4, depth_max: 2, line_bytes_max: 12 };
    let read = |bytes: &str| {
        let whole = read_in(bytes.as_bytes(), limits, &[bytes.len()]);
        assert_eq!(format!("{whole:?}"), format!("{:?}", read_in(bytes.as_bytes(), limits, &[1])));
        whole.2.map_or(Ok(whole.0.len()), Err)
    };
    assert_eq!(read("+123456789\r\n"), Ok(1));
    assert_eq!(read("+1234567890\r\n"), Err(Malformed::LineTooLong));
    assert_eq!(read("+12345678901"), Err(Malformed::LineTooLong));
    assert_eq!(read(&format!("$17\r\n{}\r\n", "x".repeat(17))), Ok(1));
    assert_eq!(read("$18\r\n"), Err(Malformed::TooLarge), "before any of it has come");
    assert_eq!(read("*3\r\n$7\r\nabcdefg\r\n:1\r\n:1\r\n"), Err(Malformed::TooLarge), "all together");
    assert_eq!(read("*2\r\n~2\r\n_\r\n_\r\n_\r\n"), Ok(1));
    assert_eq!(read("*2\r\n~3\r\n"), Err(Malformed::TooMany), "all levels together");
    assert_eq!(read("%2\r\n"), Ok(0));
    assert_eq!(read("%3\r\n"), Err(Malformed::TooMany));
    assert_eq!(read("*1\r\n*1\r\n*0\r\n"), Ok(1), "what is empty has no level");
    assert_eq!(read("*1\r\n*1\r\n*1\r\n"), Err(Malformed::TooDeep));
    assert_eq!(read(&"|0\r\n".repeat(7)), Err(Malformed::TooLarge), "attributes without end");
    assert_eq!(read("*2\r\n_\r\n_\r\n*2\r\n_\r\n_\r\n*2\r\n_\r\n_\r\n"), Ok(3), "each frame has its own");
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let mut reader = Reader::new(Limits::default());
    let mut buffer = BytesMut::from("*1048576\r\n");
    assert_eq!(reader.read(&mut buffer), Ok(None));
    assert!(reader.open[0].values.capacity() <= FORESEEN_VALUES);
}

#[test]
fn no_byte_is_looked_at_twice_when_each_comes_alone() {
    // 8 MiB of one bulk string and a line of 64 KiB, byte by byte: seconds, if each began from the front.
    let limits = Limits::default();
    let mut reader = Reader::new(limits);
    let mut buffer = BytesMut::from("$8388608\r\n");
    for _ in 0..8 * 1024 * 1024 {
        assert_eq!(reader.read(&mut buffer), Ok(None));
        buffer.extend_from_slice(b"x");
    }
    buffer.extend_from_slice(b"\r\n+");
    assert!(reader.read(&mut buffer).unwrap().is_some());
    for _ in 0..limits.line_bytes_max - 3 {
        assert_eq!(reader.read(&mut buffer), Ok(None));
        assert_eq!(reader.searched, buffer.len(), "the next search begins where this one ended");
        buffer.extend_from_slice(b"x");
    }
    buffer.extend_from_slice(b"\r\n");
    assert!(reader.read(&mut buffer).unwrap().is_some());
}

#[test]
fn it_says_how_much_is_missing() {
    let mut reader = Reader::new(Limits::default());
    let mut buffer = BytesMut::from("$1000\r\nabc");
    assert_eq!(reader.missing(&buffer), 1);
    assert_eq!(reader.read(&mut buffer), Ok(None));
    assert_eq!(reader.missing(&buffer), 999);
}

/// A frame as a server writes it, with attributes in front of some values.
fn write(frame: &Frame, attributes: bool, out: &mut Vec<u8>) {
    let line = |kind: char, text: &[u8], out: &mut Vec<u8>| {
        out.push(kind as u8);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    };
    if attributes {
        out.extend_from_slice(b"|1\r\n+popularity\r\n,0.5\r\n");
    }
    match frame {
        Frame::Null => line('_', b"", out),
        Frame::Simple(text) => line('+', text, out),
        Frame::Error(text) => line('-', text, out),
        Frame::Integer(number) => line(':', number.to_string().as_bytes(), out),
        Frame::Double(number) => line(',', number.to_string().as_bytes(), out),
        Frame::Boolean(yes) => line('#', if *yes { b"t" } else { b"f" }, out),
        Frame::Big(digits) => line('(', digits, out),
        Frame::Bulk(bytes) => {
            line('$', bytes.len().to_string().as_bytes(), out);
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Frame::Verbatim(format, bytes) => {
            line('=', (bytes.len() + 4).to_string().as_bytes(), out);
            out.extend_from_slice(format);
            line(':', bytes, out);
        }
        Frame::Array(values) | Frame::Set(values) | Frame::Push(values) => {
            let kind = match frame {
                Frame::Array(_) => '*',
                Frame::Set(_) => '~',
                _ => '>',
            };
            line(kind, values.len().to_string().as_bytes(), out);
            values.iter().for_each(|value| write(value, attributes, out));
        }
        Frame::Map(pairs) => {
            line('%', pairs.len().to_string().as_bytes(), out);
            for (key, value) in pairs {
                write(key, attributes, out);
                write(value, false, out);
            }
        }
    }
}

fn frames() -> impl Strategy<Value = Frame> {
    let leaf = prop_oneof![
        Just(Frame::Null),
        "[ -~]{0,9}".prop_map(|text| Frame::Simple(text.into())),
        "[ -~]{0,9}".prop_map(|text| Frame::Error(text.into())),
        any::<i64>().prop_map(Frame::Integer),
        proptest::num::f64::NORMAL.prop_map(Frame::Double),
        any::<bool>().prop_map(Frame::Boolean),
        "-?[0-9]{1,30}".prop_map(|digits| Frame::Big(digits.into())),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Frame::Bulk(bytes.into())),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Frame::Verbatim(*b"mkd", bytes.into())),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Frame::Array),
            vec(inner.clone(), 0..4).prop_map(Frame::Set),
            vec((inner.clone(), inner), 0..3).prop_map(Frame::Map),
        ]
    });
    prop_oneof![4 => value.clone(), 1 => vec(value, 0..4).prop_map(Frame::Push)]
}

proptest! {
    /// What is written is read, whatever pieces it arrives in.
    #[test]
    fn frames_arrive_as_they_were_sent(
        sent in vec((frames(), any::<bool>()), 0..5), pieces in vec(1_usize..30, 1..8),
    ) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|(frame, attributes)| write(frame, *attributes, &mut bytes));
        let sent: Vec<_> = sent.into_iter().map(|(frame, _)| frame).collect();
        for pieces in [&pieces[..], &[1], &[bytes.len().max(1)]] {
            prop_assert_eq!(read_in(&bytes, Limits::default(), pieces), (sent.clone(), 0, None));
        }
        for at in 0..=bytes.len() {
            let halves = [at.max(1), bytes.len().max(1)];
            prop_assert_eq!(read_in(&bytes, Limits::default(), &halves), (sent.clone(), 0, None), "split at {}", at);
        }
    }

    /// Whatever arrives, the pieces that it arrives in make no difference.
    #[test]
    fn pieces_make_no_difference_to_what_is_wrong(
        bytes in "([+$*%>|=!:,#_(~.;]-?[0-9?]{0,3}\r?\n?|[a-z]{0,4}\r\n){0,8}", pieces in vec(1_usize..9, 1..8),
    ) {
        let limits = Limits { frame_bytes_max: 64, values_max: 9, depth_max: 3, line_bytes_max: 10 };
        let whole = read_in(bytes.as_bytes(), limits, &[bytes.len().max(1)]);
        let pieced = read_in(bytes.as_bytes(), limits, &pieces);
        prop_assert_eq!(format!("{whole:?}"), format!("{pieced:?}"));
    }
}
