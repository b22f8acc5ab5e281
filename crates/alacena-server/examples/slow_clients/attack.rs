//! Callers who do not behave.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

/// One kind of attack.
pub(crate) struct Attack {
    pub(crate) what: &'static str,
    /// How many at once.
    attackers: usize,
    /// What each does with one connection after the other.
    attack: fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        what: "2,000 heads, a byte a second",
        attackers: 2000,
        attack: |stream| {
            Box::pin(trickle(stream, "GET /reads/item?id=1 HTTP/1.1\r\nhost: localhost\r\nx: ".into()))
        },
    },
    Attack {
        what: "2,000 bodies, a byte a second",
        attackers: 2000,
        attack: |stream| Box::pin(trickle(stream, post("content-length: 1000000"))),
    },
    Attack {
        what: "500 answers of 40 MB that nobody takes",
        attackers: 500,
        attack: |stream| Box::pin(take_nothing(stream)),
    },
    Attack { what: "5,000 idle connections", attackers: 5000, attack: |stream| Box::pin(idle(stream)) },
    Attack {
        what: "HTTP/2 requests reset as they are sent",
        attackers: 4,
        attack: |stream| Box::pin(rapid_reset(stream)),
    },
    Attack {
        what: "heads of 10 MB",
        attackers: 4,
        attack: |stream| Box::pin(flood(stream, "GET / HTTP/1.1\r\nhost: localhost\r\nx: ".into(), 10)),
    },
    Attack {
        what: "bodies of 1 GB",
        attackers: 4,
        attack: |stream| Box::pin(flood(stream, post("content-length: 1000000000"), 1000)),
    },
    Attack {
        what: "bodies of 1 GB in chunks",
        attackers: 4,
        attack: |stream| Box::pin(flood(stream, post("transfer-encoding: chunked") + "40000000\r\n", 1000)),
    },
];

impl Attack {
    /// Attacks until what is returned is dropped. Whoever is thrown out comes again.
    pub(crate) fn begin(&self, address: SocketAddr) -> JoinSet<()> {
        let mut attackers = JoinSet::new();
        for number in 0..self.attackers {
            let attack = self.attack;
            attackers.spawn(async move {
                // Not all at once: it is the connections that are to hurt, not the connecting.
                sleep(Duration::from_secs(2) * u32::try_from(number).unwrap_or(0) / 5000).await;
                loop {
                    if let Ok(stream) = TcpStream::connect(address).await {
                        attack(stream).await;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            });
        }
        attackers
    }
}

fn post(field: &str) -> String {
    format!(
        "POST /reads/item HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{field}\r\n\r\n"
    )
}

/// A beginning, and then a byte a second.
async fn trickle(mut stream: TcpStream, beginning: String) {
    let mut sent = stream.write_all(beginning.as_bytes()).await;
    while sent.is_ok() {
        sleep(Duration::from_secs(1)).await;
        sent = stream.write_all(b" ").await;
    }
}

async fn take_nothing(mut stream: TcpStream) {
    let body = format!("{{\"calls\": [{}]}}", vec!["{}"; 100].join(","));
    let head = post(&format!("content-length: {}", body.len())).replace("/reads/item", "/reads/large/batch");
    if stream.write_all((head + &body).as_bytes()).await.is_ok() {
        // Readable is all that it ever is.
        sleep(Duration::from_secs(3600)).await;
    }
}

async fn idle(mut stream: TcpStream) {
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut answer = [0; 4096];
    while asked.is_ok() && stream.read(&mut answer).await.is_ok_and(|bytes| bytes > 0) {}
}

async fn rapid_reset(stream: TcpStream) {
    let (mut reading, mut writing) = stream.into_split();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec();
    for stream in (1..200_u32).step_by(2) {
        // `GET /` of localhost, out of HPACK's table.
        let head = [&[0x82, 0x86, 0x84, 0x41, 9][..], b"localhost"].concat();
        bytes.extend(
            [&[0, 0, u8::try_from(head.len()).unwrap_or(0), 1, 5][..], &stream.to_be_bytes(), &head].concat(),
        );
        bytes.extend([&[0, 0, 4, 3, 0][..], &stream.to_be_bytes(), &8_u32.to_be_bytes()].concat());
    }
    let sending = async {
        // Thrown out is what it comes for.
        let _ = writing.write_all(&bytes).await;
    };
    let listening = async {
        let _ = reading.read_to_end(&mut Vec::new()).await;
    };
    tokio::join!(sending, listening);
}

/// A beginning, and then as many megabytes as are taken.
async fn flood(mut stream: TcpStream, beginning: String, megabytes: usize) {
    let piece: Arc<[u8]> = vec![b' '; 1024 * 1024].into();
    let mut sent = stream.write_all(beginning.as_bytes()).await;
    for _ in 0..megabytes {
        if sent.is_err() {
            return;
        }
        sent = stream.write_all(&piece).await;
    }
}
