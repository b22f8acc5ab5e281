//! Stopping: what is running is answered, what is new is not taken, a second signal does not wait.

use std::{fs, sync::Arc};

use axum::{Router, routing::get};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};
use tokio::{net::TcpListener, sync::Notify};

use crate::process::Running;

/// A server whose one read is being asked, and an upstream that answers when it is told to.
struct Asked {
    server: Running,
    answer: tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>,
    release: Arc<Notify>,
    _folder: TempDir,
}

async fn asked() -> Asked {
    let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&arrived), Arc::clone(&release));
    let handler = async move || {
        told.notify_one();
        wait.notified().await;
        "[1]"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/slow", get(handler))).await.unwrap() },
    );

    let folder = tempdir().unwrap();
    let text = format!(
        "[sources.up]\nkind = \"http\"\nbase_url = \"http://{upstream}\"\n[reads.slow]\nsource = \"up\"\nhttp = \"GET /slow\"\n"
    );
    fs::write(folder.path().join("alacena.toml"), text).unwrap();
    let server = Running::serve(folder.path(), &[]);
    let answer = tokio::spawn(server.client.get(format!("{}/reads/slow", server.url)).send());
    arrived.notified().await;
    Asked { server, answer, release, _folder: folder }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_in_the_middle_of_a_load_lets_it_be_answered() {
    let Asked { mut server, answer, release, _folder } = asked().await;
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    release.notify_one();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "[1]"));
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait() {
    let Asked { mut server, answer, release: _release, _folder } = asked().await;
    server.signal(Signal::INT);
    server.wait_for("stopping");
    server.signal(Signal::INT);
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(answer.await.unwrap().is_err(), "nobody was left to answer it");
}
