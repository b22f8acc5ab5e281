//! A source that answers when, and what, the test says.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use alacena_core::{
    engine::Loaded,
    error::{Error, catalogue},
    runtime::BoxFuture,
    source::Terms,
    value::Value,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// A source whose every call waits for the test's word.
///
/// ```
/// use alacena_testkit::ScriptedSource;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let source = ScriptedSource::default();
/// let load = source.loader();
/// let (loaded, ()) = tokio::join!(load(false), async {
///     source.next_call().await.answer(7);
/// });
/// assert_eq!(ScriptedSource::number(loaded.unwrap().value.as_ref()), Some(7));
/// assert_eq!(source.calls(), 1);
/// # });
/// ```
#[derive(Clone)]
pub struct ScriptedSource(Arc<Inner>);

struct Inner {
    calls: AtomicUsize,
    begun: mpsc::UnboundedSender<PendingCall>,
    /// Held across the await of the one test that listens.
    heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<PendingCall>>,
    /// What every call answers at once, if the test has said so beforehand.
    standing: Mutex<Option<Result<u64, Error>>>,
}

/// A call that waits.
pub struct PendingCall {
    /// Whether the engine asked for caches on the way to look again.
    pub no_cache: bool,
    answer: oneshot::Sender<Answer>,
}

enum Answer {
    Loaded(Result<Loaded, Error>),
    Panic,
}

impl Default for ScriptedSource {
    fn default() -> Self {
        let (begun, heard) = mpsc::unbounded_channel();
        let heard = tokio::sync::Mutex::new(heard);
        Self(Arc::new(Inner { calls: AtomicUsize::new(0), begun, heard, standing: Mutex::default() }))
    }
}

impl ScriptedSource {
    /// A load to hand to the engine.
    pub fn loader(&self) -> impl FnOnce(bool) -> BoxFuture<'static, Result<Loaded, Error>> + Send + 'static {
        let source = self.clone();
        move |no_cache| Box::pin(async move { source.load(no_cache).await })
    }

    async fn load(&self, no_cache: bool) -> Result<Loaded, Error> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let standing = self.0.standing.lock().clone();
        if let Some(standing) = standing {
            return standing.map(|number| Loaded::found(Self::value(number)));
        }
        let (answer, answered) = oneshot::channel();
        // The test may be over.
        let _ = self.0.begun.send(PendingCall { no_cache, answer });
        match answered.await {
            Ok(Answer::Loaded(result)) => result,
            Ok(Answer::Panic) => panic!("the script says so"),
            Err(_) => Err(Error::new(&catalogue::SOURCE_UNREACHABLE, "the script has ended")),
        }
    }

    /// Lets every later call end at once with this, instead of waiting.
    pub fn always(&self, answer: Result<u64, Error>) {
        *self.0.standing.lock() = Some(answer);
    }

    /// Waits until the source is called.
    ///
    /// # Panics
    /// Never: the source keeps its own end of the channel.
    pub async fn next_call(&self) -> PendingCall {
        self.0.heard.lock().await.recv().await.expect("the sender lives in the same source")
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The value that stands for a number.
    #[must_use]
    pub fn value(number: u64) -> Value {
        Value::new(number, 8, number)
    }

    /// The number that a value stands for.
    #[must_use]
    pub fn number(value: Option<&Value>) -> Option<u64> {
        value?.downcast_ref().copied()
    }
}

impl PendingCall {
    /// Answers with the value that stands for `number`.
    pub fn answer(self, number: u64) {
        self.send(Answer::Loaded(Ok(Loaded::found(ScriptedSource::value(number)))));
    }

    /// Answers with a value that may be neither shared nor kept.
    pub fn answer_uncacheable(self, number: u64) {
        let loaded = Loaded::found(ScriptedSource::value(number));
        self.send(Answer::Loaded(Ok(Loaded { cacheable: false, ..loaded })));
    }

    /// Answers with a value and the terms that it holds on.
    pub fn answer_on_terms(self, number: u64, terms: Terms) {
        let loaded = Loaded::found(ScriptedSource::value(number));
        self.send(Answer::Loaded(Ok(Loaded { terms, ..loaded })));
    }

    /// Answers that there is no such thing.
    pub fn answer_absent(self) {
        self.send(Answer::Loaded(Ok(Loaded::absent())));
    }

    /// Fails.
    pub fn fail(self, error: Error) {
        self.send(Answer::Loaded(Err(error)));
    }

    /// Panics within the load.
    pub fn panic(self) {
        self.send(Answer::Panic);
    }

    fn send(self, answer: Answer) {
        // A load that was given up does not mind.
        let _ = self.answer.send(answer);
    }
}
