//! kill -9 between a declared write and its invalidation.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, routing::get};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use tempfile::tempdir;
use tokio::{net::TcpListener, sync::Notify};

use crate::process::{Running, cache_status};

/// An upstream that does what it is told and never says so: the caller cannot know.
async fn silent_upstream(stock: Arc<AtomicU64>, done: Arc<Notify>) -> std::net::SocketAddr {
    let read = Arc::clone(&stock);
    let show = async move || read.load(Ordering::SeqCst).to_string();
    let take = async move || -> String {
        stock.fetch_sub(1, Ordering::SeqCst);
        done.notify_one();
        std::future::pending().await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        axum::serve(listener, Router::new().route("/stock", get(show).post(take))).await.unwrap()
    };
    tokio::spawn(serve);
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_the_middle_of_a_write_the_first_read_is_fresh() {
    let (stock, done) = (Arc::new(AtomicU64::new(10)), Arc::new(Notify::new()));
    let upstream = silent_upstream(Arc::clone(&stock), Arc::clone(&done)).await;
    let folder = tempdir().unwrap();
    let text = format!(
        "[sources.shop]\nkind = \"http\"\nbase_url = \"http://{upstream}\"\n\
         [reads.stock]\nsource = \"shop\"\nhttp = \"GET /stock\"\ntags = [\"stock\"]\n\
         [writes.take]\nsource = \"shop\"\nhttp = \"POST /stock\"\ninvalidates = [\"stock\"]\n"
    );
    fs::write(folder.path().join("alacena.toml"), text).unwrap();

    let server = Running::serve(folder.path(), &[]);
    assert_eq!(server.get("/reads/stock").await.json::<Json>().await.unwrap(), 10);
    let write = server.client.post(format!("{}/writes/take", server.url)).json(&json!({})).send();
    tokio::select! {
        answer = write => panic!("the write was answered: {answer:?}"),
        () = done.notified() => {}
    }
    assert!(
        cache_status(&server.get("/reads/stock").await).contains("; hit"),
        "nothing has been invalidated yet"
    );
    server.signal(Signal::KILL);
    let (status, _) = server.end();
    assert!(!status.success());

    let mut again = Running::serve(folder.path(), &[]);
    again.wait_for("recovery");
    let fresh = again.get("/reads/stock").await;
    assert!(!cache_status(&fresh).contains("; hit"), "{}", cache_status(&fresh));
    assert_eq!(fresh.json::<Json>().await.unwrap(), 9);
}
