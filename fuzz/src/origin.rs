//! A source on loopback that answers every request with the bytes that it was given, and ends the connection.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A running origin; its thread ends with the process.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Origin {
    pub(crate) fn start(answer: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let answer = Arc::new(Mutex::new(answer.to_vec()));
        let shared = Arc::clone(&answer);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let answer = shared.lock().expect("nobody panics with it").clone();
                // Whoever asks may go away before it has heard everything.
                let _ = reply(stream, &answer);
            }
        };
        thread::Builder::new()
            .name("origin".to_owned())
            .spawn(serve)
            .expect("a process may have a few threads");
        Self { address, answer }
    }

    /// What the next request is answered with.
    pub(crate) fn answer(&self, bytes: Vec<u8>) {
        *self.answer.lock().expect("nobody panics with it") = bytes;
    }
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&part[..read]),
        }
    }
    stream.write_all(answer)
}
