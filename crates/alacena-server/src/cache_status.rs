//! What the cache did for one answer, in the words of RFC 9211.
//!
//! One pure function; its table is the test below and the reference page.

use std::{fmt, time::Duration};

use alacena::{
    Mode,
    outcome::{Facts, MissReason, NotStored, Origin, Outcome, StaleReason},
};

/// The value of the `Cache-Status` header.
pub(crate) fn cache_status<V>(outcome: &Outcome<V>, mode: Mode) -> String {
    let mut line = String::new();
    write_cache_status(&mut line, outcome, mode).expect("writing to a String cannot fail");
    line
}

/// Writes the value of the `Cache-Status` header.
///
/// `hit` and `fwd` exclude each other: an answer that was given while the source is asked behind the caller's back is a
/// hit; one that was given because the source did not answer was forwarded. `ttl` is what remains of the freshness, in
/// seconds, negative once it is over or cannot be relied on. `l2` and `local` say where a hit was that is none of memory
/// alone. Only the caller that led the load says `stored`; those who waited say
/// `collapsed`.
///
/// # Errors
/// Where `line` cannot be written to.
pub(crate) fn write_cache_status<V>(
    line: &mut impl fmt::Write,
    outcome: &Outcome<V>,
    mode: Mode,
) -> fmt::Result {
    let mut details = Vec::new();
    line.write_str("Alacena")?;
    line.write_str(match (outcome.origin(), outcome.stale()) {
        (Origin::Stale, Some(StaleReason::Revalidating | StaleReason::Unproved)) => "; hit",
        (Origin::Stale, _) => "; fwd=stale",
        (Origin::Source, _) => forwarded(outcome.miss(), mode, &mut details),
        _ => "; hit",
    })?;
    if outcome.collapsed() {
        line.write_str("; collapsed")?;
    } else if outcome.origin() == Origin::Source && outcome.not_stored().is_none() {
        line.write_str("; stored")?;
    }
    if outcome.origin() == Origin::Stale {
        write!(line, "; ttl=-{}", seconds_up(outcome.stale_for()).max(1))?;
    } else if outcome.not_stored().is_none() {
        write!(line, "; ttl={}", seconds_up(outcome.fresh_for()))?;
    }
    // Of a hit only what is worth telling apart from memory.
    let elsewhere = Some(outcome.origin()).filter(|origin| matches!(origin, Origin::L2 | Origin::Local));
    details.extend(elsewhere.map(Origin::as_str));
    details.extend(outcome.stale().map(StaleReason::as_str));
    // A bypass is not stored by definition; every other "no" has a reason worth telling.
    details.extend(outcome.not_stored().filter(|reason| *reason != NotStored::Bypass).map(NotStored::as_str));
    if !details.is_empty() {
        write!(line, "; detail=\"{}\"", details.join(", "))?;
    }
    Ok(())
}

/// Why the source was asked, and what is worth adding to it.
fn forwarded(miss: Option<&MissReason>, mode: Mode, details: &mut Vec<&'static str>) -> &'static str {
    match miss {
        Some(MissReason::Expired) => "; fwd=stale",
        Some(MissReason::Bypass) if mode == Mode::Refresh => "; fwd=request",
        Some(MissReason::Bypass) => "; fwd=bypass",
        Some(reason @ MissReason::Invalidated(_)) => {
            details.push(reason.as_str());
            "; fwd=miss"
        }
        Some(reason @ (MissReason::Evicted | MissReason::Error)) => {
            details.push(reason.as_str());
            "; fwd=uri-miss"
        }
        _ => "; fwd=uri-miss",
    }
}

/// Whole seconds, rounded up: what has begun counts, so that "still fresh" is never said to be over and "over" never
/// said to be fresh.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// An outcome and the line that it gives, for the tests and the reference page.
pub(crate) fn table() -> Vec<(&'static str, String)> {
    let seconds = Duration::from_secs;
    let loaded = |miss| Facts { fresh_for: seconds(300), miss: Some(miss), ..Facts::of(Origin::Source) };
    let hit = Facts { origin: Origin::L1, fresh_for: seconds(290), miss: None, ..loaded(MissReason::Cold) };
    let stale = |reason, miss| Facts {
        origin: Origin::Stale,
        fresh_for: Duration::ZERO,
        stale_for: seconds(12),
        miss,
        stale: Some(reason),
        ..hit.clone()
    };
    let tag = alacena::dep::Dep::namespace("default");
    let not_stored =
        |reason, miss| Facts { fresh_for: Duration::ZERO, not_stored: Some(reason), ..loaded(miss) };
    let line = |facts: Facts, mode| cache_status(&Outcome::new(Some(()), facts), mode);
    let normal = |facts: Facts| line(facts, Mode::Normal);
    vec![
        ("an entry within its time", normal(hit.clone())),
        ("another node had loaded it", normal(Facts { origin: Origin::L2, ..hit.clone() })),
        (
            "loaded, and answered, while the second tier is away",
            normal(Facts { origin: Origin::Local, fresh_for: seconds(4), ..hit.clone() }),
        ),
        ("nothing was there", normal(loaded(MissReason::Cold))),
        ("its time was over", normal(loaded(MissReason::Expired))),
        ("it had given way to others", normal(loaded(MissReason::Evicted))),
        ("its last load had failed", normal(loaded(MissReason::Error))),
        ("it had been invalidated", normal(loaded(MissReason::Invalidated(tag.clone())))),
        (
            "another caller was loading it already",
            normal(Facts { collapsed: true, ..loaded(MissReason::Cold) }),
        ),
        ("past its time, being refreshed", normal(stale(StaleReason::Revalidating, None))),
        (
            "whether it still holds cannot be found out now; it is being loaded",
            normal(Facts { stale_for: Duration::ZERO, ..stale(StaleReason::Unproved, None) }),
        ),
        (
            "past its time, the source is slow",
            normal(stale(StaleReason::SoftTimeout, Some(MissReason::Expired))),
        ),
        (
            "past its time, the source failed",
            normal(stale(StaleReason::SourceError, Some(MissReason::Expired))),
        ),
        ("`Cache-Control: no-cache` asked for the source", line(loaded(MissReason::Bypass), Mode::Refresh)),
        (
            "`Cache-Control: no-store` asked for the source",
            line(not_stored(NotStored::Bypass, MissReason::Bypass), Mode::Bypass),
        ),
        ("larger than its class allows", normal(not_stored(NotStored::TooLarge, MissReason::Cold))),
        ("the source forbids keeping it", normal(not_stored(NotStored::Uncacheable, MissReason::Cold))),
        (
            "made with another read's answer, which was stale",
            normal(not_stored(NotStored::ParentNotFresh, MissReason::Cold)),
        ),
        (
            "the second tier is away, and the class keeps nothing without it",
            normal(not_stored(NotStored::WithoutL2, MissReason::Cold)),
        ),
        ("the second tier is full", normal(not_stored(NotStored::NoMarker, MissReason::Cold))),
        (
            "invalidated before, and again while it was loading",
            normal(not_stored(NotStored::Superseded, MissReason::Invalidated(tag))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_line() {
        let lines: Vec<String> = table().into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "Alacena; hit; ttl=290",
                "Alacena; hit; ttl=290; detail=\"l2\"",
                "Alacena; hit; ttl=4; detail=\"local\"",
                "Alacena; fwd=uri-miss; stored; ttl=300",
                "Alacena; fwd=stale; stored; ttl=300",
                "Alacena; fwd=uri-miss; stored; ttl=300; detail=\"evicted\"",
                "Alacena; fwd=uri-miss; stored; ttl=300; detail=\"error\"",
                "Alacena; fwd=miss; stored; ttl=300; detail=\"invalidated\"",
                "Alacena; fwd=uri-miss; collapsed; ttl=300",
                "Alacena; hit; ttl=-12; detail=\"revalidating\"",
                "Alacena; hit; ttl=-1; detail=\"unproved\"",
                "Alacena; fwd=stale; ttl=-12; detail=\"soft-timeout\"",
                "Alacena; fwd=stale; ttl=-12; detail=\"source-error\"",
                "Alacena; fwd=request; stored; ttl=300",
                "Alacena; fwd=bypass",
                "Alacena; fwd=uri-miss; detail=\"too-large\"",
                "Alacena; fwd=uri-miss; detail=\"uncacheable\"",
                "Alacena; fwd=uri-miss; detail=\"parent-not-fresh\"",
                "Alacena; fwd=uri-miss; detail=\"without-l2\"",
                "Alacena; fwd=uri-miss; detail=\"no-marker\"",
                "Alacena; fwd=miss; detail=\"invalidated, superseded\"",
            ]
        );
    }
}
