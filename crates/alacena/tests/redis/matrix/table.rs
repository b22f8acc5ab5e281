//! The table of the fault matrix, which says what is expected before anything is run.

use std::time::Duration;

use alacena::{Level, outcome::Origin};

/// What a fault is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Read,
    Fill,
    Invalidate,
    Flight,
    Link,
}

impl Column {
    /// In the order of the table.
    pub(crate) const ALL: [Column; 5] =
        [Column::Read, Column::Fill, Column::Invalidate, Column::Flight, Column::Link];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Column::Read => "read",
            Column::Fill => "fill",
            Column::Invalidate => "invalidate",
            Column::Flight => "flight",
            Column::Link => "link",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) cells: [Expected; 5],
    pub(crate) proves: &'static str,
}

impl Row {
    pub(crate) fn expected(&self, column: Column) -> Expected {
        self.cells[column as usize]
    }
}

/// What a cell may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    what: &'static str,
    /// How much longer than without the fault anything may take.
    pub(crate) within: Duration,
}

impl Expected {
    /// Whether an answer may come from there.
    pub(crate) fn allows(&self, origin: Origin) -> bool {
        match self.what {
            "shared" => matches!(origin, Origin::L1 | Origin::L2 | Origin::Source),
            _ => true,
        }
    }

    /// Whether an invalidation may have gone so far.
    pub(crate) fn allows_level(&self, level: Level) -> bool {
        match self.what {
            "applied" => level.is_applied(),
            "deferred" => level == Level::Deferred,
            _ => level != Level::DeferredVolatile,
        }
    }

    /// How many loads two nodes may make of one key.
    pub(crate) fn loads(&self) -> u64 {
        self.what.parse().unwrap_or(2)
    }

    fn parse(column: Column, text: &'static str) -> Self {
        let (what, within) = text.trim().split_once(' ').unwrap_or_else(|| panic!("`{text}` is no cell"));
        let words: &[&str] = match column {
            Column::Read | Column::Fill | Column::Link => &["shared", "alone"],
            Column::Invalidate => &["applied", "deferred", "either"],
            Column::Flight => &["1", "2"],
        };
        assert!(words.contains(&what), "`{what}` is nothing that can be expected of {}", column.name());
        Self { what, within: Duration::from_millis(within.parse().unwrap()) }
    }
}

/// The table.
pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("table.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut lines = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    assert_eq!(head[1..6], Column::ALL.map(Column::name), "the columns are in this order");
    let rows = lines.map(|line| Row {
        fault: line[0],
        cells: Column::ALL.map(|column| Expected::parse(column, line[column as usize + 1])),
        proves: line[6],
    });
    rows.collect()
}
