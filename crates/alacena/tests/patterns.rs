//! Patterns over keys, end to end: what matches is asked anew, what need not be is still answered.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;

use alacena::{
    Alacena, Ask, SystemRuntime,
    config::{Config, Layers},
    declared::Parameters,
    error::{Error, Kind, catalogue},
    ledger::Target,
};

const CRM: &str = r#"
    [sources.crm]
    kind = "sqlite"
    path = "crm.db"

    [classes.activities]
    index = ["job_id", "kind"]

    [reads.activities]
    source = "crm"
    class = "activities"
    sql = "select id from activities where job = :job_id and kind = :kind limit :size"
    key = "activities:list:{kind|all}:{job_id|any}:{size}"
    params.job_id = { type = "integer", required = false }
    params.kind = { type = "string", required = false, choices = ["call", "mail"] }
    params.size = { type = "integer", default = 50 }

    [reads.activity_notes]
    source = "crm"
    class = "activities"
    sql = "select text from notes where job = :job_id"
    key = "activities:notes:{job_id}"
    params.job_id = { type = "string" }

    [reads.jobs]
    source = "crm"
    sql = "select id from jobs where status = :status"
    key = "jobs:list:{status}"
    params.status = { type = "string" }

    [writes.log_call]
    source = "crm"
    sql = "insert into activities values (1, :job_id, 'call')"
    params.job_id = { type = "string" }
    invalidates = [{ pattern = "activities:*:{job_id}" }, { pattern = "activities:list:call:{job_id}:*" }]
"#;

struct Crm {
    alacena: Alacena,
    _folder: tempfile::TempDir,
}

impl Crm {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = rusqlite::Connection::open(folder.path().join("crm.db")).unwrap();
        let tables = "create table activities (id, job, kind); create table notes (job, text); create table jobs (id, status)";
        database.execute_batch(tables).unwrap();
        let config = configuration(folder.path(), CRM).unwrap();
        let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
        Self { alacena, _folder: folder }
    }

    async fn is_hit(&self, read: &str, given: &[(&str, &str)]) -> bool {
        let read = self.alacena.declared_read(read).unwrap();
        let call = Parameters::from_text(&read.parameters, given.iter().copied()).unwrap();
        read.ask(call, Ask::default()).await.unwrap().is_hit()
    }

    /// Which of a few questions are still answered from memory; afterwards all of them are.
    async fn still_there(&self) -> Vec<&'static str> {
        let mut there = Vec::new();
        for (name, read, given) in [
            ("all", "activities", &[][..]),
            ("of 42", "activities", &[("job_id", "42")]),
            ("calls of 42", "activities", &[("job_id", "42"), ("kind", "call"), ("size", "7")]),
            ("calls", "activities", &[("kind", "call")]),
            ("mails of 7", "activities", &[("kind", "mail"), ("job_id", "7")]),
            ("notes of 42", "activity_notes", &[("job_id", "42")]),
            ("notes of *", "activity_notes", &[("job_id", "*")]),
            ("open jobs", "jobs", &[("status", "open")]),
        ] {
            if self.is_hit(read, given).await {
                there.push(name);
            }
        }
        there
    }

    async fn invalidate(&self, pattern: &str) -> Result<(), Error> {
        let target = Target::Pattern(pattern.to_owned());
        self.alacena.invalidate(&[target], "test").await.map(|_| ())
    }
}

fn configuration(folder: &Path, text: &str) -> Result<Config, String> {
    let file = folder.join("alacena.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&Layers { file: Some(file), ..Layers::default() }).map_err(|problems| problems.to_string())
}

#[tokio::test]
async fn what_matches_is_asked_anew() {
    let crm = Crm::open().await;
    crm.still_there().await;
    assert_eq!(crm.still_there().await.len(), 8);
    for (pattern, gone) in [
        ("activities:list:*:42:*", &["of 42", "calls of 42", "notes of 42"][..]),
        ("activities:list:*:042:7", &["of 42", "calls of 42", "notes of 42"]),
        ("activities:list:call:*", &["calls of 42", "calls"]),
        ("activities:list:*:any:*", &["all", "of 42", "calls of 42", "calls", "mails of 7"]),
        ("activities:notes:%2A", &["notes of *"]),
        ("activities:notes:*", &["notes of 42", "notes of *"]),
        ("jobs:*", &["open jobs"]),
        (
            "*",
            &["all", "of 42", "calls of 42", "calls", "mails of 7", "notes of 42", "notes of *", "open jobs"],
        ),
    ] {
        let before = crm.still_there().await;
        crm.invalidate(pattern).await.unwrap();
        let after = crm.still_there().await;
        let missing: Vec<_> = before.into_iter().filter(|name| !after.contains(name)).collect();
        assert_eq!(missing, gone, "{pattern}");
    }
}

#[tokio::test]
async fn a_pattern_that_cannot_be_kept_is_refused_with_what_to_do() {
    let crm = Crm::open().await;
    crm.still_there().await;
    for (pattern, hint) in [
        ("jobs:list:open", "declare it: classes.jobs.index = [\"status\"]"),
        ("activities:list:*:*:7", "classes.activities.index = [\"job_id\", \"kind\", \"size\"]"),
        ("activities:list:*:seven:*", "there are: activities:list:{kind|all}:{job_id|any}:{size}, "),
        ("activity:*", "nothing has a key that it could match"),
        ("activities:list:c*:*", "write `%2A` for the character"),
    ] {
        let refused = crm.invalidate(pattern).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind()), (&catalogue::KEY_INVALID, Kind::Invalid));
        assert!(refused.detail().contains(hint), "{refused}");
    }
    assert_eq!(crm.still_there().await.len(), 8, "nothing was invalidated");
}

#[tokio::test]
async fn a_write_invalidates_what_matches_its_values_and_no_more() {
    let crm = Crm::open().await;
    crm.still_there().await;
    let write = async |job: &str| {
        let write = crm.alacena.declared_write("log_call").unwrap();
        let call = Parameters::from_text(&write.parameters, [("job_id", job)]).unwrap();
        write.send(call, [].into()).await.unwrap()
    };
    let written = write("42").await;
    assert_eq!(written.targets[1], Target::Pattern("activities:list:call:42:*".to_owned()));
    assert_eq!(
        crm.still_there().await,
        ["all", "calls", "mails of 7", "notes of *", "open jobs"],
        "an index is of the class"
    );
    // A star that a caller sends is a value like any other.
    let written = write("*").await;
    assert_eq!(written.targets[0], Target::Pattern("activities:*:%2A".to_owned()));
    assert_eq!(crm.still_there().await.len(), 7);
    let shown = crm.alacena.declared_write("log_call").unwrap();
    assert_eq!(shown.invalidates[0], "pattern activities:*:{job_id}");
}

#[test]
fn the_check_refuses_what_could_not_be_invalidated() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |from: &str, to: &str| {
        assert!(CRM.contains(from), "{from}");
        configuration(folder.path(), &CRM.replace(from, to)).unwrap_err()
    };
    assert!(configuration(folder.path(), CRM).is_ok());
    let without = problem("index = [\"job_id\", \"kind\"]", "index = []");
    assert!(without.contains("writes.log_call.invalidates[0]: names a value of `job_id`"), "{without}");
    assert!(without.contains("Declare it: classes.activities.index = [\"job_id\"]."), "{without}");
    let slip = problem("\"kind\"]", "\"jobid\"]");
    assert!(
        slip.contains(
            "classes.activities.index[1]: no key of this class names this parameter; did you mean `job_id`?"
        ),
        "{slip}"
    );
    assert!(problem("\"kind\"]", "\"job_id\"]").contains("index[1]: is named twice"));
    let many = problem("\"kind\"]", "\"kind\", \"size\", \"a\", \"b\"]");
    assert!(many.contains("classes.activities.index"), "{many}");
    assert!(
        problem("activities:*:{job_id}", "activity:*:{job_id}").contains("nothing depends on this pattern")
    );
    assert!(problem("activities:*:{job_id}", "activities:*:x{job_id}").contains("segment of several parts"));
    assert!(problem("activities:*:{job_id}", "acti*:{job_id}").contains("write `%2A`"));
    let tags = (0..9).map(|at| format!("\"t{at}\"")).collect::<Vec<_>>().join(", ");
    let deep =
        problem("\"activities:notes:{job_id}\"", &format!("\"a:b:c:d:{{job_id}}\"\n    tags = [{tags}]"));
    assert!(deep.contains("the `index` of its class make an entry depend on 17 things"), "{deep}");
}
