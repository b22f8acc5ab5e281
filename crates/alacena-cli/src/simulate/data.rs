//! The account that the simulator begins with: a roofing company with two years of history, the same for the same seed.

use serde_json::{Value as Json, json};

use super::{
    books::{Books, Record, Resource},
    words,
};
use crate::chance::Chance;

/// Where history ends: 2026-11-01T00:00:00Z. Fixed, so that a seed makes the same records on every day.
pub(super) const HISTORY_END: i64 = 1_793_491_200;
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

const CONTACTS: usize = 240;
const JOBS: usize = 320;
const ACTIVITIES: usize = 900;
const FILES: usize = 480;
const ESTIMATES: usize = 210;
const TASKS: usize = 180;

/// The books of a company that follows from `seed`.
pub(super) fn company(seed: u64) -> Books {
    let mut chance = Chance::new(seed);
    let mut books = Books::new(chance.bits());
    let users =
        words::FIRST_NAMES.iter().take(12).map(|first| user(&mut books, &mut chance, first)).collect();
    let mut writer = Writer { books: books.with_users(users), chance };
    writer.fill(Resource::Contacts, CONTACTS, Writer::contact);
    writer.fill(Resource::Jobs, JOBS, Writer::job);
    writer.fill(Resource::Estimates, ESTIMATES, Writer::estimate);
    writer.fill(Resource::Tasks, TASKS, Writer::task);
    writer.fill(Resource::Files, FILES, Writer::file);
    writer.fill(Resource::Activities, ACTIVITIES, Writer::activity);
    for event in ["job.updated", "contact.updated", "estimate.approved"] {
        let url = format!("https://hooks.example.com/crm/{event}");
        writer.books.add(
            Resource::Webhooks,
            record(json!({ "event": event, "url": url })),
            HISTORY_END - YEAR,
        );
    }
    writer.books
}

/// The answer to `/account/settings`: the lists that other records choose from.
pub(super) fn settings() -> Json {
    let numbered = |names: &[&str]| -> Json {
        names.iter().zip(1..).map(|(name, id)| json!({ "id": id, "name": name })).collect()
    };
    let workflows: Json = words::JOB_TYPES
        .iter()
        .zip(1..)
        .map(|(name, id)| json!({ "id": id, "name": name, "object_type": "job", "status": numbered(words::JOB_STATUSES) }))
        .collect();
    let file_types: Json = words::FILE_TYPES
        .iter()
        .map(|(name, id, ..)| json!({ "FileTypeId": id, "TypeName": name }))
        .collect();
    json!({
        "workflows": workflows,
        "fileTypes": file_types,
        "taskTypes": numbered(words::TASK_TYPES),
        "activityTypes": numbered(words::ACTIVITY_TYPES),
        "sources": numbered(words::SOURCES),
    })
}

/// How other records point to this one: `{id, type, name, number}`.
pub(super) fn reference(record: &Record) -> Json {
    let name = ["name", "display_name", "title"].iter().find_map(|field| record.get(*field));
    json!({ "id": record["jnid"], "type": record["type"], "name": name, "number": record["number"] })
}

/// A record out of a JSON object.
pub(super) fn record(json: Json) -> Record {
    match json {
        Json::Object(record) => record,
        _ => unreachable!("records are written as JSON objects"),
    }
}

fn user(books: &mut Books, chance: &mut Chance, first: &str) -> Record {
    let last = chance.pick(words::LAST_NAMES);
    record(json!({
        "id": books.fresh_id(), "first_name": first, "last_name": last,
        "email": email(first, last), "is_active": true,
    }))
}

fn email(first: &str, last: &str) -> String {
    let plain = |name: &str| name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
    format!("{}.{}@example.com", plain(first), plain(last))
}

/// Writes the history, one kind of record after the other.
struct Writer {
    books: Books,
    chance: Chance,
}

impl Writer {
    /// Adds `count` records, the oldest first.
    fn fill(&mut self, resource: Resource, count: usize, write: impl Fn(&mut Self) -> Record) {
        let mut dates: Vec<i64> =
            (0..count).map(|_| HISTORY_END - self.chance.between(DAY, 2 * YEAR)).collect();
        dates.sort_unstable();
        for date in dates {
            let record = write(self);
            self.books.add(resource, record, date);
        }
    }

    fn contact(&mut self) -> Record {
        let (first, last) = (*self.chance.pick(words::FIRST_NAMES), *self.chance.pick(words::LAST_NAMES));
        let company = if self.chance.once_in(5) { *self.chance.pick(words::COMPANIES) } else { "" };
        let mut contact = self.place();
        contact.extend(self.choice("record_type", words::CONTACT_TYPES));
        contact.extend(self.choice("status", words::CONTACT_STATUSES));
        contact.extend(self.choice("source", words::SOURCES));
        contact.extend(self.people());
        contact.extend(record(json!({
            "display_name": if company.is_empty() { format!("{first} {last}") } else { company.to_owned() },
            "first_name": first, "last_name": last, "company": company, "email": email(first, last),
            "home_phone": "", "mobile_phone": self.phone(), "work_phone": "", "fax_number": "",
            "tags": if self.chance.once_in(6) { json!(["vip"]) } else { json!([]) },
            "related": [], "date_start": 0, "date_end": 0,
        })));
        contact
    }

    fn job(&mut self) -> Record {
        let contact = self.one_of(Resource::Contacts);
        let customer = contact["display_name"].as_str().unwrap_or_default().to_owned();
        let work = *self.chance.pick(words::WORKS);
        let total = self.chance.between(18, 420) * 100;
        let begin = HISTORY_END + self.chance.between(-300, 60) * DAY;
        let mut job = self.place();
        job.extend(self.choice("record_type", words::JOB_TYPES));
        job.extend(self.choice("status", words::JOB_STATUSES));
        job.extend(self.choice("source", words::SOURCES));
        job.extend(self.people());
        let primary = reference(&contact);
        job.extend(record(json!({
            "name": format!("{customer}: {work}"), "description": work, "primary": primary, "related": [primary],
            "tags": [], "approved_estimate_total": total, "approved_invoice_total": total / 2, "last_estimate": total,
            "date_start": begin, "date_end": begin + 3 * DAY,
        })));
        job
    }

    fn estimate(&mut self) -> Record {
        let items: Vec<Json> = (0..self.chance.between(2, 5)).map(|_| self.item()).collect();
        let total: i64 = items.iter().filter_map(|item| item["amount"].as_i64()).sum();
        let mut estimate = self.choice("status", words::ESTIMATE_STATUSES);
        estimate.extend(self.about_a_job());
        estimate.extend(self.people());
        estimate.extend(record(json!({
            "name": "Estimate", "items": items, "subtotal": total, "tax": 0, "total": total, "date_estimate": 0,
        })));
        estimate
    }

    fn item(&mut self) -> Json {
        let (name, unit, price) = *self.chance.pick(words::MATERIALS);
        let quantity = self.chance.between(4, 38);
        json!({ "name": name, "uom": unit, "quantity": quantity, "price": price, "amount": quantity * price })
    }

    fn task(&mut self) -> Record {
        let mut task = self.choice("record_type", words::TASK_TYPES);
        let begin = HISTORY_END + self.chance.between(-90, 60) * DAY + self.chance.between(13, 22) * 3600;
        let kind = task["record_type_name"].as_str().unwrap_or_default().to_owned();
        task.extend(self.about_a_job());
        task.extend(self.people());
        task.extend(record(json!({
            "title": kind, "description": self.chance.pick(words::NOTES),
            "priority": self.chance.between(1, 3), "is_completed": begin < HISTORY_END,
            "date_start": begin, "date_end": begin + 3600,
        })));
        task
    }

    fn file(&mut self) -> Record {
        let (kind, number, name, media) = *self.chance.pick(words::FILE_TYPES);
        let mut file = self.about_a_job();
        file.extend(self.people());
        file.extend(record(json!({
            "record_type": number, "record_type_name": kind, "filename": name, "content_type": media,
            "size": self.chance.between(9_000, 4_000_000), "description": "",
        })));
        file
    }

    fn activity(&mut self) -> Record {
        let mut activity = self.choice("record_type", words::ACTIVITY_TYPES);
        activity.extend(self.about_a_job());
        activity.extend(self.people());
        activity.insert("note".to_owned(), (*self.chance.pick(words::NOTES)).into());
        activity
    }

    /// `<what>` and `<what>_name`: one of the account's lists.
    fn choice(&mut self, what: &str, names: &[&str]) -> Record {
        let number = self.chance.below(names.len() as u64);
        let name = names[number as usize];
        Record::from_iter([(what.to_owned(), (number + 1).into()), (format!("{what}_name"), name.into())])
    }

    /// Who looks after it.
    fn people(&mut self) -> Record {
        let user = self.chance.pick(self.books.users());
        let name = format!(
            "{} {}",
            user["first_name"].as_str().unwrap_or(""),
            user["last_name"].as_str().unwrap_or("")
        );
        record(json!({
            "customer": "acc_roofing", "location": { "id": 1 }, "owners": [{ "id": user["id"] }],
            "sales_rep": user["id"], "sales_rep_name": name, "created_by": user["id"], "created_by_name": name,
        }))
    }

    /// An address with its place on the map.
    fn place(&mut self) -> Record {
        let (city, state, postal, latitude, longitude) = *self.chance.pick(words::CITIES);
        let away = |chance: &mut Chance| chance.between(-900, 900) as f64 / 10_000.0;
        record(json!({
            "address_line1": format!("{} {}", self.chance.between(10, 2400), self.chance.pick(words::STREETS)),
            "address_line2": "", "city": city, "state_text": state, "country_name": "United States",
            "zip": format!("{postal}{:02}", self.chance.below(100)),
            "geo": { "lat": latitude + away(&mut self.chance), "lon": longitude + away(&mut self.chance) },
        }))
    }

    /// 555-01xx: numbers that nobody has.
    fn phone(&mut self) -> String {
        format!("({}) 555-01{:02}", self.chance.between(201, 989), self.chance.below(100))
    }

    /// What ties a record to a job and to the job's contact.
    fn about_a_job(&mut self) -> Record {
        let job = self.one_of(Resource::Jobs);
        let primary = reference(&job);
        record(json!({ "primary": primary, "related": [primary, job["primary"]] }))
    }

    fn one_of(&mut self, resource: Resource) -> Record {
        self.chance.pick(self.books.records(resource)).clone()
    }
}
