//! One store, one owner; one address, one listener.

use tempfile::tempdir;

use crate::process::{Running, run};

#[test]
fn a_second_server_on_one_store_is_refused_and_told_of_the_first() {
    let folder = tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    let first = Running::serve(folder.path(), &[]);
    let second = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    let address = first.url.trim_start_matches("http://");
    assert!(second.err.contains(&first.pid().to_string()) && second.err.contains(address), "{second:?}");
    assert_eq!(run(folder.path(), &["check"]).code, Some(0), "checking disturbs nobody");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for arguments in [&["serve", "--listen", &address][..], &["simulate", "jobnimbus", "--listen", &address]]
    {
        let refused = run(folder.path(), arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(&address) && refused.err.contains("--listen"), "{refused:?}");
    }
}
