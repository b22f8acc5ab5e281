//! A server that is killed, frozen or started again.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use alacena_testkit::servers::{Flavour, RedisServer, Reply};

#[test]
fn killed_it_refuses_and_restarted_it_is_back_on_its_port_with_nothing() {
    for flavour in Flavour::ALL {
        let Some(mut redis) = RedisServer::builder().flavour(flavour).start() else { continue };
        let (address, pid, run) = (redis.address(), redis.pid(), redis.info("run_id"));
        redis.command(&["SET", "a", "b"]);
        redis.kill();
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        redis.restart();
        assert_eq!(redis.address(), address);
        assert_ne!((redis.pid(), redis.info("run_id")), (pid, run));
        assert_eq!(redis.command(&["GET", "a"]), Reply::Nil);
        assert_eq!(redis.commands_processed(), 0);
    }
}

#[test]
fn what_it_was_told_to_keep_on_disk_survives_a_kill() {
    let builder = RedisServer::builder().config("appendonly", "yes").config("appendfsync", "always");
    let Some(mut redis) = builder.start() else { return };
    redis.command(&["SET", "a", "b"]);
    redis.restart();
    assert_eq!(redis.command(&["GET", "a"]), Reply::Bulk(b"b".to_vec()));
}

#[test]
fn frozen_it_accepts_and_says_nothing_until_it_goes_on() {
    let Some(redis) = RedisServer::builder().start() else { return };
    redis.pause();
    let mut stream = TcpStream::connect(redis.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    let silence = stream.read(&mut answer).unwrap_err().kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence:?}");

    redis.resume();
    stream.set_read_timeout(None).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

/// The guard of a server ends it when the process that started it is killed, which runs nobody's `Drop`.
#[test]
fn it_does_not_outlive_a_killed_test() {
    if Flavour::Debian.program().is_none() {
        return;
    }
    // This very test, in a process that starts a server, says its number and waits to be killed.
    const CHILD: &str = "ALACENA_TEST_IS_CHILD";
    if env::var_os(CHILD).is_some() {
        let redis = RedisServer::builder().start().unwrap();
        redis.pause();
        writeln!(io::stderr(), "pid={} folder={}", redis.pid(), redis.socket().display()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let name = "failures::it_does_not_outlive_a_killed_test";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("pid=") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the child ended");
    }
    let (pid, socket) = line.trim().strip_prefix("pid=").unwrap().split_once(" folder=").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let folder = Path::new(socket).parent().unwrap();
    wait_until("the server outlived the test that started it", || has_ended(pid));
    wait_until("its folder is still there", || !folder.exists());
}

/// A fork that saves does not outlive its server either: it would write into a folder that is being removed.
#[test]
fn its_forks_end_with_it() {
    let Some(redis) = RedisServer::builder().config("rdb-key-save-delay", "60000000").start() else { return };
    redis.command(&["SET", "a", "b"]);
    redis.command(&["BGSAVE"]);
    let log = redis.log();
    let fork = log.split("Background saving started by pid ").nth(1).unwrap().lines().next().unwrap();
    assert!(!has_ended(fork));
    let folder = redis.socket().parent().unwrap().to_owned();
    drop(redis);
    wait_until("the fork outlived its server", || has_ended(fork));
    assert!(!folder.exists());
}

/// Whether the process of this number is gone, or only waits for somebody to take note of its end.
fn has_ended(pid: &str) -> bool {
    fs::read(Path::new("/proc").join(pid).join("cmdline")).map_or(true, |command| command.is_empty())
}

fn wait_until(otherwise: &str, is_so: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if is_so() {
            return;
        }
        pause();
    }
    panic!("{otherwise}");
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}
