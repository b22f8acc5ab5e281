//! `alacena bench`.

use std::time::Duration;

use alacena::{
    Alacena, SystemRuntime,
    config::Config,
    error::{Error, catalogue},
    runtime::SharedRuntime,
};
use alacena_server::ServerSettings;
use reqwest::{Url, header::HeaderValue};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    VERSION,
    args::Bench,
    bench::{Arrivals, Load, Progress, Question, Report, Tally},
    failure::Failure,
    locate::{self, Found},
    log,
    remote::{self, Remote},
    say::{self, Paint, count},
};

pub(super) async fn run(arguments: Bench) -> Result<(), Failure> {
    let runtime = SystemRuntime::shared();
    let found = locate::find(&arguments.config, &arguments.server).await?;
    let report = match found {
        Found::Server(remote) => measure(&remote, &arguments, &runtime).await?,
        Found::Alone(config) => {
            let host = Host::start(*config, &runtime).await?;
            let report = measure(&host.remote, &arguments, &runtime).await;
            host.stop().await;
            report?
        }
    };
    if arguments.output.json {
        say::json(&report.described());
    } else {
        say::answer(&report.in_words(Paint::stdout()));
    }
    Ok(())
}

async fn measure(remote: &Remote, arguments: &Bench, runtime: &SharedRuntime) -> Result<Report, Failure> {
    let url = remote.read_url(&arguments.read, &arguments.parameters);
    let question = |past_the_cache| question(remote, &url, arguments, past_the_cache);
    let (past, through) = (question(true)?, question(false)?);
    // Whatever is wrong with the question is said by the server, in its words, before anything is measured.
    let headers = &arguments.headers.headers;
    remote::send(remote.get_read(&arguments.read, &arguments.parameters, headers), remote).await?;

    let duration = arguments.duration;
    let without = match arguments.source_calls {
        0 => None,
        calls => {
            // However the cache is asked, its source is spared: so many calls, evenly.
            let arrivals = Arrivals::Open { per_second: f64::from(calls) / duration.as_secs_f64() };
            let load = Load { question: past, arrivals, duration, connections: arguments.connections };
            Some(watched("without cache", load, runtime).await?)
        }
    };
    // What the source was asked may have taken the time of what was kept.
    remote::send(remote.get_read(&arguments.read, &arguments.parameters, headers), remote).await?;
    let arrivals = if arguments.closed {
        Arrivals::Closed
    } else {
        Arrivals::Open { per_second: f64::from(arguments.rate) }
    };
    let load = Load { question: through, arrivals, duration, connections: arguments.connections };
    let with = watched("with cache", load, runtime).await?;

    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let read = format!("{}{query}", arguments.read);
    Ok(Report { read, server: remote.address().to_owned(), how: how(arguments), without, with })
}

/// How it was asked, in words.
fn how(arguments: &Bench) -> String {
    let seconds = arguments.duration.as_secs_f64();
    let connections = count(arguments.connections, "connection");
    if arguments.closed {
        format!("{seconds} s over {connections}, each asking as soon as it has its answer")
    } else {
        let rate = arguments.rate;
        format!("{seconds} s over {connections}, {rate} a second; latency counts from when each was due")
    }
}

async fn watched(title: &str, load: Load, runtime: &SharedRuntime) -> Result<Tally, Error> {
    let whole = load.duration;
    let tally = load.run(runtime, |progress| say::progress(&line(title, progress, whole))).await;
    say::progress("");
    tally
}

fn line(title: &str, progress: Progress, whole: Duration) -> String {
    let share = (progress.elapsed.as_secs_f64() / whole.as_secs_f64()).min(1.0);
    let done = (share * 20.0) as usize;
    let bar = format!("{}{}", "█".repeat(done), "░".repeat(20 - done));
    let (elapsed, whole) = (progress.elapsed.as_secs_f64(), whole.as_secs_f64());
    format!("{title:<14} {bar} {elapsed:4.1} of {whole} s, {} answers", progress.answered)
}

/// The request as it goes over the wire.
fn question(remote: &Remote, url: &Url, arguments: &Bench, past_the_cache: bool) -> Result<Question, Error> {
    let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(|| {
        let detail = format!(
            "{} is not http://: measure the server itself, not what stands in front of it",
            remote.address()
        );
        Error::new(&catalogue::CONFIGURATION_INVALID, detail)
    })?;
    let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = format!("GET {}{query} HTTP/1.1\r\nhost: {authority}\r\n", url.path()).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    if past_the_cache {
        line("cache-control", b"no-store");
    }
    if let Some(token) = remote.token().and_then(|token| HeaderValue::from_str(token.reveal()).ok()) {
        line("alacena-token", token.as_bytes());
    }
    for header in &arguments.headers.headers {
        line(header.name.as_str(), header.value.as_bytes());
    }
    request.extend(b"\r\n");
    Ok(Question { authority, request })
}

/// A server of this process, for a configuration that has none running: on loopback, with a store that is gone when
/// it ends.
struct Host {
    remote: Remote,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    _store: TempDir,
}

impl Host {
    async fn start(mut config: Config, runtime: &SharedRuntime) -> Result<Self, Failure> {
        let store = tempfile::tempdir().map_err(|cause| {
            Error::new(&catalogue::STORE_FAILED, "there is no temporary folder for a store").caused_by(cause)
        })?;
        config.server.log = "warn".to_owned();
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.tokens.clear();
        // The source is asked as often as was said, and by nobody else.
        config.reads.iter_mut().for_each(|read| read.warm = None);
        config.embedded.path = store.path().to_owned();
        log::begin(&config.server)?;
        let alacena = Alacena::open(&config, runtime.clone()).await?;
        let listener = alacena_server::bind(config.server.listen).await?;
        let remote = Remote::at(listener.local_addr()?).anonymous();
        let ((stop, stopped), (end, ended)) = (oneshot::channel::<()>(), oneshot::channel());
        let settings = ServerSettings::of(&config, VERSION);
        let serving = alacena_server::serve(listener, alacena, settings, async { drop(stopped.await) });
        runtime.spawn(Box::pin(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the server of this benchmark has ended");
            }
            // Nobody may be waiting for it.
            let _ = end.send(());
        }));
        Ok(Self { remote, stop, ended, _store: store })
    }

    /// Ends it once everything has been answered.
    async fn stop(self) {
        // It may have ended by itself; then there is nothing to wait for.
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}
