//! The records of the simulated CRM, by resource: found by id, listed, added, changed, never deleted.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::chance::Chance;

/// One record: whatever keys it has, in the order in which they were written.
pub(super) type Record = Map<String, Json>;

/// A resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Contacts,
    Jobs,
    Tasks,
    Activities,
    Files,
    Estimates,
    /// Not part of the API's documents: a listing of our own, so that `get_webhooks` has something to ask.
    Webhooks,
}

impl Resource {
    pub(super) const ALL: [Resource; 7] = [
        Resource::Contacts,
        Resource::Jobs,
        Resource::Tasks,
        Resource::Activities,
        Resource::Files,
        Resource::Estimates,
        Resource::Webhooks,
    ];

    /// Its path below the base address.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Resource::Contacts => "/contacts",
            Resource::Jobs => "/jobs",
            Resource::Tasks => "/tasks",
            Resource::Activities => "/activities",
            Resource::Files => "/files",
            Resource::Estimates => "/v2/estimates",
            Resource::Webhooks => "/webhooks",
        }
    }

    /// The member of a listing that holds the records; every resource has its own idea of it.
    pub(super) const fn envelope(self) -> &'static str {
        match self {
            Resource::Activities => "activity",
            Resource::Files => "files",
            _ => "results",
        }
    }

    /// What one record of it is called, in `type` and in the texts of activities.
    pub(super) const fn singular(self) -> &'static str {
        match self {
            Resource::Contacts => "contact",
            Resource::Jobs => "job",
            Resource::Tasks => "task",
            Resource::Activities => "activity",
            Resource::Files => "attachment",
            Resource::Estimates => "estimate",
            Resource::Webhooks => "webhook",
        }
    }

    /// The members of which a new record needs at least one; empty: records of this kind are not created here.
    pub(super) const fn needs_one_of(self) -> &'static [&'static str] {
        match self {
            Resource::Contacts => &["display_name", "first_name", "last_name", "company"],
            Resource::Jobs | Resource::Estimates => &["name"],
            Resource::Tasks => &["title"],
            Resource::Activities => &["note"],
            Resource::Files | Resource::Webhooks => &[],
        }
    }
}

#[derive(Default)]
struct Shelf {
    records: Vec<Record>,
    by_id: HashMap<String, usize>,
}

/// Everything that the simulated account holds.
pub(super) struct Books {
    shelves: [Shelf; Resource::ALL.len()],
    users: Vec<Record>,
    chance: Chance,
    recid_last: i64,
}

impl Books {
    /// Empty books whose ids follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { shelves: Default::default(), users: Vec::new(), chance: Chance::new(seed), recid_last: 1000 }
    }

    /// The same books with the people who work with the account.
    pub(super) fn with_users(self, users: Vec<Record>) -> Self {
        Self { users, ..self }
    }

    /// The people who work with the account.
    pub(super) fn users(&self) -> &[Record] {
        &self.users
    }

    /// Every record of `resource`, in order of creation, those that are inactive included.
    pub(super) fn records(&self, resource: Resource) -> &[Record] {
        &self.shelves[resource as usize].records
    }

    /// The record of this id.
    pub(super) fn find(&self, resource: Resource, jnid: &str) -> Option<&Record> {
        let shelf = &self.shelves[resource as usize];
        shelf.by_id.get(jnid).map(|at| &shelf.records[*at])
    }

    /// Keeps `record` as a new one: with an id, a number and the two dates, active. Answers what is kept.
    pub(super) fn add(&mut self, resource: Resource, record: Record, seconds: i64) -> &Record {
        self.recid_last += 1;
        let jnid = self.fresh_id();
        let mut kept = Record::new();
        kept.insert("jnid".to_owned(), jnid.as_str().into());
        kept.insert("recid".to_owned(), self.recid_last.into());
        kept.insert("number".to_owned(), self.recid_last.to_string().into());
        kept.insert("type".to_owned(), resource.singular().into());
        kept.insert("is_active".to_owned(), true.into());
        kept.insert("is_archived".to_owned(), false.into());
        kept.insert("date_created".to_owned(), seconds.into());
        kept.insert("date_updated".to_owned(), seconds.into());
        kept.extend(record.into_iter().filter(|(name, _)| !FIXED.contains(&name.as_str())));
        let shelf = &mut self.shelves[resource as usize];
        let at = shelf.records.len();
        shelf.by_id.insert(jnid, at);
        shelf.records.push(kept);
        &shelf.records[at]
    }

    /// Lays `changes` over the record of this id. Answers what is kept, or `None` where there is no such record.
    pub(super) fn change(
        &mut self,
        resource: Resource,
        jnid: &str,
        changes: Record,
        seconds: i64,
    ) -> Option<&Record> {
        let shelf = &mut self.shelves[resource as usize];
        let record = &mut shelf.records[*shelf.by_id.get(jnid)?];
        if ["status", "status_name"]
            .iter()
            .any(|name| changes.get(*name).is_some_and(|to| record.get(*name) != Some(to)))
        {
            record.insert("date_status_change".to_owned(), seconds.into());
        }
        record.extend(changes.into_iter().filter(|(name, _)| !FIXED.contains(&name.as_str())));
        record.insert("date_updated".to_owned(), seconds.into());
        Some(record)
    }

    /// An id in the form of the real ones: lower-case letters and digits.
    pub(super) fn fresh_id(&mut self) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        (0..24).map(|_| char::from(*self.chance.pick(DIGITS))).collect()
    }
}

/// What no caller can change.
const FIXED: [&str; 5] = ["jnid", "recid", "type", "date_created", "date_updated"];
