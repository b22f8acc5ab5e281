//! Reads that need something of another read's answer: their parent, which is asked first.
//!
//! ```text
//!   the child is asked, and nothing fresh is held
//!     all that child and parent depend on is captured       whatever of it is invalidated from here on: not kept
//!     the parent is asked: out of the cache, or in one flight, with a place of its own at its source
//!     what the child's question needs is taken out of its answer
//!     the child's question gets its place at its source and is asked
//!   kept no longer than the parent is fresh; not at all where that is stale
//! ```
//!
//! The parent is asked before the child has a place: with a single place at a source that both ask, the child would
//! wait for itself.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use alacena_core::{
    class::Policy,
    declared::{Parameters, Piece, Pointer, Scalar, TEXT_BYTES_DEFAULT, Template},
    dep::Dep,
    engine::{Loaded, Question},
    error::{Error, catalogue},
    outcome::{NotStored, Origin, Outcome},
    runtime::Moment,
    source::{Credential, Terms},
    value::Body,
};

use crate::{
    config::ParentConfig,
    prepared::{PreparedRead, required},
};

/// Whole numbers up to here have a double of their own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The parent of one read.
pub(crate) struct Parent {
    pub(crate) read: Arc<PreparedRead>,
    parameters: Vec<(String, Template)>,
    take: Vec<(String, Pointer)>,
    /// Whether an answer in which nothing stands where something is taken has been told of.
    told: AtomicBool,
}

/// What a parent's answer gives to the child.
pub(crate) struct Taken {
    /// The child's parameters with what was taken; `None`: there is no such thing.
    pub(crate) parameters: Option<Parameters>,
    pub(crate) bound: Bound,
}

/// What may become of an answer that was made with another one.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// It is kept as long as that one is fresh.
    Until(Moment),
    /// It may be shared, and is not kept, for this reason.
    NotKept(NotStored),
    /// It may be neither.
    Private,
}

impl Parent {
    pub(crate) fn new(read: Arc<PreparedRead>, config: &ParentConfig) -> Self {
        let (parameters, take) = (config.parameters.clone(), config.take.clone());
        Self { read, parameters, take, told: AtomicBool::new(false) }
    }

    /// What the parent is asked when the child is asked this.
    pub(crate) fn parameters(&self, child: &Parameters) -> Result<Parameters, Error> {
        let mut given = Vec::new();
        for (name, template) in &self.parameters {
            let text = match template.pieces() {
                // What is absent here is absent there.
                [Piece::Hole(hole)] => hole.fill(child)?,
                _ => Some(Cow::Owned(template.render(child, str::to_owned)?)),
            };
            given.extend(text.map(|text| (name.as_str(), text)));
        }
        let given = given.iter().map(|(name, text)| (*name, text.as_ref()));
        Parameters::from_text(&self.read.read.parameters, given).map_err(|error| self.named(error))
    }

    /// Adds all that the parent's answer depends on to the deps of the child, each of them once: its key, too, which
    /// can be invalidated by itself.
    pub(crate) fn add_deps(
        &self,
        child: &Parameters,
        credentials: &[Credential],
        known: &[Dep],
        tags: &mut Vec<Dep>,
        hard_tags: &mut Vec<Dep>,
    ) -> Result<(), Error> {
        let credentials = required(&self.read.read.credentials, credentials)?;
        let question = self.read.question(&self.parameters(child)?, &credentials)?;
        let Question { rules, key, tags: theirs, hard_tags: hard, .. } = &question;
        for dep in hard.iter() {
            tags.retain(|known| known != dep);
            if !hard_tags.contains(dep) {
                hard_tags.push(dep.clone());
            }
        }
        let by_key = Dep::key(rules.space.namespace(), &key.text());
        for dep in rules.space.deps().iter().chain(theirs.iter()).chain([&by_key]) {
            if ![known, tags, hard_tags].iter().any(|deps| deps.contains(dep)) {
                tags.push(dep.clone());
            }
        }
        Ok(())
    }

    /// Takes what the child needs out of the parent's answer.
    ///
    /// # Errors
    /// `Corrupt` where something stands there that is no text, number, true or false.
    pub(crate) fn take(&self, child: &Parameters, outcome: &Outcome<Body>) -> Result<Taken, Error> {
        let bound = Bound::of(outcome);
        let nothing = Taken { parameters: None, bound };
        let Some(body) = outcome.value() else { return Ok(nothing) };
        let lacks = |name: &str, pointer: &Pointer, why: &str| {
            let detail = format!("`{name}` is taken from {} of the answer, and {why}", pointer.as_str());
            self.named(Error::new(&catalogue::ANSWER_LACKS_PART, detail))
        };
        let mut parameters = child.clone();
        for (name, pointer) in &self.take {
            let document = std::str::from_utf8(body.bytes()).ok();
            let part = document.and_then(|document| pointer.find(document).ok().flatten());
            match part {
                None | Some("null") => {
                    if part.is_none() {
                        self.tell(name, pointer);
                    }
                    return Ok(nothing);
                }
                Some(json) => {
                    let scalar = scalar(json).map_err(|why| lacks(name, pointer, why))?;
                    parameters = parameters.with(name, scalar);
                }
            }
        }
        Ok(Taken { parameters: Some(parameters), bound })
    }

    /// Says whose question an error is about: what was taken, where that cannot stand where the question has it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let about = error.context().iter().find(|(what, _)| *what == "parameter").map(|(_, name)| name);
        let is_taken = about.is_some_and(|about| self.take.iter().any(|(name, _)| name == about));
        if *error.code() == catalogue::PARAMETER_INVALID && is_taken {
            let detail = format!("what was taken cannot be asked with: {}", error.detail());
            return self.named(Error::new(&catalogue::ANSWER_LACKS_PART, detail));
        }
        error
    }

    /// An error that is about the parent.
    pub(crate) fn named(&self, error: Error) -> Error {
        error.with("parent", &self.read.read.name)
    }

    fn tell(&self, name: &str, pointer: &Pointer) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let (parent, pointer) = (&self.read.read.name, pointer.as_str());
            tracing::warn!(
                parent,
                take = name,
                pointer,
                "nothing stands there in an answer, so there is no such thing; told once"
            );
        }
    }
}

impl Bound {
    fn of(parent: &Outcome<Body>) -> Self {
        if parent.origin() == Origin::Local {
            // It is of the time without the tier that nodes share, and that may be over.
            return Bound::NotKept(NotStored::ParentNotFresh);
        }
        match (parent.not_stored(), parent.stale()) {
            (Some(NotStored::Uncacheable | NotStored::Bypass), _) => Bound::Private,
            // What the parent depends on was invalidated while it was loading, and the child depends on it as well.
            (Some(NotStored::Superseded), None) => Bound::NotKept(NotStored::Superseded),
            (Some(_), _) | (_, Some(_)) => Bound::NotKept(NotStored::ParentNotFresh),
            (None, None) => Bound::Until(parent.fresh_until()),
        }
    }

    /// What comes home at `now`, within this bound.
    pub(crate) fn apply(self, loaded: Loaded, policy: &Policy, now: Moment) -> Loaded {
        match self {
            Bound::Private => Loaded { cacheable: false, ..loaded },
            Bound::NotKept(reason) => Loaded { withheld: Some(reason), ..loaded },
            Bound::Until(end) if end <= now => Loaded { withheld: Some(NotStored::ParentNotFresh), ..loaded },
            Bound::Until(end) => {
                let class = if loaded.value.is_some() { policy.ttl } else { policy.negative_ttl };
                let own = loaded.terms.ttl.unwrap_or(class);
                // Chance can add to what a class says, and never to what terms say.
                let is_within = own.mul_f64(1.0 + policy.jitter) <= end - now;
                if own.is_zero() || is_within {
                    return loaded;
                }
                let terms = Terms { ttl: Some(own.min(end - now)), ..loaded.terms };
                Loaded { terms, ..loaded }
            }
        }
    }
}

/// The value that stands in a JSON document, or why it is none that can be taken.
fn scalar(json: &str) -> Result<Scalar, &'static str> {
    match json.as_bytes().first() {
        Some(b'"') if json.len() > 6 * TEXT_BYTES_DEFAULT => Err("the text there is too long"),
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) if text.len() <= TEXT_BYTES_DEFAULT => Ok(Scalar::Text(text)),
            _ => Err("the text there is too long"),
        },
        Some(b't' | b'f') => Ok(Scalar::Boolean(json == "true")),
        Some(b'-' | b'0'..=b'9') => number(json).ok_or("the number there has more digits than can be kept"),
        _ => Err("there is a list or an object"),
    }
}

/// A number as it is written, or nothing where it would be another one: an id that is rounded is somebody else's.
fn number(json: &str) -> Option<Scalar> {
    if let Ok(whole) = json.parse() {
        return Some(Scalar::Integer(whole));
    }
    let number: f64 = json.parse().ok().filter(|number: &f64| number.is_finite())?;
    let is_exact = number.fract() != 0.0 || number.abs() <= EXACT;
    is_exact.then_some(Scalar::Number(number + 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_stands_there_or_nothing() {
        assert_eq!(scalar("7"), Ok(Scalar::Integer(7)));
        assert_eq!(scalar("-9223372036854775808"), Ok(Scalar::Integer(i64::MIN)));
        assert_eq!(scalar("0.5"), Ok(Scalar::Number(0.5)));
        assert_eq!(scalar("1e3"), Ok(Scalar::Number(1000.0)));
        assert_eq!(scalar("true"), Ok(Scalar::Boolean(true)));
        assert_eq!(scalar(r#""a\"é""#), Ok(Scalar::Text("a\"é".to_owned())));
        for other in ["12345678901234567890", "1e300", "1e999", "[1]", "{}"] {
            assert!(scalar(other).is_err(), "{other}");
        }
        let text = |length: usize| format!("\"{}\"", "a".repeat(length));
        assert!(scalar(&text(TEXT_BYTES_DEFAULT)).is_ok());
        assert!(scalar(&text(TEXT_BYTES_DEFAULT + 1)).is_err());
        assert!(scalar(&text(7 * TEXT_BYTES_DEFAULT)).is_err());
    }
}
