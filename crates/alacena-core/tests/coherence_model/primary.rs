//! A server, as the model keeps it between two steps: what it holds, and nothing of how.

use alacena_core::tier::{Begin, EntryId, Era, MarkerId, Nonce, Store};
use alacena_testkit::tier::{Name, Server};

use super::{
    envelope::Envelope,
    model::{ENTRY, SOME_TIME},
    state::{DEPS, Told},
};

/// What a server keeps of the one key and of its deps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    pub(crate) markers: [Option<Nonce>; DEPS],
    pub(crate) entry: Option<Envelope>,
    pub(crate) lease: Option<Nonce>,
}

/// One primary. While its replica hears of everything, that has the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Primary {
    pub(crate) era: Era,
    pub(crate) kept: Kept,
    /// What the replica has that does not hear of anything any more.
    pub(crate) behind: Option<Kept>,
    pub(crate) is_full: bool,
    /// What was told in this round, node by node: only where rounds count.
    pub(crate) round: Vec<Vec<Told>>,
}

impl Primary {
    /// Takes one step of the server of the testkit, put together for it and taken apart again.
    pub(crate) fn serve<R>(&mut self, step: impl FnOnce(&mut Server) -> R) -> (R, Server) {
        let mut server = self.kept.on_a_server(self.era);
        server.set_full(self.is_full);
        let done = step(&mut server);
        self.kept = Kept::of(&server);
        (done, server)
    }

    /// Another era begins, with this.
    pub(crate) fn begin_anew(&mut self, kept: Kept) {
        (self.era, self.kept, self.behind) = (Era(self.era.0 + 1), kept, None);
        self.round.iter_mut().for_each(Vec::clear);
    }
}

impl Kept {
    fn of(server: &Server) -> Self {
        let mut kept = Self::default();
        for (name, item) in server.kept() {
            match name {
                Name::Marker(marker) => kept.markers[slot(marker)] = Nonce::from_bytes(&item.bytes),
                Name::Entry(_) => kept.entry = Some(Envelope::decode(&item.bytes)),
                Name::Lease(_) => kept.lease = Nonce::from_bytes(&item.bytes),
            }
        }
        kept
    }

    /// A server that holds this, in this era: everything was put there in the era that it says, one after the other.
    fn on_a_server(&self, era: Era) -> Server {
        let nonces = || self.markers.iter().chain([&self.lease]).flatten();
        let first = nonces().map(|nonce| nonce.era).min().unwrap_or(era).min(era);
        let mut server = Server::new(first);
        if let Some(entry) = self.entry {
            let attempt = Nonce { era: first, random: 0 };
            let begin = Begin { entry: ENTRY.into(), attempt, seen: None, lease: SOME_TIME };
            let store = Store { entry: ENTRY.into(), attempt, envelope: entry.encode(), keep: SOME_TIME };
            server.begin(&begin, 0).unwrap();
            server.store(&store, 0).unwrap();
        }
        for now in first.0..=era.0 {
            let now = Era(now);
            if now > first {
                server.restart(now, true);
            }
            for (at, nonce) in self.markers.iter().enumerate() {
                if let Some(nonce) = nonce.filter(|nonce| nonce.era == now) {
                    server.mint(now, &[(marker_at(at), nonce)], 1, 0).unwrap();
                }
            }
            if let Some(attempt) = self.lease.filter(|lease| lease.era == now) {
                // Whatever is stored, it has been seen.
                let seen = self.entry.map(|entry| entry.fill);
                server.begin(&Begin { entry: ENTRY.into(), attempt, seen, lease: SOME_TIME }, 0).unwrap();
            }
        }
        server.take_changes();
        server
    }
}

/// Where a marker stands among those of a server: the bucket's behind those of the tags.
pub(crate) fn slot(marker: MarkerId) -> usize {
    match marker {
        MarkerId::Dep(number) => usize::try_from(number).expect("there are few") - 1,
        MarkerId::Bucket(_) => DEPS - 1,
    }
}

pub(crate) fn marker_at(slot: usize) -> MarkerId {
    match slot == DEPS - 1 {
        true => EntryId::bucket_marker(ENTRY),
        false => MarkerId::Dep(slot as u128 + 1),
    }
}
