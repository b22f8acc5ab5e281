//! Classes of typed values, as an application uses them.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alacena::{
    Alacena, Class, Level,
    class::Policy,
    error::{Error, Kind, catalogue},
    outcome::Shared,
};
use serde::Serialize;

#[derive(Debug, PartialEq, Serialize)]
struct Kpis {
    revenue: u64,
}

fn class(alacena: &Alacena) -> Class<Kpis> {
    alacena.class("kpis", Policy::default()).unwrap()
}

#[tokio::test]
async fn a_hit_is_the_very_value_that_was_loaded() {
    let kpis = class(&Alacena::builder().build());
    let load = || async { Ok(Some(Kpis { revenue: 7 })) };
    let first = kpis.get_or_fetch(["42"], &[], load).await.unwrap();
    let second = kpis.get_or_fetch(["42"], &[], load).await.unwrap();
    assert!(!first.is_hit() && second.is_hit());
    let shares = (first.into_value().unwrap(), second.into_value().unwrap());
    assert!(Shared::ptr_eq(&shares.0, &shares.1), "shared, not copied");
    assert_eq!(kpis.get(["42"]).unwrap().unwrap().value().unwrap().revenue, 7);
    assert!(kpis.get(["43"]).unwrap().is_none());
}

#[tokio::test]
async fn each_way_to_invalidate_leads_to_a_new_load() {
    let alacena = Alacena::builder().build();
    let kpis = class(&alacena);
    let loads = Arc::new(AtomicU64::new(0));
    let ask = || {
        let loads = Arc::clone(&loads);
        kpis.get_or_fetch(["42"], &["company:42"], move || async move {
            Ok(Some(Kpis { revenue: loads.fetch_add(1, Ordering::SeqCst) + 1 }))
        })
    };
    for expected in 1..=4 {
        assert_eq!(ask().await.unwrap().value().unwrap().revenue, expected);
        let invalidated = match expected {
            1 => kpis.invalidate_key(["42"]).await.unwrap(),
            2 => kpis.invalidate_tag("company:42").await.unwrap(),
            3 => kpis.invalidate().await,
            _ => alacena.clear("test").await.unwrap(),
        };
        assert_eq!((invalidated.level, invalidated.dropped), (Level::Applied, 1));
    }
    assert_eq!(ask().await.unwrap().value().unwrap().revenue, 5);
}

#[tokio::test]
async fn many_keys_are_loaded_together_and_each_stands_in_its_place() {
    let kpis = class(&Alacena::builder().build());
    let load = |companies: Vec<String>| async move {
        // The last one asked for does not exist.
        let revenue = |company: &String| (company != "9").then(|| Kpis { revenue: company.parse().unwrap() });
        Ok(companies.iter().map(revenue).collect())
    };
    let tags = |company: &str| vec![format!("company:{company}")];
    let ask = |companies: &[&str]| {
        kpis.get_many_or_fetch(companies.iter().map(|&company| company.to_owned()).collect(), tags, load)
    };
    ask(&["2"]).await.unwrap();
    kpis.invalidate_tag("company:3").await.unwrap();
    let answers: Vec<_> = ask(&["1", "2", "9"]).await.unwrap().into_iter().map(Result::unwrap).collect();
    let revenues: Vec<_> = answers.iter().map(|answer| answer.value().map(|kpis| kpis.revenue)).collect();
    assert_eq!(revenues, [Some(1), Some(2), None]);
    assert_eq!(
        answers.iter().map(alacena::outcome::Outcome::is_hit).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[tokio::test]
async fn an_absent_thing_is_no_error_and_a_failure_is() {
    let kpis = class(&Alacena::builder().build());
    let absent = kpis.get_or_fetch(["1"], &[], || async { Ok(None) }).await.unwrap();
    assert!(absent.value().is_none());
    let failed = kpis
        .get_or_fetch(["2"], &[], || async { Err(Error::new(&catalogue::SOURCE_FAILED, "500")) })
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_refresh_replaces_what_is_kept() {
    let kpis = class(&Alacena::builder().build());
    for revenue in [1, 2] {
        kpis.refresh(["42"], &[], move || async move { Ok(Some(Kpis { revenue })) }).await.unwrap();
    }
    assert_eq!(kpis.get(["42"]).unwrap().unwrap().value().unwrap().revenue, 2);
}

#[tokio::test]
async fn a_class_has_values_of_one_type() {
    let alacena = Alacena::builder().build();
    let (_first, _again) = (class(&alacena), class(&alacena));
    let refused = alacena.class::<String>("kpis", Policy::default()).unwrap_err();
    assert_eq!((refused.code(), refused.kind()), (&catalogue::CLASS_REFUSED, Kind::Invalid));
    assert_eq!(refused.detail(), "the values of `kpis` are of another type");
}

#[tokio::test]
async fn the_number_of_classes_is_limited() {
    let alacena = Alacena::builder().build();
    let class = |at: usize| alacena.class::<Kpis>(&format!("class {at}"), Policy::default());
    assert!((0..1024).all(|at| class(at).is_ok()));
    assert_eq!(class(1024).unwrap_err().detail(), "there are 1024 classes already");
    assert!(class(7).is_ok(), "another handle of one that is there");
}
