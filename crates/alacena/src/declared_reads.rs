//! Declared reads and writes, as the configuration turned out.

use std::time::Duration;

use alacena_core::declared::Parameter;

/// A named, parameterised, cached question to a source.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its name: its endpoint and its MCP tool.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// What it answers.
    pub description: String,
    /// What it accepts.
    pub parameters: Vec<Parameter>,
    /// The class of its entries.
    pub class: String,
    /// The source it asks.
    pub source: String,
    /// Whether callers need no token.
    pub public: bool,
    /// The caller's headers that are passed through and are part of the key, in lower case.
    pub credentials: Vec<String>,
    /// The template of its keys.
    pub key: String,
    /// The templates of its tags.
    pub tags: Vec<String>,
    /// How long its answers are fresh.
    pub ttl: Duration,
}

/// A named call that passes through to a source and invalidates.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its name: its endpoint.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What it accepts.
    pub parameters: Vec<Parameter>,
    /// The source it changes.
    pub source: String,
    /// The caller's headers that are passed through, in lower case.
    pub credentials: Vec<String>,
    /// What it invalidates, as templates.
    pub invalidates: Vec<String>,
}
