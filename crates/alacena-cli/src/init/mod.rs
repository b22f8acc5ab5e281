//! What `alacena init` begins with: a configuration that explains itself, and a small database for it to ask.

use std::{fs, io, path::Path};

use rusqlite::Connection;

/// The configuration, as it is written.
pub(crate) const CONFIGURATION: &str = include_str!("alacena.toml");
/// Its name.
pub(crate) const CONFIGURATION_FILE: &str = "alacena.toml";
/// The database's name, as the configuration calls it.
pub(crate) const DATABASE_FILE: &str = "shop.db";

const SHOP: &str = "
    BEGIN;
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products, quantity INTEGER NOT NULL
    );
    INSERT INTO products (name, price_cents) VALUES
        ('Olive oil', 1190), ('Chickpeas', 195), ('Rice', 240), ('Almonds', 560), ('Honey', 780), ('Saffron', 990),
        ('Anchovies', 430), ('Sea salt', 150), ('Paprika', 320), ('Vinegar', 410);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
    INSERT INTO orders (product_id, quantity) SELECT 1 + i * i % 10, 1 + i * 7 % 5 FROM n;
    CREATE INDEX orders_by_product ON orders (product_id);
    COMMIT;
";

/// Creates the database at `path`, in place of what is there.
pub(crate) fn create_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let create = || Connection::open(path)?.execute_batch(SHOP);
    create().map_err(io::Error::other)
}
