//! The server that the MCP conformance suite talks to: the fixtures that it wants, behind the connections, checks and
//! transport that serve `/mcp`.
//!
//! Says where it listens and serves until its standard input closes. `tests/clients/conformance.py` runs it.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for tests, which talks to the one that started it and keeps the machine's time"
)]
#![expect(deprecated, reason = "the suite asks for what 2025-11-25 still had")]

mod fixture;
mod input;
mod offers;
mod session;
mod tools;

use std::{
    error::Error,
    io::{self, Read as _},
    thread,
};

use alacena::{
    Alacena, SystemRuntime,
    config::{Config, Layers},
};
use alacena_server::{ServerSettings, bind, serve_mcp_handler};
use tokio::sync::oneshot;

use fixture::Fixture;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let text = format!("[embedded]\npath = {:?}\n", folder.path().join("store"));
    let config =
        Config::parse(&text, "conformance", &Layers::default()).map_err(|problems| problems.to_string())?;
    let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;

    let listener = bind("127.0.0.1:0".parse()?).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (closed, over) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().by_ref(), &mut io::sink());
        closed.send(())
    });
    let stop = async {
        let _ = over.await;
    };
    serve_mcp_handler(listener, alacena, ServerSettings::of(&config, "1.0.0"), Fixture::default(), stop)
        .await?;
    Ok(())
}
