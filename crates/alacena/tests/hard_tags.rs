//! What `hard_tags` of a read promise: once one is invalidated, nobody sees the answer again, not even while its source
//! is down.

use alacena::{
    Alacena, Ask, SystemRuntime,
    config::{Config, Layers},
    declared::Parameters,
    ledger::Target,
    outcome::Origin,
};

const DESK: &str = r#"
    [sources.desk]
    kind = "sqlite"
    path = "desk.db"

    [reads.file]
    source = "desk"
    sql = "select text from files where id = :id"
    result = "row"
    params.id = { type = "integer" }
    tags = ["file:{id}"]
    hard_tags = ["rights:{id}"]
"#;

#[tokio::test]
async fn an_invalidated_hard_tag_forbids_what_another_tag_lets_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("desk.db")).unwrap();
    database
        .execute_batch("create table files (id, text); insert into files values (1, 'a'), (2, 'b')")
        .unwrap();
    let file = folder.path().join("alacena.toml");
    std::fs::write(&file, DESK).unwrap();
    let config = Config::load(&Layers { file: Some(file), ..Layers::default() }).unwrap();
    let alacena = Alacena::open(&config, SystemRuntime::shared()).await.unwrap();
    assert_eq!(alacena.declared_read("file").unwrap().tags, ["file:{id}", "rights:{id}"]);
    let ask = async |id: &str| {
        let file = alacena.declared_read("file").unwrap();
        let parameters = Parameters::from_text(&file.parameters, [("id", id)]).unwrap();
        file.ask(parameters, Ask::default()).await
    };
    for id in ["1", "2"] {
        assert_eq!(ask(id).await.unwrap().origin(), Origin::Source);
    }
    database.execute_batch("drop table files").unwrap();
    let invalidated = [Target::Tag("file:1".to_owned()), Target::Tag("rights:2".to_owned())];
    alacena.invalidate(&invalidated, "test").await.unwrap();
    assert_eq!(ask("1").await.unwrap().origin(), Origin::Stale, "the source fails, and nothing forbids it");
    assert!(ask("2").await.is_err(), "whatever becomes of the source");
}
