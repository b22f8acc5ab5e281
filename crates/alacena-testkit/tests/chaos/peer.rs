//! A server that sends back what it gets, and what it saw of each connection's end.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use alacena_testkit::chaos::ChaosProxy;

/// How a connection ended for whoever read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Orderly,
    Reset,
}

/// An echo on a free port, for as long as the test's process lives.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    /// For each connection that has ended: what it read, and how it ended.
    pub(crate) ended: Receiver<(Vec<u8>, End)>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (tell, ended) = channel();
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                let echo = move || tell.send(echo(stream));
                thread::Builder::new().spawn(echo).expect("a thread starts");
            }
        };
        thread::Builder::new().spawn(serve).expect("a thread starts");
        Self { address, ended }
    }

    /// The echo behind a proxy, and a client of it.
    pub(crate) fn with_client() -> (Self, ChaosProxy, TcpStream) {
        let echo = Self::start();
        let proxy = ChaosProxy::start(echo.address, 1);
        let client = connect(&proxy);
        (echo, proxy, client)
    }
}

fn echo(mut stream: TcpStream) -> (Vec<u8>, End) {
    let (mut chunk, mut read) = ([0; 4096], Vec::new());
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return (read, End::Orderly),
            Ok(length) => {
                read.extend_from_slice(&chunk[..length]);
                if stream.write_all(&chunk[..length]).is_err() {
                    return (read, End::Reset);
                }
            }
            Err(_) => return (read, End::Reset),
        }
    }
}

pub(crate) fn connect(proxy: &ChaosProxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).expect("the proxy accepts");
    client.set_nodelay(true).expect("an option of every socket");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("an option of every socket");
    client
}

/// What the client gets in return for these bytes.
pub(crate) fn say(client: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    client.write_all(bytes).expect("the connection is open");
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).expect("it all comes back");
    answer
}

/// What is read until the connection ends, and how it ends.
pub(crate) fn read_to_end(client: &mut TcpStream) -> (Vec<u8>, End) {
    let (mut chunk, mut read) = ([0; 4096], Vec::new());
    loop {
        match client.read(&mut chunk) {
            Ok(0) => return (read, End::Orderly),
            Ok(length) => read.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (read, End::Reset),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether nothing can be read for a while.
pub(crate) fn is_silent(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_millis(60))).expect("an option of every socket");
    let read = client.read(&mut [0; 1]);
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("an option of every socket");
    matches!(read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// What the reads of a client brought, one by one, up to so many bytes.
pub(crate) fn reads(client: &mut TcpStream, bytes: usize) -> io::Result<Vec<usize>> {
    let (mut chunk, mut reads) = ([0; 4096], Vec::new());
    while reads.iter().sum::<usize>() < bytes {
        reads.push(client.read(&mut chunk)?);
    }
    Ok(reads)
}

/// How long something takes.
#[expect(clippy::disallowed_methods, reason = "real delays are measured on the machine's clock")]
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}
