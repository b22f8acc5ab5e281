//! What callers who behave suffer from those who do not, and how much memory these get hold of.
//!
//! `cargo xtask long slow-clients` builds the server and runs this beside it: both are processes of their own. For each
//! kind of attack seven rounds: callers at a fixed rate alone, then the same with the attackers. A request is timed from
//! the moment at which it was due, so that a server that stalls does not hide it. Then sources that answer without end,
//! and the memory of the server as it goes on.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, which prints what the machine's clock says"
)]

mod attack;
mod healthy;
mod server;
mod upstream;

use std::{error::Error, time::Duration};

use attack::ATTACKS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::Server;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 7;
/// How long requests are timed for: eight thousand of them, so that a moment of the machine's is not the p99.
const WINDOW: Duration = Duration::from_secs(8);
/// How long attackers have to get into position.
const APPROACH: Duration = Duration::from_secs(3);
/// How long what they leave behind has to go, before those who behave are alone again.
const RETREAT: Duration = Duration::from_secs(3);
/// How long memory is looked at.
const LONG: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("say where the server is")?;
    let wanted = arguments.next().unwrap_or_default();
    let upstream = upstream::start().await?;
    let server = Server::start(&program, upstream).await?;
    healthy::warm(server.address).await?;
    println!(
        "| attack | p99 alone | p99 beside it | ratio | memory before | most |\n|---|---:|---:|---:|---:|---:|"
    );
    for attack in ATTACKS.iter().filter(|attack| attack.what.contains(&wanted)) {
        println!("{}", measure(&server, attack).await?);
    }
    println!(
        "\n| source | memory before | after a quarter | half | all | most |\n|---|---:|---:|---:|---:|---:|"
    );
    for (what, path) in [("answers without end", "/reads/endless"), ("1 GiB in 1 MiB of gzip", "/reads/bomb")]
    {
        println!("{}", memory(&server, what, path).await?);
    }
    Ok(())
}

/// A row: what one attack does to those who behave.
async fn measure(server: &Server, attack: &attack::Attack) -> Outcome<String> {
    let before = server.memory()?;
    let (mut alone, mut beside, mut ratios, mut most) = (Vec::new(), Vec::new(), Vec::new(), before);
    for _ in 0..ROUNDS {
        let quiet = healthy::p99(server.address, WINDOW).await?;
        let attackers = attack.begin(server.address);
        tokio::time::sleep(APPROACH).await;
        let loud = healthy::p99(server.address, WINDOW).await?;
        most = most.max(server.memory()?);
        drop(attackers);
        tokio::time::sleep(RETREAT).await;
        ratios.push(loud.as_secs_f64() / quiet.as_secs_f64());
        alone.push(quiet);
        beside.push(loud);
    }
    for list in [&mut alone, &mut beside] {
        list.sort();
    }
    ratios.sort_by(f64::total_cmp);
    let (least, median, greatest) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    let millis = |times: &[Duration]| times[ROUNDS / 2].as_secs_f64() * 1000.0;
    Ok(format!(
        "| {} | {:.2} ms | {:.2} ms | {median:.2}x ({least:.2} to {greatest:.2}) | {before} MB | {most} MB |",
        attack.what,
        millis(&alone),
        millis(&beside),
    ))
}

/// A row: the memory of the server while callers keep asking `path`.
async fn memory(server: &Server, what: &str, path: &str) -> Outcome<String> {
    let before = server.memory()?;
    let asking = healthy::keep_asking(server.address, path, 8);
    let (mut seen, mut most) = (Vec::new(), before);
    for second in 1..=LONG.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = server.memory()?;
        most = most.max(now);
        if matches!(second * 4 / LONG.as_secs(), 1 | 2 | 4) && (second * 4).is_multiple_of(LONG.as_secs()) {
            seen.push(now);
        }
    }
    drop(asking);
    Ok(format!("| {what} | {before} MB | {} MB | {} MB | {} MB | {most} MB |", seen[0], seen[1], seen[2]))
}
