//! How far a file is believed that an earlier process has left: whether it is as that process left it.
//!
//! Nothing rolls a file back by itself, so it is of the same era as before. What may have rolled it back leaves traces:
//!
//! * another file stands in its place, put back from a copy: it has another inode, or was made at another time;
//! * a process has run without it, and invalidated what it holds: the store counts the starts of all processes, and this
//!   is not the next one;
//! * the clock of the machine was set back, and nobody knows for how long there was no process: what it holds may be
//!   older than it seems.
//!
//! *What leaves none*: a copy that is written over the file in place, together with the store beside it, and a snapshot of
//! the whole disk. Whoever puts one back removes `entries.redb` first.

use super::tables::FORMAT;

/// A clock that is behind by less has been corrected, and not set back.
const CLOCK_SLACK_MILLIS: u64 = 60_000;

/// What a process has written into the file when it opened it, and since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) format: u64,
    pub(super) mark: [u8; 32],
    pub(super) era: u64,
    /// The number of that process among all that opened the store.
    pub(super) start: u64,
    /// What the clock of the tier was when something was put on disk last.
    pub(super) millis: u64,
    pub(super) file: FileId,
}

/// What is found where the file is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    pub(super) mark: [u8; 32],
    pub(super) start: u64,
    pub(super) millis: u64,
    pub(super) file: FileId,
}

/// Tells a file from a copy of it, as far as the file system does. Zero: it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileId {
    pub(super) inode: u64,
    /// When it was made, in nanoseconds since 1970.
    pub(super) birth: u64,
}

/// How far it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it was left.
    Same,
    /// It may have gone back in time: what is in it is suspect, and why.
    OtherEra(&'static str),
    /// Nothing in it can be of use, and why.
    Anew(&'static str),
}

pub(super) fn judge(written: &Written, here: &Here) -> Verdict {
    if written.format != FORMAT {
        return Verdict::Anew("it was written by another version");
    }
    if written.mark != here.mark {
        return Verdict::Anew("it was written with another key or secret");
    }
    if written.file != here.file {
        return Verdict::OtherEra("it is a copy");
    }
    // A process that opens it again after a failure is the same one.
    if here.start != written.start && here.start != written.start + 1 {
        return Verdict::OtherEra("a process has run without it");
    }
    if here.millis + CLOCK_SLACK_MILLIS < written.millis {
        return Verdict::OtherEra("the clock of this machine was set back");
    }
    Verdict::Same
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId { inode: 7, birth: 8 };
    const LEFT: Written =
        Written { format: FORMAT, mark: [1; 32], era: 5, start: 3, millis: 1_000_000, file: FILE };
    const HERE: Here = Here { mark: [1; 32], start: 4, millis: 1_000_500, file: FILE };

    #[test]
    fn the_next_process_believes_what_the_one_before_has_left() {
        assert_eq!(judge(&LEFT, &HERE), Verdict::Same);
        assert_eq!(judge(&LEFT, &Here { start: 3, ..HERE }), Verdict::Same, "the same, after a failure");
        assert_eq!(
            judge(&LEFT, &Here { millis: 940_000, ..HERE }),
            Verdict::Same,
            "a clock that is corrected"
        );
    }

    #[test]
    fn whatever_may_have_gone_back_in_time_is_of_another_era() {
        let suspect = [
            Here { file: FileId { inode: 9, ..FILE }, ..HERE },
            Here { file: FileId { birth: 9, ..FILE }, ..HERE },
            Here { start: 5, ..HERE },
            // The store beside it was put back.
            Here { start: 2, ..HERE },
            Here { millis: 939_999, ..HERE },
        ];
        for here in suspect {
            assert!(matches!(judge(&LEFT, &here), Verdict::OtherEra(_)), "{here:?}");
        }
    }

    #[test]
    fn what_nobody_can_read_is_begun_anew() {
        assert!(matches!(judge(&LEFT, &Here { mark: [2; 32], ..HERE }), Verdict::Anew(_)));
        assert!(matches!(judge(&Written { format: 2, ..LEFT }, &HERE), Verdict::Anew(_)));
    }
}
