//! The reference page says what the tables say. `UPDATE=1 cargo test -p alacena --test config_reference` writes it.

use std::{fs, path::Path};

#[test]
fn the_reference_of_the_configuration_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let expected = alacena::config::reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        fs::write(&page, &expected).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert!(written == expected, "docs/reference/configuration.md is out of date: run `cargo xtask docs`");
}
