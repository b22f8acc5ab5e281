//! What a cached tool call costs beside rmcp's own floor: the same answer from a handler that merely holds it, served by
//! nothing but rmcp and hyper. In between stands that handler behind our connections, checks and routes.
//!
//! `cargo xtask long mcp-cost` runs it: one connection, one call after the other, the three of them in turn.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, which prints what the machine's clock says"
)]

use std::{
    error::Error,
    future::pending,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use alacena::{
    Alacena, SystemRuntime,
    config::{Config, Layers},
};
use alacena_server::{ServerSettings, bind, serve, serve_mcp_handler};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult},
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio::{net::TcpListener, task::block_in_place};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 15;
const CALLS: usize = 2000;

/// Holds an answer.
#[derive(Clone)]
struct Floor(Arc<CallToolResult>);

impl ServerHandler for Floor {
    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResponse::Complete((*self.0).clone()))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("app.db");
    let row = format!(
        "create table rows (id integer, text text); insert into rows values (1, '{}');",
        "x".repeat(1000)
    );
    rusqlite::Connection::open(&database)?.execute_batch(&row)?;
    let text = format!(
        "[embedded]\npath = {:?}\n[sources.db]\nkind = \"sqlite\"\npath = {database:?}\n[reads.one]\nsource = \"db\"\n\
         sql = \"select id, text from rows where id = :id\"\nresult = \"row\"\nparams.id = {{ type = \"integer\" }}\n",
        folder.path().join("store")
    );
    let config =
        Config::parse(&text, "mcp-cost", &Layers::default()).map_err(|problems| problems.to_string())?;
    let alacena = Alacena::open(&config, SystemRuntime::shared()).await?;
    let settings = ServerSettings::of(&config, "1.0.0");

    let (listener, cached) = listener().await?;
    tokio::spawn(serve(listener, alacena.clone(), settings.clone(), pending()));
    let answer = block_in_place(|| Client::of(cached)?.call())?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let floor = Floor(Arc::new(serde_json::from_value(answer["result"].clone())?));

    let (listener, door) = self::listener().await?;
    tokio::spawn(serve_mcp_handler(listener, alacena, settings, floor.clone(), pending()));
    let (listener, bare) = self::listener().await?;
    tokio::spawn(serve_bare(listener, floor));

    let measured = block_in_place(|| measure([bare, door, cached]))?;
    let [bare, door, cached] = measured;
    println!("rmcp alone                  {bare:6.1} µs a call");
    println!("rmcp behind our door        {door:6.1} µs a call, {:.2} times", door / bare);
    println!("a cached read as a tool     {cached:6.1} µs a call, {:.2} times", cached / bare);
    Ok(())
}

async fn listener() -> Outcome<(TcpListener, SocketAddr)> {
    let listener = bind("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn serve_bare(listener: TcpListener, floor: Floor) {
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(floor.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The median of the rounds, in microseconds a call.
fn measure<const N: usize>(addresses: [SocketAddr; N]) -> Outcome<[f64; N]> {
    let mut clients = addresses.map(Client::of).into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut rounds = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (client, times) in clients.iter_mut().zip(&mut rounds) {
            let start = Instant::now();
            for _ in 0..CALLS {
                client.call()?;
            }
            if round > 0 {
                // The first one is for warming up.
                times.push(start.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
            }
        }
    }
    Ok(rounds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    }))
}

/// One connection that calls the tool.
struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    fn of(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let meta = serde_json::json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = serde_json::json!({ "name": "one", "arguments": { "id": 1 }, "_meta": meta });
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
            .to_string();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: tools/call\r\nmcp-name: one\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream: BufReader::new(stream), request: request.into_bytes() })
    }

    /// Calls the tool and reads the whole answer.
    fn call(&mut self) -> Outcome<Vec<u8>> {
        self.stream.get_mut().write_all(&self.request)?;
        let (mut line, mut length) = (String::new(), None);
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.ok_or("the answer does not say how long it is")?];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}
