//! What is generated from the tables of the configuration says what they say. `cargo xtask docs` writes it anew.

use std::{fs, path::Path};

fn is_up_to_date(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(&path, expected).expect("it can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/reference/{page} is out of date: run `cargo xtask docs`");
}

#[test]
fn the_reference_of_the_configuration_is_up_to_date() {
    is_up_to_date("configuration.md", &alacena::config::reference());
}

#[test]
fn the_schema_for_editors_is_up_to_date() {
    is_up_to_date("alacena.schema.json", &format!("{:#}\n", alacena::config::json_schema()));
}
