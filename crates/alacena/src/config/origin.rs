//! Where a value came from.

use std::fmt;

/// Where one value of a configuration came from, lowest layer first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// Its name as it was given.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// A name in the environment.
    Environment {
        /// The name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// The path that it sets.
        path: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Environment { name } => write!(f, "environment {name}"),
            Origin::Flag { path } => write!(f, "flag {path}"),
        }
    }
}
