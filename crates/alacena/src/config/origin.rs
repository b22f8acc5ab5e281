//! Where a value, or a problem with it, comes from.

use std::{fmt, sync::Arc};

/// Where one value of a configuration comes from, lowest layer first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything: the default.
    Default,
    /// The configuration file.
    File {
        /// Its name as it was given.
        name: Arc<str>,
        /// The line, from 1; 0 stands for the file as a whole.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// A name in the environment.
    Environment {
        /// The name.
        name: Arc<str>,
    },
    /// A flag of the command line.
    Flag {
        /// The path that it sets.
        path: Arc<str>,
    },
}

impl Origin {
    /// The file, the line and the column that something stands in, as far as it does.
    #[must_use]
    pub fn place(&self) -> (Option<&str>, Option<usize>, Option<usize>) {
        match self {
            Origin::File { name, line, column } if *line > 0 => (Some(name), Some(*line), Some(*column)),
            Origin::File { name, .. } => (Some(name), None, None),
            _ => (None, None, None),
        }
    }

    /// The file `name` as a whole.
    pub(super) fn whole(name: &str) -> Self {
        Origin::File { name: name.into(), line: 0, column: 0 }
    }

    /// The environment name `name`.
    pub(super) fn environment(name: &str) -> Self {
        Origin::Environment { name: name.into() }
    }

    /// The flag that sets `path`.
    pub(super) fn flag(path: &str) -> Self {
        Origin::Flag { path: path.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { name, line: 0, .. } => f.write_str(name),
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Environment { name } => write!(f, "environment {name}"),
            Origin::Flag { path } => write!(f, "flag {path}"),
        }
    }
}
