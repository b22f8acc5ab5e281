//! Who stands in for a server that cannot be had: one that is too old.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// The first words of a server.
#[derive(Clone, Copy)]
pub(crate) enum Old {
    /// As 5.0 answers: it knows no HELLO, and quotes what it was sent.
    Five,
    /// As 6.0 answers: it knows HELLO, and says what it is.
    Six,
}

/// Where it listens, on loopback, for as long as the test runs.
pub(crate) async fn old(version: Old) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, version));
        }
    });
    address
}

async fn answer(client: TcpStream, version: Old) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let words = command(&mut client).await?;
        let hello = words.first().is_some_and(|word| word == "HELLO");
        let reply = match version {
            Old::Six if hello => {
                let fields = ["server", "redis", "version", "6.0.16", "mode", "standalone", "role", "master"];
                let fields: String =
                    fields.iter().map(|field| format!("${}\r\n{field}\r\n", field.len())).collect();
                format!("%6\r\n{fields}$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n")
            }
            Old::Six | Old::Five => {
                let rest: String = words.iter().skip(1).map(|word| format!("`{word}`, ")).collect();
                format!("-ERR unknown command `{}`, with args beginning with: {rest}\r\n", words[0])
            }
        };
        client.get_mut().write_all(reply.as_bytes()).await?;
    }
}

async fn command(client: &mut BufReader<TcpStream>) -> std::io::Result<Vec<String>> {
    let count = number(client, '*').await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(client, '$').await?];
        client.read_exact(&mut word).await?;
        client.read_exact(&mut [0; 2]).await?;
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Ok(words)
}

async fn number(client: &mut BufReader<TcpStream>, sign: char) -> std::io::Result<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await?;
    let number = line.trim_end().strip_prefix(sign).and_then(|number| number.parse().ok());
    number.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
