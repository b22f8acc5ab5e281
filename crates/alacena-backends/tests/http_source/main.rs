//! The HTTP source against servers that behave, misbehave and lie. Everything is on the loopback interface.
#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "what fails in a test is to end it")]

mod limits;
mod peer;
mod reads;
mod redirects;
mod retries;
mod tls;
mod writes;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alacena_backends::http::{HttpQuestion, HttpSettings, HttpSource};
use alacena_core::{
    declared::{Parameter, Parameters, ScalarKind},
    error::Error,
    runtime::{BoxFuture, Moment, Runtime},
    source::{Call, Credential, Fetched},
};
use alacena_testkit::FakeRuntime;

/// A runtime on which every sleep is over at once and remembered.
#[derive(Default)]
struct Hasty {
    slept: Mutex<Vec<Duration>>,
}

impl Hasty {
    fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Runtime for Hasty {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn unix_millis(&self) -> u64 {
        FakeRuntime::new(0).unix_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) {
        unreachable!("a source starts no tasks")
    }

    /// Half of every span.
    fn random(&self) -> u64 {
        u64::MAX / 2
    }
}

fn settings(base_url: &str) -> HttpSettings {
    HttpSettings { connect_timeout: Duration::from_secs(10), ..HttpSettings::new("crm", base_url) }
}

fn open(settings: HttpSettings) -> HttpSource {
    HttpSource::open(settings, Arc::new(Hasty::default())).unwrap()
}

fn question(line: &str) -> HttpQuestion {
    HttpQuestion::parse(line).unwrap()
}

/// Asks with these parameters, all of them text.
async fn ask_with(
    source: &HttpSource,
    question: HttpQuestion,
    given: &[(&str, &str)],
) -> Result<Fetched, Error> {
    source.read(question).unwrap().fetch(call(given)).await
}

/// Asks `GET /jobs`.
async fn ask(source: &HttpSource) -> Result<Fetched, Error> {
    ask_with(source, question("GET /jobs"), &[]).await
}

fn call(given: &[(&str, &str)]) -> Call {
    let text = |name: &str| Parameter { length_max: 10_000, ..Parameter::required(name, ScalarKind::Text) };
    let declared: Vec<Parameter> = given.iter().map(|(name, _)| text(name)).collect();
    Call {
        parameters: Arc::new(Parameters::from_text(&declared, given.iter().copied()).unwrap()),
        ..Call::default()
    }
}

fn credential(header: &str, secret: &str) -> Credential {
    Credential { header: header.into(), secret: secret.as_bytes().into() }
}

/// The text of an answer.
fn found(outcome: Result<Fetched, Error>) -> String {
    match outcome {
        Ok(Fetched::Found { body, .. }) => String::from_utf8(body.bytes().to_vec()).unwrap(),
        other => panic!("not found: {other:?}"),
    }
}

/// An error and everything below it, as a log could show it.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut below = std::error::Error::source(error);
    while let Some(error) = below {
        text += &format!(" <- {error} {error:?}");
        below = error.source();
    }
    text
}
