//! A help desk's database: users, tickets, comments. Real SQLite, made up from a seed.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::chance::Chance;

const USERS: i64 = 240;
/// The first users answer tickets, the others write them.
const AGENTS: i64 = 12;
const TICKETS: i64 = 2_400;
const COMMENTS: i64 = 4_800;
/// Where history ends: 2026-11-01T00:00:00Z, in seconds since 1970.
const HISTORY_END: i64 = 1_793_491_200;
const HOUR: i64 = 3_600;

const TABLES: &str = "
    PRAGMA journal_mode = wal;
    PRAGMA synchronous = off;
    BEGIN;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('agent', 'customer'))
    );
    CREATE TABLE tickets (
        id INTEGER PRIMARY KEY, subject TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('open', 'pending', 'closed')),
        priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high')),
        agent_id INTEGER NOT NULL REFERENCES users, customer_id INTEGER NOT NULL REFERENCES users,
        created_at INTEGER NOT NULL, closed_at INTEGER
    );
    CREATE TABLE comments (
        id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES tickets,
        author_id INTEGER NOT NULL REFERENCES users, body TEXT NOT NULL, created_at INTEGER NOT NULL
    );
";
const INDEXES: &str = "
    CREATE INDEX tickets_by_status ON tickets (status, created_at);
    CREATE INDEX tickets_by_agent ON tickets (agent_id);
    CREATE INDEX comments_by_ticket ON comments (ticket_id);
    COMMIT;
";

const NAMES: &[&str] =
    &["Alba", "Bruno", "Chiara", "Dani", "Erik", "Fátima", "Gus", "Hana", "Iván", "Julia", "Kofi", "Lea"];
const SURNAMES: &[&str] =
    &["Alonso", "Berg", "Costa", "Díaz", "Evans", "Fuentes", "Gray", "Haas", "Iglesias", "Jansen"];
const PROBLEMS: &[&str] = &[
    "Cannot log in",
    "Invoice shows the wrong total",
    "Export never finishes",
    "App is slow in the morning",
    "Password mail does not arrive",
    "Photo upload fails",
    "Calendar is one hour off",
    "Printer prints blank pages",
    "Dashboard stays empty",
    "Cannot delete a contact",
];
const PLACES: &[&str] =
    &["on the phone", "in the office", "since the update", "for one customer", "in Firefox", "on Mondays"];
const REMARKS: &[&str] = &[
    "Can you send a screenshot?",
    "It works again, thank you.",
    "We could reproduce it.",
    "Still the same today.",
    "This is fixed in the next release.",
    "Here is the log of yesterday.",
    "Please try once more.",
];

/// Creates the database at `path`, in one transaction.
pub(super) fn create(path: &Path, seed: u64) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch(TABLES)?;
    let mut chance = Chance::new(seed);
    users(&connection, &mut chance)?;
    tickets(&connection, &mut chance)?;
    comments(&connection, &mut chance)?;
    connection.execute_batch(INDEXES)?;
    connection.close().map_err(|(_, error)| error)
}

fn users(connection: &Connection, chance: &mut Chance) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO users VALUES (?, ?, ?, ?)")?;
    for id in 1..=USERS {
        let name = format!("{} {}", chance.pick(NAMES), chance.pick(SURNAMES));
        let role = if id <= AGENTS { "agent" } else { "customer" };
        insert.execute(params![id, name, format!("{role}{id}@example.com"), role])?;
    }
    Ok(())
}

fn tickets(connection: &Connection, chance: &mut Chance) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    for id in 1..=TICKETS {
        // One every three hours: about ten months of work.
        let created = HISTORY_END - (TICKETS - id) * 3 * HOUR - chance.between(0, HOUR);
        let status = match chance.below(10) {
            0 => "open",
            1 => "pending",
            _ => "closed",
        };
        let closed = (status == "closed").then(|| created + chance.between(HOUR, 240 * HOUR));
        let subject = format!("{} {}", chance.pick(PROBLEMS), chance.pick(PLACES));
        let priority = chance.pick(&["low", "normal", "normal", "high"]);
        let (agent, customer) = (chance.between(1, AGENTS), chance.between(AGENTS + 1, USERS));
        insert.execute(params![id, subject, status, priority, agent, customer, created, closed])?;
    }
    Ok(())
}

fn comments(connection: &Connection, chance: &mut Chance) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO comments VALUES (?, ?, ?, ?, ?)")?;
    for id in 1..=COMMENTS {
        let (ticket, author) = (chance.between(1, TICKETS), chance.between(1, USERS));
        insert.execute(params![
            id,
            ticket,
            author,
            chance.pick(REMARKS),
            HISTORY_END - (COMMENTS - id) * HOUR
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_help_desk() {
        let folder = tempfile::tempdir().unwrap();
        let facts = |name: &str, seed| {
            let path = folder.path().join(name);
            create(&path, seed).unwrap();
            let facts = "SELECT count(*), sum(agent_id * id), group_concat(status) FROM tickets";
            let row = |row: &rusqlite::Row<'_>| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
            };
            Connection::open(path).unwrap().query_row(facts, [], row).unwrap()
        };
        assert_eq!(facts("a.db", 1), facts("b.db", 1));
        assert_ne!(facts("c.db", 2), facts("a2.db", 1));
        assert_eq!(facts("d.db", 1).0, TICKETS);
    }
}
