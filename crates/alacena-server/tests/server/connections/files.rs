//! No file can be opened any more: what is open goes on, and what waits is taken once there are files again.

use std::{env, fs::File, process::Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{GET, answer, open};
use crate::support::{Running, get};

/// Set in the process that runs out of files: no other test may share its fate.
const ALONE: &str = "ALACENA_TEST_WITHOUT_FILES";
const NAME: &str =
    "connections::files::without_files_open_connections_are_answered_and_others_are_once_there_are_files";

#[tokio::test]
async fn without_files_open_connections_are_answered_and_others_are_once_there_are_files() {
    if env::var_os(ALONE).is_none() {
        let mut child = Command::new(env::current_exe().unwrap());
        let run = child.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..limit }).unwrap();
    let server = Running::start("").await;
    assert_eq!(server.get("/reads/item?id=7").await.status, 200);
    let mut early = open(server.address, GET).await;
    assert!(answer(&mut early).await.starts_with("HTTP/1.1 200"));

    let waiting = {
        // The last file goes to a caller who connects; for the server's end there is none.
        let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        files.pop();
        let waiting = tokio::spawn(get("/health").send(server.address));
        for path in ["/health", "/reads/item?id=7"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            tokio::io::AsyncWriteExt::write_all(&mut early, request.as_bytes()).await.unwrap();
            assert!(answer(&mut early).await.starts_with("HTTP/1.1 200"), "{path}");
        }
        server.pass(5).await;
        assert!(!waiting.is_finished(), "there is no file for it");
        waiting
    };
    server.pass(1).await;
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(server.get("/reads/item?id=8").await.status, 200);
}
