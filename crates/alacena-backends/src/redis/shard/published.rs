//! What nodes tell one another over the server, where it does not tell of changes by itself.
//!
//! Whoever removes markers publishes their names behind that, on one channel for all nodes. A server writes what is
//! published to those who listen within the step that publishes it, so before every answer that it gives later: what a ping
//! proves of a server that tracks it proves of this, too. That a marker was there is not looked at: whoever holds a copy of
//! one that has been evicted has to hear of it all the same.

use alacena_core::tier::MarkerId;

use super::super::resp::{Command, Frame};

/// Where it is published. Channels know no databases: who listens hears of names that it does not know.
pub(super) const CHANNEL: &str = "alc:p";
/// So many names at once, so that no message is long.
const NAMES_MAX: usize = 512;

/// Commands that say that these keys were removed, as far as they are markers.
pub(super) fn removals(names: &[String]) -> Vec<Command> {
    let markers: Vec<&String> =
        names.iter().filter(|name| MarkerId::from_name(name.as_bytes()).is_some()).collect();
    markers.chunks(NAMES_MAX).map(|some| news(some.iter().copied())).collect()
}

/// The command that says that something became of these.
pub(super) fn news<'a>(names: impl IntoIterator<Item = &'a String>) -> Command {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    Command::new("PUBLISH").arg(CHANNEL).arg(names.join(" "))
}

/// The names in a push that says such a thing.
pub(super) fn names(push: &Frame) -> Option<impl Iterator<Item = &[u8]>> {
    let [kind, channel, names] = push.items()? else { return None };
    let is_news = kind.bytes()? == "message" && channel.bytes()? == CHANNEL;
    let names = names.bytes()?;
    is_news.then(|| names.split(|byte| *byte == b' '))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn bulk(text: &str) -> Frame {
        Frame::Bulk(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn markers_are_named_and_nothing_else_however_many_there_are() {
        let marker = |number| MarkerId::Dep(number).name();
        let (mut all, others) = ((0..600).map(marker).collect::<Vec<_>>(), MarkerId::Bucket(7).name());
        all.extend([others.clone(), "alc:e:{007}x".to_owned(), "foreign".to_owned()]);
        let commands = removals(&all);
        assert_eq!(commands.len(), 2);
        let said = |command: &Command| {
            let mut bytes = Vec::new();
            command.write(&mut bytes);
            String::from_utf8(bytes).expect("it is text")
        };
        assert!(said(&commands[0]).contains(&all[0]) && said(&commands[1]).contains(&others));
        assert!(!said(&commands[1]).contains("foreign") && !said(&commands[1]).contains("alc:e"));
    }

    #[test]
    fn what_was_published_is_read_and_what_others_publish_is_not() {
        let push = |channel: &str, kind: &str| {
            Frame::Push(vec![bulk(kind), bulk(channel), bulk("alc:m:t:1 alc:m:t:2")])
        };
        let read = |push: &Frame| names(push).map(|names| names.map(<[u8]>::len).collect::<Vec<_>>());
        assert_eq!(read(&push(CHANNEL, "message")), Some(vec![9, 9]));
        assert_eq!(read(&push("elsewhere", "message")), None);
        assert_eq!(read(&push(CHANNEL, "subscribe")), None);
        assert_eq!(read(&Frame::Push(vec![bulk("invalidate"), Frame::Null])), None);
    }
}
