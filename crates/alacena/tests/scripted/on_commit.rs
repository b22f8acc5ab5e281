//! What a transaction changes is invalidated when it has been committed, and not before.

use alacena::{Alacena, Class, Level, class::Policy, error::catalogue, ledger::Target};

fn tag(company: u64) -> Target {
    Target::Tag(format!("company:{company}"))
}

/// An Alacena that holds a number of company 42.
async fn holding() -> (Alacena, Class<u64>) {
    let alacena = Alacena::builder().build();
    let kpis = alacena.class("kpis", Policy::default()).unwrap();
    load(&kpis, 7).await;
    (alacena, kpis)
}

async fn load(kpis: &Class<u64>, number: u64) {
    kpis.get_or_fetch(["42"], &["company:42"], move || async move { Ok(Some(number)) }).await.unwrap();
}

#[tokio::test]
async fn nothing_is_invalidated_before_the_commit_and_everything_after_it() {
    let (alacena, kpis) = holding().await;
    let mut changed = alacena.on_commit("orders");
    changed.add(tag(42)).unwrap().add(Target::Key("kpis:43".into())).unwrap().add(tag(42)).unwrap();
    assert_eq!(changed.targets(), [tag(42), Target::Key("kpis:43".into())], "each of them once");
    assert!(kpis.get(["42"]).unwrap().is_some(), "others may still load what was there before");
    assert_eq!(changed.committed().await.level, Level::Applied);
    assert!(kpis.get(["42"]).unwrap().is_none());
    let history = alacena.history(1).await.unwrap();
    assert_eq!((history[0].who.as_str(), history[0].targets.len()), ("orders", 2));
}

#[tokio::test]
async fn a_transaction_that_came_to_nothing_invalidates_nothing() {
    let (alacena, kpis) = holding().await;
    let mut dropped = alacena.on_commit("orders");
    dropped.add(tag(42)).unwrap();
    drop(dropped);
    let mut rolled_back = alacena.on_commit("orders");
    rolled_back.add(tag(42)).unwrap();
    rolled_back.rolled_back();
    assert!(kpis.get(["42"]).unwrap().is_some());
    assert_eq!(alacena.history(1).await.unwrap(), []);
}

#[tokio::test]
async fn a_target_that_names_nothing_is_refused_while_it_can_be_rolled_back() {
    let (alacena, _kpis) = holding().await;
    let mut changed = alacena.on_commit("orders");
    let refused = changed.add(Target::Class("kpi".into())).unwrap_err();
    assert!(refused.detail().contains("did you mean `kpis`?"));
    for company in 0..1_000 {
        changed.add(tag(company)).unwrap();
    }
    assert_eq!(changed.add(tag(1_000)).unwrap_err().code(), &catalogue::KEY_INVALID);
    assert_eq!(changed.targets().len(), 1_000);
    changed.rolled_back();
}

/// What the outbox is given is what it reads.
#[tokio::test]
async fn a_row_for_the_outbox_says_the_same() {
    let (alacena, _kpis) = holding().await;
    let mut changed = alacena.on_commit("orders");
    changed
        .add(tag(42))
        .unwrap()
        .add(Target::Everything)
        .unwrap()
        .add(Target::Prefix("kpis".into()))
        .unwrap();
    let read: Vec<Target> = serde_json::from_str(&changed.outbox_row()).unwrap();
    assert_eq!(read, changed.targets());
    changed.rolled_back();
}
