//! The fault matrix: every fault, on every use of the second tier, against what the table says beforehand.
//!
//! ```text
//!   table.txt ──▶ table.rs: rows, cells ──▶ cell.rs: one cell ──▶ history.rs: is any promise broken?
//!                 faults.rs: by their names ──▶   ▲
//!                 world.rs: nodes, server, ways ──┘
//! ```
//!
//! Ordinarily each fault is tried once, on one column in turn. With `ALACENA_MATRIX=all` (`cargo xtask long matrix`) all
//! cells are.

mod cell;
mod faults;
mod history;
mod table;
mod world;

use std::sync::Arc;

use alacena_testkit::servers::Flavour;
use futures_util::{StreamExt, stream};

use cell::{Found, run};
use table::{Column, Row, rows};

/// Cells that are tried at once. They wait more than they work.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_does_more_than_the_table_says() {
    if Flavour::Debian.program().is_none() {
        // Says so, aloud.
        let _ = alacena_testkit::servers::RedisServer::builder().start();
        return;
    }
    let rows: Vec<Arc<Row>> = rows().into_iter().map(Arc::new).collect();
    let wanted = std::env::var("ALACENA_MATRIX").unwrap_or_default();
    let cells = rows.iter().enumerate().flat_map(|(number, row)| {
        let columns: Vec<Column> = match wanted.as_str() {
            "" => vec![Column::ALL[number % Column::ALL.len()]],
            "all" => Column::ALL.to_vec(),
            one if row.fault.contains(one) => Column::ALL.to_vec(),
            _ => Vec::new(),
        };
        columns.into_iter().map(|column| (Arc::clone(row), column))
    });
    let cells: Vec<_> = cells.collect();
    let found: Vec<Found> = stream::iter(cells)
        .map(|(row, column)| run(row, column))
        .buffered(AT_ONCE)
        .inspect(|found| println!("{found}"))
        .collect()
        .await;
    let reads: usize = found.iter().map(|found| found.reads).sum();
    let wrong: Vec<&Found> = found.iter().filter(|found| !found.wrong.is_empty()).collect();
    let stale: usize = found.iter().map(|found| found.stale_as_fresh).sum();
    println!("{} cells, {reads} reads, stale served as fresh: {stale}", found.len());
    assert!(wrong.is_empty(), "{} cells are not as the table says:\n{wrong:#?}", wrong.len());
}
