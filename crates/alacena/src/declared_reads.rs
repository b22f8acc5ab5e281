//! Declared reads and writes, as the configuration turned out.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use alacena_core::{
    declared::{AnswerSchema, Parameter, Parameters},
    error::Error,
    outcome::Outcome,
    runtime::Moment,
    source::Credential,
    value::Body,
};

use crate::{
    encoding::Gzip,
    handle::{Alacena, Ask, Mode},
    prepared::{Prepared, PreparedRead, PreparedWrite, required},
    writing::Written,
};

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
    /// What it answers, where that is declared or its source knows it.
    pub answer: Option<AnswerSchema>,
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

/// A declared read, to be asked. Cheap to clone.
///
/// It is the read of one configuration: parameters that were checked against it are answered by it, whatever is
/// [reloaded](Alacena::reload) in between. Take a new one for every call.
#[derive(Clone)]
pub struct DeclaredRead {
    alacena: Alacena,
    prepared: Arc<PreparedRead>,
}

/// A declared write, to be sent. Cheap to clone; like a [`DeclaredRead`] it is the write of one configuration.
#[derive(Clone)]
pub struct DeclaredWrite {
    alacena: Alacena,
    /// The configuration that it is of.
    of: Arc<Prepared>,
    prepared: Arc<PreparedWrite>,
}

impl Alacena {
    /// The declared reads, in order of name, as they are now.
    #[must_use]
    pub fn reads(&self) -> Arc<[Arc<Read>]> {
        Arc::clone(&self.prepared().declared_reads)
    }

    /// The declared read of this name, as it is now.
    ///
    /// # Errors
    /// `Invalid` where there is none, with the name that was perhaps meant.
    pub fn declared_read(&self, name: &str) -> Result<DeclaredRead, Error> {
        let prepared = Arc::clone(self.prepared().read(name)?);
        Ok(DeclaredRead { alacena: self.clone(), prepared })
    }

    /// The declared read of this name, as it is now, if there is one: for who need not say what is wrong.
    #[must_use]
    pub fn find_read(&self, name: &str) -> Option<DeclaredRead> {
        let prepared = Arc::clone(self.prepared().find_read(name)?);
        Some(DeclaredRead { alacena: self.clone(), prepared })
    }

    /// The declared writes, in order of name, as they are now.
    #[must_use]
    pub fn writes(&self) -> Arc<[Arc<Write>]> {
        Arc::clone(&self.prepared().declared_writes)
    }

    /// The declared write of this name, as it is now.
    ///
    /// # Errors
    /// `Invalid` where there is none, with the name that was perhaps meant.
    pub fn declared_write(&self, name: &str) -> Result<DeclaredWrite, Error> {
        let of = self.prepared_full();
        let prepared = Arc::clone(of.write(name)?);
        Ok(DeclaredWrite { alacena: self.clone(), of, prepared })
    }
}

impl DeclaredRead {
    /// Answers it.
    ///
    /// # Errors
    /// `Denied` where it needs a credential that is missing, and whatever the source fails with where no stale value
    /// may stand in.
    ///
    /// # Cancellation
    /// A caller that goes away neither kills nor leaks the load.
    pub async fn ask(&self, parameters: Parameters, ask: Ask) -> Result<Outcome<Body>, Error> {
        self.alacena.ask_prepared(&self.prepared, parameters, ask).await
    }

    /// Answers it with what is in memory, where that takes no more than a look: a value, fresh at `now` and not about
    /// to be refreshed. Needs no task and waits for nobody.
    ///
    /// `None` says no more than that it is to be [asked](DeclaredRead::ask) as ever, which then says what is wrong, if
    /// anything is, and counts; here only a hit is counted.
    #[must_use]
    pub fn hit(
        &self,
        parameters: &Parameters,
        credentials: &[Credential],
        gzip: Gzip,
        now: Moment,
    ) -> Option<Outcome<Body>> {
        let Self { alacena, prepared } = self;
        if alacena.mode(Mode::Normal) != Mode::Normal {
            return None;
        }
        let credentials = required(&prepared.read.credentials, credentials).ok()?;
        let key = prepared.keys.bytes_of_call(prepared.keys.principal(&credentials), parameters).ok()?;
        let outcome = alacena.inner.engine.hit(&prepared.rules, key.as_bytes(), now)?;
        alacena.opened(outcome, || key.to_key(), gzip).ok()
    }
}

impl DeclaredWrite {
    /// Sends it, and invalidates what it declares unless the source definitely refused it.
    ///
    /// What is to be invalidated is recorded durably before anything is sent: a process that dies in between does it
    /// when it starts again.
    ///
    /// # Errors
    /// `Denied` where it needs a credential that is missing. `Unavailable` where the intent cannot be recorded; then
    /// nothing was sent. Whatever the source refuses the write with, or leaves it unknown with; in the second case the
    /// invalidation has been applied. `Closed` after [`close`](Alacena::close).
    ///
    /// # Cancellation
    /// A caller that goes away stops nothing: what was begun is sent and invalidated.
    pub async fn send(
        &self,
        parameters: Parameters,
        credentials: Arc<[Credential]>,
    ) -> Result<Written, Error> {
        let (of, prepared) = (Arc::clone(&self.of), Arc::clone(&self.prepared));
        self.alacena.write_prepared(of, prepared, parameters, credentials).await
    }
}

impl Deref for DeclaredRead {
    type Target = Read;

    fn deref(&self) -> &Read {
        &self.prepared.read
    }
}

impl Deref for DeclaredWrite {
    type Target = Write;

    fn deref(&self) -> &Write {
        &self.prepared.write
    }
}

impl fmt::Debug for DeclaredRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for DeclaredWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
