//! `alacena call`.

use std::time::Duration;

use alacena::{
    Alacena, Ask, Mode, SystemRuntime,
    config::Config,
    declared::{Parameters, nearest},
    error::{Error, catalogue},
    outcome::Outcome,
    runtime::Runtime,
    value::Body,
};
use reqwest::header::{AGE, CACHE_CONTROL, HeaderName};
use serde_json::{Value as Json, json};

use crate::{
    args::Call,
    failure::Failure,
    header::Header,
    locate::{self, Found},
    log,
    remote::{self, Remote},
    say::{self, Paint},
};

/// An answer, and what is known about it.
struct Answer {
    body: Vec<u8>,
    /// The server that answered; none where this process asked the source itself.
    server: Option<String>,
    cache_status: Option<String>,
    age_seconds: Option<u64>,
    took: Duration,
}

pub(super) async fn run(arguments: Call) -> Result<(), Failure> {
    let runtime = SystemRuntime::shared();
    let answer = match locate::find(&arguments.config, &arguments.server).await? {
        Found::Server(remote) => ask_server(&remote, &arguments, &*runtime).await?,
        Found::Alone(config) => ask_source(*config, &arguments).await?,
    };
    if arguments.output.json { print_json(&arguments.read, &answer) } else { print(&answer) }
}

async fn ask_server(remote: &Remote, arguments: &Call, runtime: &dyn Runtime) -> Result<Answer, Failure> {
    let mut request = remote.get_read(&arguments.read, &arguments.parameters, &arguments.headers.headers);
    if arguments.no_cache {
        request = request.header(CACHE_CONTROL, "no-cache");
    }
    let begin = runtime.now();
    let response = remote::send(request, remote).await?;
    let header = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let cache_status = header(HeaderName::from_static("cache-status"));
    let age_seconds = header(AGE).and_then(|age| age.parse().ok());
    let body = response.bytes().await.map_err(|cause| remote::absent(remote, cause))?.to_vec();
    let server = Some(remote.address().to_owned());
    Ok(Answer { body, server, cache_status, age_seconds, took: runtime.now() - begin })
}

async fn ask_source(mut config: Config, arguments: &Call) -> Result<Answer, Failure> {
    // The answer is what was asked for; the log only speaks up where something is wrong.
    config.server.log = "warn".to_owned();
    log::begin(&config.server)?;
    let runtime = SystemRuntime::shared();
    let alacena = Alacena::open(&config, runtime.clone()).await?;
    let begin = runtime.now();
    let outcome = ask(&alacena, arguments).await;
    let took = runtime.now() - begin;
    alacena.close(config.server.drain).await;
    let outcome = outcome?;
    let Some(body) = outcome.value() else {
        let detail = format!("the source of `{}` has nothing under these parameters", arguments.read);
        return Err(Error::new(&catalogue::ABSENT, detail).into());
    };
    Ok(Answer { body: body.bytes().to_vec(), server: None, cache_status: None, age_seconds: None, took })
}

async fn ask(alacena: &Alacena, arguments: &Call) -> Result<Outcome<Body>, Error> {
    let Ok(read) = alacena.declared_read(&arguments.read) else {
        let reads = alacena.reads();
        let names = || reads.iter().map(|read| read.name.as_str());
        let hint = match nearest(&arguments.read, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declared: {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::new(
            &catalogue::NOT_DECLARED,
            format!("there is no read `{}`; {hint}", arguments.read),
        ));
    };
    let given = arguments.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters = Parameters::from_text(&read.parameters, given)?;
    let headers = &arguments.headers.headers;
    let is_passed_on = |header: &&Header| read.credentials.iter().any(|name| *name == header.name.as_str());
    if let Some(header) = headers.iter().find(|header| !is_passed_on(header)) {
        let passed_on = match read.credentials.as_slice() {
            [] => "none is: the source declares no `credentials`".to_owned(),
            names => format!("these are: {}", names.join(", ")),
        };
        let detail = format!(
            "the header `{}` is not passed on to the source of `{}`; {passed_on}",
            header.name, read.name
        );
        return Err(Error::new(&catalogue::PARAMETER_INVALID, detail).with("header", &header.name));
    }
    let credentials = headers.iter().map(Header::credential).collect();
    read.ask(parameters, Ask { mode: Mode::Refresh, credentials, ..Ask::default() }).await
}

fn print(answer: &Answer) -> Result<(), Failure> {
    match serde_json::from_slice::<Json>(&answer.body) {
        Ok(document) => say::json(&document),
        Err(_) => say::answer(&String::from_utf8_lossy(&answer.body)),
    }
    let said = match (&answer.server, &answer.cache_status) {
        (Some(server), Some(status)) => format!("{status}, from {server}"),
        (Some(server), None) => format!("from {server}"),
        (None, _) => "no server is running: the source was asked, and nothing was kept".to_owned(),
    };
    let age = answer.age_seconds.map(|age| format!(", {age} s old")).unwrap_or_default();
    let took = answer.took.as_secs_f64() * 1000.0;
    say::note(&Paint::stderr().faint(&format!("{said}{age}, after {took:.1} ms")));
    Ok(())
}

fn print_json(read: &str, answer: &Answer) -> Result<(), Failure> {
    let value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(&answer.body).into_owned()));
    say::json(&json!({
        "read": read,
        "server": answer.server,
        "cacheStatus": answer.cache_status,
        "age": answer.age_seconds,
        "milliseconds": answer.took.as_secs_f64() * 1000.0,
        "value": value,
    }));
    Ok(())
}
