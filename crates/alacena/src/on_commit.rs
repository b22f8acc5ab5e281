//! Invalidations that wait for the commit of a transaction.
//!
//! ```text
//!   application                       database        Alacena            a reader
//!   begins, changes company 42   →
//!   invalidates too early             (uncommitted)   drops it
//!                                                                        loads it: as it was before
//!   commits                      →    as it is now                       goes on being answered with what was before
//! ```
//!
//! So what a transaction changes is collected while it runs, and invalidated when it is over.

use std::fmt;

use alacena_core::{
    engine::Wish,
    error::{Error, catalogue},
    ledger::Target,
};

use crate::handle::{Alacena, Invalidated};

/// Most targets of one transaction. Whoever changes more invalidates a prefix or a class.
const TARGETS_MAX: usize = 1_000;

/// What a transaction has changed, to be invalidated once it is committed: made by [`Alacena::on_commit`].
///
/// Dropped without a word it invalidates nothing, and the log says so: a transaction that was rolled back has changed
/// nothing. Where the process ends between commit and invalidation, nobody is told of it; what must not be lost is written
/// into an [outbox](OnCommit::outbox_row) by the transaction itself.
#[must_use = "nothing is invalidated until it is said that the transaction was committed"]
pub struct OnCommit {
    alacena: Alacena,
    who: String,
    targets: Vec<Target>,
}

impl Alacena {
    /// Collects what a transaction changes. `who` is kept in the [history](Alacena::history).
    ///
    /// ```
    /// # use alacena::{Alacena, Class, class::Policy, ledger::Target};
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let alacena = Alacena::builder().build();
    /// # let kpis: Class<u64> = alacena.class("kpis", Policy::default())?;
    /// # let mut database = rusqlite::Connection::open_in_memory().unwrap();
    /// # database.execute_batch("create table orders (company, amount)").unwrap();
    /// # kpis.get_or_fetch(["42"], &["company:42"], || async { Ok(Some(7)) }).await?;
    /// let mut changed = alacena.on_commit("orders");
    /// let transaction = database.transaction().unwrap();
    /// transaction.execute("insert into orders values (42, 7)", []).unwrap();
    /// changed.add(Target::Tag("company:42".into()))?;
    /// transaction.commit().unwrap(); // an error leaves with `?`: then nothing is invalidated
    /// changed.committed().await;
    /// # assert!(kpis.get(["42"])?.is_none());
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn on_commit(&self, who: impl Into<String>) -> OnCommit {
        OnCommit { alacena: self.clone(), who: who.into(), targets: Vec::new() }
    }
}

impl OnCommit {
    /// Adds something that the transaction has changed. What has been added already is not added again.
    ///
    /// # Errors
    /// `Invalid` where nothing can depend on it, which is found out while the transaction can still be rolled back; and
    /// beyond 1,000 targets.
    pub fn add(&mut self, target: Target) -> Result<&mut Self, Error> {
        self.alacena.resolve(std::slice::from_ref(&target))?;
        if self.targets.contains(&target) {
            return Ok(self);
        }
        if self.targets.len() == TARGETS_MAX {
            let detail = format!(
                "a transaction invalidates at most {TARGETS_MAX} targets; invalidate a prefix or a class instead"
            );
            return Err(Error::new(&catalogue::KEY_INVALID, detail).with("who", &self.who));
        }
        self.targets.push(target);
        Ok(self)
    }

    /// What has been added.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The same as the row of an outbox that says it: the value of its column `targets`. A transaction that inserts it is
    /// followed by the invalidation whatever becomes of this process.
    ///
    /// ```
    /// # use alacena::{Alacena, ledger::Target};
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let alacena = Alacena::builder().build();
    /// let mut changed = alacena.on_commit("orders");
    /// changed.add(Target::Tag("company:42".into()))?;
    /// assert_eq!(changed.outbox_row(), r#"[{"tag":"company:42"}]"#);
    /// # changed.rolled_back();
    /// # Ok::<(), alacena::error::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn outbox_row(&self) -> String {
        serde_json::to_string(&self.targets).expect("targets are texts")
    }

    /// The transaction was committed, or nobody knows whether it was: invalidates everything that was added.
    ///
    /// What nothing depends on any more, by a configuration that has come into force meanwhile, is passed over.
    ///
    /// # Cancellation
    /// On this node it is done before the first await; what is begun elsewhere goes on.
    pub async fn committed(mut self) -> Invalidated {
        let targets = std::mem::take(&mut self.targets);
        let steps: Vec<_> = targets
            .iter()
            .flat_map(|target| self.alacena.resolve(std::slice::from_ref(target)).unwrap_or_default())
            .collect();
        let invalidated = self.alacena.apply(&steps, &targets, &self.who, Wish::Applied).await;
        self.alacena.record(&targets, &self.who, invalidated.level).await;
        invalidated
    }

    /// The transaction was rolled back: nothing has changed, and nothing is to be said.
    pub fn rolled_back(mut self) {
        self.targets.clear();
    }
}

impl Drop for OnCommit {
    fn drop(&mut self) {
        if !self.targets.is_empty() {
            let (who, targets) = (&*self.who, self.targets.len());
            tracing::info!(who, targets, "a transaction ended without a word: nothing of it is invalidated");
        }
    }
}

impl fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCommit").field("who", &self.who).field("targets", &self.targets).finish()
    }
}
