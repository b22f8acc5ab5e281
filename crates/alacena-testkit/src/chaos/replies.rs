//! Faults that exchange, repeat, replace or leave out whole replies and pushes.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{line::now, rule::Active, scanner::Scanner};

/// A reply that is longer is passed on as it comes.
const LONGEST: usize = 1024 * 1024;

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What somebody has asked for.
    Reply,
    /// What nobody has.
    Push,
}

/// What becomes of it.
pub(super) enum Deed {
    Pass,
    Twice,
    Omit,
    /// This error comes in its place.
    Instead(&'static str),
    /// Behind the next one, if that comes in time.
    Swap(Arc<Active>, Duration),
}

/// The replies of one connection, on their way to the client.
#[derive(Default)]
pub(super) struct Replies {
    scanner: Scanner,
    /// A reply of which the end has not come, held back as something may become of it.
    partial: Vec<u8>,
    /// The beginning of the reply that is being read has been passed on.
    has_begun: bool,
    waiting: Option<Waiting>,
}

/// A reply that waits for its neighbour.
struct Waiting {
    reply: Vec<u8>,
    until: Instant,
    rule: Arc<Active>,
}

impl Replies {
    /// Answers what is to be passed on now. `judge` decides about each reply and push; without one nothing is
    /// held back.
    pub(super) fn pass(&mut self, mut chunk: &[u8], mut judge: Option<impl FnMut(Kind) -> Deed>) -> Vec<u8> {
        let mut out = if judge.is_none() { self.release() } else { Vec::new() };
        while !chunk.is_empty() {
            let (length, ended) = self.scanner.feed(chunk);
            let (part, rest) = chunk.split_at(length);
            chunk = rest;
            match &mut judge {
                Some(judge) if self.may_hold(part) => {
                    self.partial.extend_from_slice(part);
                    if ended {
                        let reply = mem::take(&mut self.partial);
                        self.decide(reply, judge, &mut out);
                    }
                }
                _ => {
                    out.append(&mut self.partial);
                    out.extend_from_slice(part);
                    self.has_begun = !ended;
                }
            }
        }
        out
    }

    /// Lets go of everything that is held back.
    pub(super) fn release(&mut self) -> Vec<u8> {
        let mut out = self.waiting.take().map(|waiting| waiting.reply).unwrap_or_default();
        self.has_begun |= !self.partial.is_empty();
        out.append(&mut self.partial);
        out
    }

    /// Until when a reply waits for its neighbour.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.until)
    }

    fn may_hold(&self, part: &[u8]) -> bool {
        !self.has_begun && !self.scanner.is_opaque() && self.partial.len() + part.len() <= LONGEST
    }

    fn decide(&mut self, mut reply: Vec<u8>, judge: &mut impl FnMut(Kind) -> Deed, out: &mut Vec<u8>) {
        let kind = if self.scanner.is_push() { Kind::Push } else { Kind::Reply };
        if kind == Kind::Reply
            && let Some(mut waiting) = self.waiting.take()
        {
            let swapped = waiting.rule.act();
            let (first, second) =
                if swapped { (&mut reply, &mut waiting.reply) } else { (&mut waiting.reply, &mut reply) };
            out.append(first);
            out.append(second);
            return;
        }
        match judge(kind) {
            Deed::Omit => {}
            Deed::Pass => out.append(&mut reply),
            Deed::Twice => {
                out.extend_from_slice(&reply);
                out.append(&mut reply);
            }
            Deed::Instead(error) => out.extend_from_slice(format!("-{error}\r\n").as_bytes()),
            Deed::Swap(rule, wait) => self.waiting = Some(Waiting { reply, until: now() + wait, rule }),
        }
    }
}
