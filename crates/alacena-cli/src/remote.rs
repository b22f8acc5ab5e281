//! A running server, asked over HTTP.

use std::{net::SocketAddr, time::Duration};

use alacena::{
    config::Config,
    error::{Error, catalogue},
    secret::Secret,
};
use reqwest::{Client, RequestBuilder, Response, Url, header::HeaderValue, redirect};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use serde_json::Value as Json;

use crate::{failure::Failure, header::Header};

/// The environment variable that holds the token for a server.
const TOKEN: &str = "ALACENA_TOKEN";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A running server.
#[derive(Clone)]
pub(crate) struct Remote {
    base: Url,
    client: Client,
    token: Option<Secret>,
}

impl Remote {
    /// The server at `text`, a URL.
    ///
    /// # Errors
    /// `Invalid` where it is not one.
    pub(crate) fn named(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = url.ok_or_else(|| {
            let detail = format!("--server is a URL such as http://127.0.0.1:8080, not `{text}`");
            Error::new(&catalogue::CONFIGURATION_INVALID, detail)
        })?;
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // The server never redirects; whoever does is not it, and gets no token.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the TLS provider has been installed when the process began");
        let token =
            std::env::var(TOKEN).ok().filter(|token| !token.is_empty()).map(|token| Secret::new(&token));
        Ok(Self { base, client, token })
    }

    /// The server of `config`, if one is running: the process that owns its store. Whoever else listens at its address
    /// has another cache.
    pub(crate) async fn of(config: &Config) -> Option<Self> {
        let owner = alacena::read_owner(&config.embedded.path)?;
        let remote = Self::at(owner.listen?.parse().ok()?);
        (runs(owner.pid) && remote.is_alive().await).then_some(remote)
    }

    /// The server at `address`, whether it is running or not.
    pub(crate) fn at(mut address: SocketAddr) -> Self {
        if address.ip().is_unspecified() {
            // Whoever listens everywhere listens on loopback, too.
            let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
            address.set_ip(loopback.parse().expect("it is an address"));
        }
        Self::named(&format!("http://{address}")).expect("an address makes a URL")
    }

    /// The same without a token.
    pub(crate) fn anonymous(mut self) -> Self {
        self.token = None;
        self
    }

    /// The token that it is asked with.
    pub(crate) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Whether an Alacena answers there.
    pub(crate) async fn is_alive(&self) -> bool {
        let answer = match self.client.get(self.url("/health")).timeout(CONNECT_TIMEOUT).send().await {
            Ok(answer) => answer.json::<Json>().await,
            Err(_) => return false,
        };
        answer.is_ok_and(|answer| answer["status"] == "alive")
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks `path`.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.with_token(self.client.get(self.url(path)))
    }

    /// Asks `path` with a query.
    pub(crate) fn get_with(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = Url::parse(&self.url(path)).expect("a path below a URL is a URL");
        url.query_pairs_mut().extend_pairs(query);
        self.with_token(self.client.get(url))
    }

    /// Asks a read.
    pub(crate) fn get_read(
        &self,
        name: &str,
        parameters: &[(String, String)],
        headers: &[Header],
    ) -> RequestBuilder {
        let request = self.with_token(self.client.get(self.read_url(name, parameters)));
        headers.iter().fold(request, |request, header| request.header(&header.name, &header.value))
    }

    /// Where a read is asked.
    pub(crate) fn read_url(&self, name: &str, parameters: &[(String, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["reads", name]);
        }
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        url
    }

    /// Sends a JSON document to `path`.
    pub(crate) fn post(&self, path: &str, document: &Json) -> RequestBuilder {
        self.with_token(self.client.post(self.url(path)).json(document))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address())
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(token) = &self.token else { return request };
        match HeaderValue::try_from(token.reveal()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header("alacena-token", value)
            }
            // What no header can hold is no token; the server says that there is none.
            Err(_) => request,
        }
    }
}

/// Whether there is a process of this number: one that was killed may have left its name beside the store.
fn runs(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Not being allowed to signal it means that it is there.
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

/// Sends a request, and takes what is not a success for a failure.
///
/// # Errors
/// The server's own problem, or `Unavailable` where there is no server.
pub(crate) async fn send(request: RequestBuilder, server: &Remote) -> Result<Response, Failure> {
    let response = request.send().await.map_err(|cause| absent(server, cause))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    match response.json::<Json>().await {
        Ok(problem) if problem["title"].is_string() => Err(Failure::answered(problem)),
        _ => {
            let detail = format!("{} answered {status} in words that are not Alacena's", server.address());
            Err(Error::new(&catalogue::SERVER_ABSENT, detail).into())
        }
    }
}

/// What it means that `server` could not be asked.
pub(crate) fn absent(server: &Remote, cause: reqwest::Error) -> Error {
    let why = if cause.is_timeout() { "does not answer in time" } else { "does not answer" };
    Error::new(&catalogue::SERVER_ABSENT, format!("{} {why}", server.address()))
        .caused_by(cause.without_url())
}
