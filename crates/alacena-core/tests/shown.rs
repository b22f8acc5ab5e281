//! What people get to see of things: the right words, and never a secret or a value.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use alacena_core::{
    dep::{Dep, DepKind},
    envelope::Unreadable,
    error::{Error, Kind, Retry, catalogue},
    outcome::{Facts, MissReason, NotStored, Origin, Outcome, StaleReason},
    secret::Secret,
    source::{Credential, Terms},
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_error_says_what_where_and_when_to_try_again() {
    let cause = io::Error::other("connection reset");
    let error = Error::new(&catalogue::SOURCE_UNREACHABLE, "connection refused")
        .with("source", "crm")
        .with("read", "get_jobs")
        .retry_after(seconds(2))
        .caused_by(cause);
    assert_eq!(error.to_string(), "source unreachable: connection refused (source=crm, read=get_jobs)");
    assert_eq!(format!("{error:?}"), format!("{error} [source-unreachable] <- connection reset"));
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::After(seconds(2))));
    assert_eq!((error.code().slug, error.detail()), ("source-unreachable", "connection refused"));
    assert_eq!(error.context()[1], ("read", "get_jobs".to_owned()));
    assert_eq!(error.source().unwrap().to_string(), "connection reset");
    let bare = Error::new(&catalogue::CLOSED, "");
    assert_eq!((bare.to_string().as_str(), bare.retry()), (catalogue::CLOSED.title, Retry::Never));
    assert!(bare.source().is_none() && format!("{bare:?}").ends_with("[closed]"));
}

#[test]
fn every_kind_of_error_has_a_word_of_its_own() {
    let kinds = [
        Kind::Unavailable,
        Kind::Timeout,
        Kind::Overloaded,
        Kind::Invalid,
        Kind::Denied,
        Kind::Corrupt,
        Kind::Closed,
        Kind::Internal,
    ];
    let mut words = kinds.map(Kind::as_str).to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), kinds.len());
    let mut slugs: Vec<&str> = catalogue::ALL.iter().map(|code| code.slug).collect();
    assert!(catalogue::ALL.iter().all(|code| !code.title.is_empty() && code.remedy.ends_with('.')));
    slugs.sort_unstable();
    slugs.dedup();
    assert_eq!(slugs.len(), catalogue::ALL.len(), "no slug stands for two errors");
}

#[test]
fn secrets_and_values_are_never_shown() {
    let secret = Secret::new("hunter2");
    let credential = Credential { header: "authorization".into(), secret: Arc::from(&b"Bearer hunter2"[..]) };
    let outcome = Outcome::new(Some("hunter2".to_owned()), Facts::of(Origin::L1));
    for shown in [format!("{secret:?}"), format!("{credential:?}"), format!("{outcome:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(format!("{credential:?}").contains("authorization"));
    assert_eq!(secret.reveal(), "hunter2");
}

#[test]
fn an_outcome_tells_the_facts_that_it_was_made_of() {
    let hit = Facts { age: seconds(10), fresh_for: seconds(290), ..Facts::of(Origin::L1) };
    let stale = Facts {
        age: seconds(312),
        stale_for: seconds(12),
        miss: Some(MissReason::Expired),
        stale: Some(StaleReason::SourceError),
        ..Facts::of(Origin::Stale)
    };
    let invalidated = MissReason::Invalidated(Dep::tag("shop", "company:42").unwrap());
    let loaded = Facts {
        miss: Some(invalidated),
        collapsed: true,
        not_stored: Some(NotStored::Superseded),
        ..Facts::of(Origin::Source)
    };
    for facts in [hit, stale, loaded] {
        let outcome = Outcome::new(Some(7_u64), facts.clone());
        assert_eq!(outcome.facts(), facts);
        assert_eq!(outcome.is_hit(), facts.miss.is_none());
        assert_eq!(outcome.value(), Some(&7));
        assert_eq!(*outcome.into_value().unwrap(), 7);
    }
    assert!(Outcome::<u64>::new(None, Facts::of(Origin::L1)).into_value().is_none());
}

#[test]
fn every_reason_has_the_word_of_the_metrics() {
    let dep = Dep::everything();
    let misses = [
        MissReason::Cold,
        MissReason::Expired,
        MissReason::Evicted,
        MissReason::Invalidated(dep),
        MissReason::Error,
        MissReason::Bypass,
    ];
    let words: Vec<&str> = misses.iter().map(MissReason::as_str).collect();
    assert_eq!(words, ["cold", "expired", "evicted", "invalidated", "error", "bypass"]);
    let stale = [StaleReason::Revalidating, StaleReason::SoftTimeout, StaleReason::SourceError];
    assert_eq!(stale.map(StaleReason::as_str), ["revalidating", "soft-timeout", "source-error"]);
    let origins = [Origin::L1, Origin::Source, Origin::Stale];
    assert_eq!(origins.map(Origin::as_str), ["l1", "source", "stale"]);
}

#[test]
fn a_dep_is_shown_by_its_kind_and_text() {
    let deps = [
        (Dep::everything(), "everything"),
        (Dep::namespace("shop"), "namespace"),
        (Dep::class("shop", "kpis"), "class kpis"),
        (Dep::prefix("shop", "jobs:list"), "prefix jobs:list"),
        (Dep::tag("shop", "company:42").unwrap(), "tag company:42"),
    ];
    for (dep, shown) in deps {
        assert!(dep.to_string().starts_with(shown), "{dep}");
    }
    assert!(DepKind::Class.is_structural() && !DepKind::Tag.is_structural());
    assert!(Dep::tag("shop", "").is_err() && Dep::tag("shop", &"x".repeat(513)).is_err());
}

#[test]
fn what_is_left_of_the_terms_is_never_less_than_nothing() {
    let terms = Terms { ttl: Some(seconds(10)), stale_if_error: Some(seconds(5)), ..Terms::default() };
    assert_eq!(terms.later_by(seconds(4)).ttl, Some(seconds(6)));
    assert_eq!(terms.later_by(seconds(40)).ttl, Some(Duration::ZERO));
    assert_eq!(terms.later_by(seconds(40)).stale_if_error, Some(seconds(5)));
}

#[test]
fn each_way_in_which_an_envelope_cannot_be_opened_is_told_apart() {
    let reasons = [
        Unreadable::NotAnEnvelope,
        Unreadable::OtherVersion(9),
        Unreadable::OtherSubject,
        Unreadable::OtherForm,
        Unreadable::NotSealed,
        Unreadable::Damaged,
    ];
    let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    assert!(told.iter().enumerate().all(|(at, one)| !told[at + 1..].contains(one)), "{told:?}");
    assert!(told[1].contains('9'));
}
