//! SQL of declared reads and writes, judged by its words and by SQLite.

use alacena_backends::sqlite::{Purpose, check, named_parameters};
use rusqlite::Connection;

use crate::text;

thread_local! {
    static DATABASE: Connection = {
        let database = Connection::open_in_memory().expect("memory is there");
        database.execute_batch("create table t (a, b); create view v as select a from t").expect("it is SQL");
        database
    };
}

/// Whatever passes as a read changes nothing, by SQLite's own judgement, and has the parameters that SQLite sees.
pub fn sql(data: &[u8]) {
    let text = text(data);
    let names = named_parameters(&text);
    for purpose in [Purpose::Read, Purpose::Write] {
        if check(&text, purpose).is_err() {
            continue;
        }
        let Ok(names) = &names else { continue };
        DATABASE.with(|database| {
            // Only compiled, never run. What SQLite does not understand is refused when a source is opened.
            let Ok(statement) = database.prepare(&text) else { return };
            if purpose == Purpose::Read {
                assert!(statement.readonly(), "a read that changes something");
            }
            let theirs: Vec<&str> = (1..=statement.parameter_count())
                .map(|at| statement.parameter_name(at).expect("a parameter without a name was let through"))
                .map(|name| {
                    name.strip_prefix(':').expect("a parameter that is not written :name was let through")
                })
                .collect();
            assert_eq!(names, &theirs, "the parameters that SQLite sees");
        });
    }
}
