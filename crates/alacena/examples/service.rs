//! A plain service with a slow database behind it: `cargo run --example service`.
//!
//! What to look at: the cache stands inside the service, not in front of its callers; a change is made first and
//! invalidated afterwards; and an error says whether trying again can help.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alacena::{
    Alacena, Class,
    class::Policy,
    error::{Error, Retry, catalogue},
};

/// What a company wants to see every morning.
#[derive(serde::Serialize, Clone, Debug, PartialEq)]
pub(crate) struct Kpis {
    /// Orders so far.
    pub(crate) orders: u64,
    /// Their sum, in cents.
    pub(crate) revenue: u64,
}

/// A database that takes its time, and sometimes is not there.
#[derive(Default)]
pub(crate) struct Database {
    orders: Mutex<HashMap<u64, Vec<u64>>>,
    /// How often the slow query ran.
    pub(crate) queries: std::sync::atomic::AtomicU64,
    /// Whether it is down.
    pub(crate) is_down: std::sync::atomic::AtomicBool,
}

impl Database {
    async fn kpis(&self, company: u64) -> Result<Option<Kpis>, Error> {
        use std::sync::atomic::Ordering::SeqCst;
        self.queries.fetch_add(1, SeqCst);
        tokio::task::yield_now().await; // A real one would take its 400 ms here.
        if self.is_down.load(SeqCst) {
            let error = Error::new(&catalogue::SOURCE_UNREACHABLE, "the database does not answer");
            return Err(error.retry_after(Duration::from_secs(1)));
        }
        let orders = self.orders.lock().expect("no thread has panicked");
        Ok(orders
            .get(&company)
            .map(|orders| Kpis { orders: orders.len() as u64, revenue: orders.iter().sum() }))
    }

    async fn insert(&self, company: u64, cents: u64) {
        self.orders.lock().expect("no thread has panicked").entry(company).or_default().push(cents);
    }
}

/// The service that the rest of the application talks to.
#[derive(Clone)]
pub(crate) struct Reports {
    database: Arc<Database>,
    kpis: Class<Kpis>,
}

impl Reports {
    /// Reports out of `database`, cached in `alacena`.
    ///
    /// # Errors
    /// `Invalid` where the application has a class `kpis` already.
    pub(crate) fn new(database: Arc<Database>, alacena: &Alacena) -> Result<Self, Error> {
        let policy = Policy { ttl: Duration::from_secs(600), ..Policy::default() };
        Ok(Self { database, kpis: alacena.class("kpis", policy)? })
    }

    /// The figures of one company; `None` where there is no such company.
    ///
    /// # Errors
    /// Those of the database, where no older figures may stand in.
    pub(crate) async fn kpis(&self, company: u64) -> Result<Option<Kpis>, Error> {
        let database = Arc::clone(&self.database);
        let load = move || async move { database.kpis(company).await };
        let tag = format!("company:{company}");
        let outcome = self.kpis.get_or_fetch([company.to_string()], &[&tag], load).await?;
        Ok(outcome.value().cloned())
    }

    /// Takes an order.
    ///
    /// # Errors
    /// None that a company could cause.
    pub(crate) async fn order(&self, company: u64, cents: u64) -> Result<(), Error> {
        // First the change, then the invalidation: the other way round a reader could fill the cache in between, with
        // what was true before.
        self.database.insert(company, cents).await;
        self.kpis.invalidate_tag(&format!("company:{company}")).await?;
        Ok(())
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Error> {
    let alacena = Alacena::builder().namespace("shop").build();
    let database = Arc::new(Database::default());
    let reports = Reports::new(Arc::clone(&database), &alacena)?;

    reports.order(42, 1999).await?;
    println!("first    {:?}", reports.kpis(42).await?);
    println!("again    {:?}", reports.kpis(42).await?);
    reports.order(42, 500).await?;
    println!("changed  {:?}", reports.kpis(42).await?);

    database.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    println!("down, and known      {:?}", reports.kpis(42).await?);
    match reports.kpis(7).await {
        Err(error) if error.retry() != Retry::Never => {
            println!("down, and not known  {error}; worth another try")
        }
        other => println!("down, and not known  {other:?}"),
    }
    println!("{} queries for 5 questions", database.queries.load(std::sync::atomic::Ordering::SeqCst));
    Ok(())
}
