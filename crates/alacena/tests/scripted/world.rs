//! An Alacena on a clock that the test holds, before a peer on loopback that answers when, and what, the test says.

use std::{sync::Arc, time::Duration};

use alacena::{
    Alacena, Ask, Mode,
    config::{Config, Layers},
    declared::Parameters,
    error::Error,
    ledger::Target,
    outcome::Outcome,
    source::Credential,
    value::Body,
};
use alacena_testkit::FakeRuntime;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

/// How long a test waits for what must happen; nothing takes that long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that waits for its answer.
pub(crate) struct Request {
    /// Method and target: `GET /jobs/7`.
    pub(crate) line: String,
    /// Header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    stream: TcpStream,
}

impl Request {
    pub(crate) async fn answer(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        // Whoever has given up does not mind.
        let _ = self.stream.write_all(answer.as_bytes()).await;
    }

    /// Answers with this document.
    pub(crate) async fn ok(self, body: &str) {
        self.answer("200 OK", "", body).await;
    }
}

pub(crate) struct World {
    pub(crate) alacena: Alacena,
    pub(crate) runtime: FakeRuntime,
    pub(crate) folder: tempfile::TempDir,
    requests: mpsc::UnboundedReceiver<Request>,
    base: String,
}

/// The read of a job, and that of its customer, which only the job knows.
pub(crate) const JOB_AND_CUSTOMER: &str = r#"
    [classes.jobs]
    ttl = "60s"
    jitter = 0.0
    [classes.customers]
    ttl = "10m"
    jitter = 0.0
    [reads.get_job]
    source = "crm"
    class = "jobs"
    http = "GET /jobs/{id}"
    params.id = { type = "integer" }
    key = "job:detail:{id}"
    tags = ["job:{id}"]
    hard_tags = ["rights:{id}"]
    [reads.get_customer]
    source = "crm"
    class = "customers"
    http = "GET /customers/{customer}"
    params.job = { type = "integer" }
    parent = { read = "get_job", params = { id = "{job}" }, take = { customer = "/customer/id" } }
    tags = ["customers"]
"#;

impl World {
    /// `config` with an HTTP source `crm`.
    pub(crate) async fn open(config: &str) -> Self {
        Self::with_source(config, "").await
    }

    /// The same, with more settings of the source.
    pub(crate) async fn with_source(config: &str, settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (heard, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = heard.clone();
                tokio::spawn(async move {
                    let request = receive(stream).await;
                    // The test may be over.
                    let _ = request.map(|request| heard.send(request));
                });
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let config =
            load(&folder, &declared(&base, settings, config)).unwrap_or_else(|problems| panic!("{problems}"));
        let runtime = FakeRuntime::new(1);
        let alacena = Alacena::open(&config, Arc::new(runtime.clone())).await.unwrap();
        Self { alacena, runtime, folder, requests, base }
    }

    /// The configuration that another text makes, with the same source.
    pub(crate) fn another(&self, config: &str) -> Config {
        self.another_with(config, "")
    }

    /// The same, with more settings of the source.
    pub(crate) fn another_with(&self, config: &str, settings: &str) -> Config {
        let text = declared(&self.base, settings, config);
        load(&self.folder, &text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Asks, in a task of its own.
    pub(crate) fn ask(&self, read: &str, job: u64) -> JoinHandle<Result<Outcome<Body>, Error>> {
        self.ask_as(read, job, Mode::Normal, &[])
    }

    pub(crate) fn ask_as(
        &self,
        read: &str,
        job: u64,
        mode: Mode,
        credentials: &[(&str, &str)],
    ) -> JoinHandle<Result<Outcome<Body>, Error>> {
        let (alacena, read) = (self.alacena.clone(), read.to_owned());
        let credential = |(header, secret): &(&str, &str)| Credential {
            header: (*header).into(),
            secret: secret.as_bytes().into(),
        };
        let ask = Ask { mode, credentials: credentials.iter().map(credential).collect(), ..Ask::default() };
        tokio::spawn(async move {
            let declared = alacena.declared_read(&read)?;
            let name = declared.parameters[0].name.clone();
            let parameters =
                Parameters::from_text(&declared.parameters, [(name.as_str(), job.to_string().as_str())])?;
            declared.ask(parameters, ask).await
        })
    }

    /// The next request that the peer receives.
    pub(crate) async fn next(&mut self) -> Request {
        let request = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        request.expect("nobody asks").unwrap()
    }

    /// The next request, which must be this one.
    pub(crate) async fn hears(&mut self, line: &str) -> Request {
        let request = self.next().await;
        assert_eq!(request.line, line);
        request
    }

    /// Puts another configuration in place.
    pub(crate) async fn reload(&self, config: &Config) {
        self.alacena.reload(config).await.unwrap();
    }

    /// A request that the peer has received and nobody has heard yet.
    pub(crate) async fn heard(&mut self) -> Option<Request> {
        alacena_testkit::settle().await;
        self.requests.try_recv().ok()
    }

    /// Whether the peer has been asked nothing more.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        self.heard().await.is_none()
    }

    /// Asks for the customer of a job, of which nothing is held.
    pub(crate) async fn fill(&mut self, job: u64, customer: u64) -> Outcome<Body> {
        let asked = self.ask("get_customer", job);
        self.hears(&format!("GET /jobs/{job}")).await.ok(&job_of(customer)).await;
        self.hears(&format!("GET /customers/{customer}")).await.ok("{\"name\":\"Ana\"}").await;
        done(asked).await
    }

    pub(crate) async fn after(&self, seconds: u64) {
        self.runtime.advance(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn invalidate(&self, target: Target) {
        self.alacena.invalidate(&[target], "test").await.unwrap();
    }
}

pub(crate) fn job_of(customer: u64) -> String {
    format!("{{\"customer\":{{\"id\":{customer}}}}}")
}

/// What a caller is answered.
pub(crate) async fn done(asked: JoinHandle<Result<Outcome<Body>, Error>>) -> Outcome<Body> {
    ended(asked).await.unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) async fn ended(asked: JoinHandle<Result<Outcome<Body>, Error>>) -> Result<Outcome<Body>, Error> {
    tokio::time::timeout(PATIENCE, asked).await.expect("it waits for something that never comes").unwrap()
}

pub(crate) fn text(outcome: &Outcome<Body>) -> &str {
    std::str::from_utf8(outcome.value().expect("there is a value").bytes()).unwrap()
}

fn declared(base: &str, settings: &str, config: &str) -> String {
    let config = config.replace("{base}", base);
    format!("[sources.crm]\nkind = \"http\"\nbase_url = \"{base}\"\nretries = 0\n{settings}\n{config}")
}

fn load(folder: &tempfile::TempDir, config: &str) -> Result<Config, alacena::config::Problems> {
    let file = folder.path().join("alacena.toml");
    std::fs::write(&file, config).unwrap();
    Config::load(&Layers { file: Some(file), ..Layers::default() })
}

async fn receive(stream: TcpStream) -> Option<Request> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut head) = (String::new(), String::new());
    stream.read_line(&mut line).await.ok()?;
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let line = line.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    Some(Request { line, head, body: String::from_utf8(body).unwrap(), stream: stream.into_inner() })
}
