//! What a read promises to answer: held to every answer of its source, once, when it is loaded.

use std::sync::Arc;

use alacena_core::{
    declared::AnswerSchema,
    error::{Error, catalogue},
    runtime::BoxFuture,
    source::{Call, Fetch, Fetched},
    value::Body,
};

/// The question of a read, and what is known of its answers. What the read declares is checked; what its source knows
/// holds without.
pub(crate) fn kept(
    fetch: Arc<dyn Fetch>,
    declared: Option<&AnswerSchema>,
) -> (Arc<dyn Fetch>, Option<AnswerSchema>) {
    match declared {
        Some(schema) => {
            let promise = Promise { fetch, schema: Arc::new(schema.clone()) };
            (Arc::new(promise), Some(schema.clone()))
        }
        None => {
            let known = fetch.answers();
            (fetch, known)
        }
    }
}

struct Promise {
    fetch: Arc<dyn Fetch>,
    schema: Arc<AnswerSchema>,
}

impl Fetch for Promise {
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Error>> {
        let (asking, schema) = (self.fetch.fetch(call), Arc::clone(&self.schema));
        Box::pin(async move {
            let fetched = asking.await?;
            // What is held has been checked: it came this way, by the same promise.
            if let Fetched::Found { body, .. } = &fetched {
                check(&schema, body)?;
            }
            Ok(fetched)
        })
    }

    fn answers(&self) -> Option<AnswerSchema> {
        Some(AnswerSchema::clone(&self.schema))
    }
}

fn check(schema: &AnswerSchema, body: &Body) -> Result<(), Error> {
    let broken = |detail: String| Error::new(&catalogue::ANSWER_MALFORMED, detail);
    let document = std::str::from_utf8(body.bytes()).map_err(|_| broken("it is not UTF-8".to_owned()))?;
    schema.check(document).map_err(|mismatch| {
        broken(format!("it is not what the read declares as its `answer`: {mismatch}"))
            .with("pointer", mismatch.pointer)
    })
}
