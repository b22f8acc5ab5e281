//! What the answers of a server mean, and which of them are none.
//!
//! An answer belongs to its question by its place alone. So each is looked at: one of another form means that places have
//! shifted somewhere, and then no answer on that connection can be trusted. Where the form tells nothing and a wrong answer
//! would be believed (what markers hold, that something was removed), the question brings a number of its own, the *echo*,
//! and the answer has to bring it back.
//!
//! An answer of the right form about another entry is asked for once more, with an echo. If the server says the same, that
//! is what lies there: somebody has renamed an entry, which is for those to judge who open it. If not, it was the answer to
//! something else.

use std::time::Duration;

use alacena_core::tier::{EntryId, Era, Looked, Nonce, record::Record};
use bytes::Bytes;

use super::{super::resp::Frame, said::Replication};

/// An answer that is none to the question; what was expected instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexpected(pub(super) &'static str);

type Read<T> = Result<T, Unexpected>;

/// What a load is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    Hit(Bytes),
    Lead,
    Wait(Duration),
    Alone,
}

/// What `count` markers hold.
pub(super) fn nonces(answer: Frame, count: usize) -> Read<Vec<Option<Nonce>>> {
    const EXPECTED: Unexpected = Unexpected("what each marker holds");
    let items = answer.into_items().filter(|items| items.len() == count).ok_or(EXPECTED)?;
    items
        .iter()
        .map(|item| value(item).map(|value| value.and_then(|value| Nonce::from_bytes(value))))
        .collect()
}

/// Whether this is the answer to the question that brought this echo.
pub(super) fn echoed(answer: &Frame, echo: u64) -> Read<()> {
    let is_echo =
        matches!(answer, Frame::Bulk(_)) && answer.text().and_then(|echo| echo.parse().ok()) == Some(echo);
    if is_echo { Ok(()) } else { Err(Unexpected("the echo of its question")) }
}

/// What `count` markers hold, each of them something of this era.
pub(super) fn minted(answer: Frame, echo: u64, count: usize, era: Era) -> Read<Vec<Nonce>> {
    let [said, held] = items(answer)?;
    echoed(&said, echo)?;
    let minted: Option<Vec<_>> = nonces(held, count)?.into_iter().collect();
    let of_era = |minted: &Vec<Nonce>| minted.iter().all(|nonce| nonce.era == era);
    minted.filter(of_era).ok_or(Unexpected("a nonce of the era for each marker"))
}

/// What the marker of a bucket and an entry of it hold, beside what `markers` hold.
pub(super) fn looked(markers: Vec<Option<Nonce>>, answer: Frame) -> Read<Looked> {
    let [bucket, envelope] = items(answer)?;
    let bucket = value(&bucket)?.and_then(|value| Nonce::from_bytes(value));
    let envelope = match envelope {
        Frame::Null => None,
        Frame::Bulk(envelope) => Some(envelope),
        _ => return Err(Unexpected("an entry or nothing")),
    };
    Ok(Looked { markers, bucket, entry: envelope })
}

/// What the server says of itself, if it may be asked, and what `count` markers hold.
pub(super) fn checked(
    answer: Frame,
    echo: u64,
    count: usize,
) -> Read<(Option<Replication>, Vec<Option<Nonce>>)> {
    let [said, info, markers] = items(answer)?;
    echoed(&said, echo)?;
    let replication = match &info {
        Frame::Null => None,
        info => Some(replication(info)?),
    };
    Ok((replication, nonces(markers, count)?))
}

/// What the server says of itself.
pub(super) fn replication(answer: &Frame) -> Read<Replication> {
    answer.text().and_then(Replication::read).ok_or(Unexpected("what the server says of replication"))
}

/// What a load is told.
pub(super) fn begun(answer: Frame) -> Read<Start> {
    Ok(match answer {
        Frame::Bulk(envelope) => Start::Hit(envelope),
        Frame::Integer(millis @ 1..) => Start::Wait(Duration::from_millis(millis.unsigned_abs())),
        Frame::Simple(word) if word == "LEAD" => Start::Lead,
        Frame::Simple(word) if word == "ALONE" => Start::Alone,
        _ => return Err(Unexpected("an entry, a lease, or how long to wait")),
    })
}

/// Yes or no.
pub(super) fn flag(answer: &Frame) -> Read<bool> {
    match answer {
        Frame::Integer(0) => Ok(false),
        Frame::Integer(1) => Ok(true),
        _ => Err(Unexpected("whether the lease was held")),
    }
}

/// Whether an entry was put where it belongs.
pub(super) fn overwritten(answer: Frame, echo: u64) -> Read<bool> {
    let [said, is_there] = items(answer)?;
    echoed(&said, echo)?;
    flag(&is_there)
}

/// How many of at most `most` there were.
pub(super) fn count(answer: &Frame, most: usize) -> Read<u32> {
    match answer {
        Frame::Integer(count) => u32::try_from(*count).ok().filter(|count| *count as usize <= most),
        _ => None,
    }
    .ok_or(Unexpected("how many there were"))
}

/// How long it is since 1970.
pub(super) fn time(answer: &Frame) -> Read<Duration> {
    let part = |frame: &Frame| u64::try_from(frame.integer()?).ok();
    let time = match answer.items() {
        Some([seconds, micros]) => part(seconds).zip(part(micros).filter(|micros| *micros < 1_000_000)),
        _ => None,
    };
    let (seconds, micros) = time.ok_or(Unexpected("seconds and microseconds"))?;
    Ok(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

fn items<const N: usize>(answer: Frame) -> Read<[Frame; N]> {
    let items = answer.into_items().and_then(|items| items.try_into().ok());
    items.ok_or(Unexpected("a list of so many"))
}

fn value(item: &Frame) -> Read<Option<&Bytes>> {
    match item {
        Frame::Null => Ok(None),
        Frame::Bulk(bytes) => Ok(Some(bytes)),
        _ => Err(Unexpected("bytes or nothing")),
    }
}

/// Whether the envelope says that it is that of another entry.
pub(super) fn is_foreign(entry: EntryId, envelope: &[u8]) -> bool {
    Record::entry_of(envelope).is_some_and(|other| other != entry)
}

/// An answer that is about another entry, and not because that is what lies there.
pub(super) const OF_ANOTHER: Unexpected = Unexpected("about the entry that was asked for");

#[cfg(test)]
mod tests {
    use super::*;

    const ERA: Era = Era(7);

    fn bulk(bytes: &[u8]) -> Frame {
        Frame::Bulk(Bytes::copy_from_slice(bytes))
    }

    fn nonce(random: u64) -> Nonce {
        Nonce { era: ERA, random }
    }

    fn held(nonces: &[Nonce]) -> Frame {
        Frame::Array(nonces.iter().map(|nonce| bulk(&nonce.to_bytes())).collect())
    }

    #[test]
    fn what_markers_hold_is_believed_only_with_the_echo_and_for_as_many_as_were_asked_for() {
        let answer = |echo: &[u8], of: &[Nonce]| Frame::Array(vec![bulk(echo), held(of)]);
        let (one, two) = (nonce(1), nonce(2));
        assert_eq!(minted(answer(b"41", &[one, two]), 41, 2, ERA), Ok(vec![one, two]));
        for (wrong, why) in [
            (answer(b"40", &[one, two]), "the answer to another question"),
            (answer(b"41", &[one]), "too few"),
            (answer(b"41", &[one, Nonce { era: Era(8), ..two }]), "a nonce of another era"),
            (Frame::Array(vec![bulk(b"41"), Frame::Array(vec![bulk(b"short"), Frame::Null])]), "no nonces"),
            (Frame::Array(vec![Frame::Integer(41), held(&[one, two])]), "an echo that is none"),
            (held(&[one, two]), "no echo"),
            (Frame::Null, "nothing"),
        ] {
            assert!(minted(wrong, 41, 2, ERA).is_err(), "{why}");
        }
    }

    #[test]
    fn a_marker_that_holds_something_foreign_holds_nothing() {
        let answer = Frame::Array(vec![bulk(b"foreign"), Frame::Null, bulk(&nonce(3).to_bytes())]);
        assert_eq!(nonces(answer, 3), Ok(vec![None, None, Some(nonce(3))]));
        assert!(nonces(Frame::Array(vec![Frame::Integer(1)]), 1).is_err(), "what no marker can hold");
    }

    #[test]
    fn the_entry_of_another_question_is_seen_to_be_that() {
        let (mine, other) = (EntryId(1), EntryId(2));
        // As much of a record as says whose it is: magic, version, fill, entry, fingerprint, flags.
        let record = |of: EntryId| [&b"\xA1lr\x01"[..], &[0; 8], &of.0.to_be_bytes(), &[0; 9]].concat();
        let pair = |envelope: Frame| Frame::Array(vec![Frame::Null, envelope]);
        assert_eq!(Record::entry_of(&record(other)), Some(other));
        let found = |envelope: &[u8]| looked(Vec::new(), pair(bulk(envelope))).map(|looked| looked.entry);
        assert_eq!(found(&record(mine)), Ok(Some(record(mine).into())));
        assert!(looked(Vec::new(), held(&[nonce(1)])).is_err(), "an answer about markers");
        assert_eq!(begun(bulk(&record(mine))), Ok(Start::Hit(record(mine).into())));
        assert!(is_foreign(mine, &record(other)) && !is_foreign(mine, &record(mine)));
        // What does not say whose it is is for those to judge who open it.
        assert!(!is_foreign(mine, b"foreign"));
    }

    #[test]
    fn a_load_is_told_one_of_four_things() {
        let word = |word: &'static str| Frame::Simple(Bytes::from_static(word.as_bytes()));
        let told = begun;
        assert_eq!(told(word("LEAD")), Ok(Start::Lead));
        assert_eq!(told(word("ALONE")), Ok(Start::Alone));
        assert_eq!(told(Frame::Integer(250)), Ok(Start::Wait(Duration::from_millis(250))));
        for wrong in [word("OK"), Frame::Integer(0), Frame::Integer(-1), Frame::Null, held(&[])] {
            assert!(told(wrong.clone()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_no_answers() {
        assert_eq!(flag(&Frame::Integer(1)), Ok(true));
        assert!(flag(&Frame::Integer(2)).is_err() && flag(&bulk(b"1")).is_err());
        assert_eq!(count(&Frame::Integer(3), 3), Ok(3));
        assert!(count(&Frame::Integer(4), 3).is_err() && count(&Frame::Integer(-1), 3).is_err());
        let said = |seconds: &[u8], micros: &[u8]| time(&Frame::Array(vec![bulk(seconds), bulk(micros)]));
        assert_eq!(said(b"12", b"345678"), Ok(Duration::from_micros(12_345_678)));
        assert!(said(b"12", b"1000000").is_err() && said(b"-1", b"0").is_err());
    }
}
