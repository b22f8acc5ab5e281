//! What an application may take for granted of the types that it holds.

use std::fmt::Debug;

use alacena::{
    Alacena, Builder, Class, ClassSettings, DeclaredRead, DeclaredWrite, Figures, Ready, Reloading,
    class::Policy, error::Error, outcome::Outcome,
};

/// Can be kept in the state of a server, and shared between its tasks.
fn is_shared<T: Clone + Debug + Send + Sync + 'static>() {}

fn is_sent<T: Debug + Send + 'static>() {}

fn is_spawned<T: Send>(_: &T) {}

/// Neither `Debug` nor `Clone`: what a class holds need not have them.
#[derive(serde::Serialize)]
struct Plain(u64);

#[test]
fn handles_are_cloned_shown_and_shared_whatever_they_hold() {
    is_shared::<Alacena>();
    is_shared::<Builder>();
    is_shared::<Class<Plain>>();
    is_shared::<ClassSettings>();
    is_shared::<DeclaredRead>();
    is_shared::<DeclaredWrite>();
    is_shared::<Error>();
    is_shared::<Figures>();
    is_shared::<Outcome<Plain>>();
    is_sent::<Reloading>();
    is_sent::<Ready>();
}

#[tokio::test]
async fn calls_can_be_made_in_tasks_of_their_own() {
    let alacena = Alacena::builder().build();
    let class: Class<Plain> = alacena.class("plain", Policy::default()).expect("it is the first one");
    let asking = class.get_or_fetch(["1"], &[], || async { Ok(Some(Plain(7))) });
    is_spawned(&asking);
    assert_eq!(asking.await.ok().and_then(|outcome| Some(outcome.value()?.0)), Some(7));
    is_spawned(&alacena.clear("test"));
    is_spawned(&alacena.invalidate(&[], "test"));
    let shown = format!("{alacena:?} {class:?}");
    assert_eq!(shown, "Alacena { namespace: \"default\", .. } Class(plain)");
}
