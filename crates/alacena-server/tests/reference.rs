//! The reference pages in `docs/` are what the code says.

use std::path::PathBuf;

#[test]
fn the_reference_pages_are_up_to_date() {
    let pages = [
        ("http", alacena_server::http_reference()),
        ("metrics", alacena_server::metrics_reference()),
        ("errors", alacena_server::errors_reference()),
    ];
    for (name, expected) in pages {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/reference/{name}.md"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == expected,
            "docs/reference/{name}.md is out of date: UPDATE=1 cargo test -p alacena-server --test reference"
        );
    }
}
