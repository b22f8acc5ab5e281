//! `POST /cache/reload`, and whoever else has the configuration read again: one way for all.
//!
//! The order matters where who may come in changes with what there is: a door that closes is closed before what is
//! behind it changes, and one that opens is opened after.

use std::fmt;

use alacena::{
    Level, Reloaded, Reloading,
    config::{Config, Problem as ConfigProblem, Problems},
    error::{Error, Kind, catalogue},
};
use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    admin::Nothing,
    app::App,
    problem::{self, Problem},
    request::JsonBody,
    serve::refuse_open_door,
    token::Caller,
};

/// Reads the configuration, the file and everything above it.
pub(crate) type Read = dyn Fn() -> Result<Config, Problems> + Send + Sync;

/// Reloads the configuration of a running server. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(App);

/// Why a configuration was not reloaded: the one that was in force still is.
#[derive(Clone, Debug)]
pub enum ReloadRefused {
    /// It is wrong.
    Wrong(Problems),
    /// It cannot be put in place, or not now.
    Impossible(Error),
}

impl Reloader {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }

    /// Reads the configuration again and puts it in place, without dropping a request; waits for another reload that is
    /// under way. The log says what came of it, and that `who` wanted it.
    ///
    /// # Errors
    /// [`ReloadRefused`], with everything that is in the way; then nothing has changed.
    ///
    /// # Cancellation
    /// A caller that goes away does not stop what it has begun.
    pub async fn reload(&self, who: &str) -> Result<Reloaded, ReloadRefused> {
        let (app, who) = (self.0.clone(), who.to_owned());
        let turn = async {
            if app.is_draining() {
                return Err(Error::new(&catalogue::CLOSED, "the server is stopping"));
            }
            let read = app.configuration().ok_or_else(|| impossible("this server has no file to read"))?;
            Ok((read, app.alacena().begin_reload().await?))
        };
        let (read, reloading) = match turn.await {
            Ok(turn) => turn,
            Err(error) => {
                log_refused(&who, &error);
                return Err(ReloadRefused::Impossible(error));
            }
        };
        // Files are read and databases opened: not where requests are answered.
        let reload = move || {
            let result = replace(&app, &*read, reloading);
            match &result {
                Ok(reloaded) => log(&who, reloaded),
                Err(refused) => log_refused(&who, &Error::from(refused.clone())),
            }
            result
        };
        let reloaded = tokio::task::spawn_blocking(reload).await;
        reloaded.unwrap_or_else(|_| {
            let detail = "the reload panicked, or the process is ending";
            Err(ReloadRefused::Impossible(Error::new(&catalogue::INTERNAL, detail)))
        })
    }
}

fn replace(app: &App, read: &Read, reloading: Reloading) -> Result<Reloaded, ReloadRefused> {
    let config = read().map_err(ReloadRefused::Wrong)?;
    let settings = app.settings().reloaded(&config);
    refuse_open_door(app.address(), &settings)?;
    let ready = reloading.prepare(&config)?;
    if settings.tokens.is_empty() {
        let reloaded = ready.commit();
        app.replace_settings(settings);
        return Ok(reloaded);
    }
    app.replace_settings(settings);
    Ok(ready.commit())
}

fn log(who: &str, reloaded: &Reloaded) {
    let Reloaded { reads_added, reads_removed, reads_changed, needs_restart, warnings } = reloaded;
    let (added, removed, changed) =
        (reads_added.join(", "), reads_removed.join(", "), reads_changed.join(", "));
    tracing::info!(who, added, removed, changed, "the configuration was reloaded");
    if !needs_restart.is_empty() {
        tracing::warn!("these take effect at the next start only: {}", needs_restart.join(", "));
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn log_refused(who: &str, error: &Error) {
    tracing::error!(who, "the configuration was not reloaded, the running one stays: {error}");
}

/// `POST /cache/reload`.
pub(crate) async fn reload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Response {
    match Reloader::new(app).reload(&caller.who).await {
        Ok(reloaded) => Json(shape(&reloaded)).into_response(),
        Err(refused) => refusal(refused),
    }
}

fn shape(reloaded: &Reloaded) -> Value {
    json!({
        "level": Level::Applied.as_str(),
        "reads": {
            "added": reloaded.reads_added,
            "removed": reloaded.reads_removed,
            "changed": reloaded.reads_changed,
        },
        "needsRestart": reloaded.needs_restart,
        "warnings": reloaded.warnings,
    })
}

/// The problem document, with each problem of the configuration on its own beside the words for people.
fn refusal(refused: ReloadRefused) -> Response {
    let each: Option<Value> = match &refused {
        ReloadRefused::Wrong(problems) => Some(problems.iter().map(described).collect()),
        ReloadRefused::Impossible(_) => None,
    };
    let error = Error::from(refused);
    let mut document = problem::document(&error);
    if let Some(each) = each {
        document["problems"] = each;
    }
    let (head, _) = Problem(error).into_response().into_parts();
    Response::from_parts(head, document.to_string().into())
}

/// One problem of a configuration, for programs: where it stands, what is wrong, what to do.
#[must_use]
pub fn described(problem: &ConfigProblem) -> Value {
    let (file, line, column) = problem.origin().place();
    json!({
        "origin": problem.origin().to_string(),
        "file": file,
        "line": line,
        "column": column,
        "path": problem.path(),
        "message": problem.message(),
        "remedy": problem.remedy(),
        "type": problem::type_of(problem.code()),
    })
}

fn impossible(detail: &str) -> Error {
    Error::new(&catalogue::RELOAD_REFUSED, detail)
}

impl From<Error> for ReloadRefused {
    fn from(error: Error) -> Self {
        Self::Impossible(error)
    }
}

impl From<ReloadRefused> for Error {
    /// One error with every reason in its detail. What says that this is not the time for it stays what it is.
    fn from(refused: ReloadRefused) -> Error {
        match refused {
            ReloadRefused::Wrong(problems) => impossible(&format!("\n{problems}")),
            ReloadRefused::Impossible(error)
                if matches!(error.kind(), Kind::Closed | Kind::Internal)
                    || error.code() == &catalogue::RELOAD_REFUSED =>
            {
                error
            }
            ReloadRefused::Impossible(error) => impossible(&error.to_string()).caused_by(error),
        }
    }
}

impl fmt::Display for ReloadRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(self.clone()).fmt(f)
    }
}

impl std::error::Error for ReloadRefused {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alacena::{Alacena, config::Layers};
    use alacena_testkit::FakeRuntime;

    use super::*;
    use crate::settings::ServerSettings;

    const TOKEN: &str = "[tokens.ann]\nrole = \"admin\"\nhash = \"blake3:0000000000000000000000000000000000000000000000000000000000000000\"\n";

    #[tokio::test]
    async fn the_door_to_other_machines_is_not_opened_whatever_the_file_says_of_the_address() {
        let parse = |text: &str| Config::parse(text, "test.toml", &Layers::default());
        let settings = ServerSettings::of(&parse(TOKEN).unwrap(), "");
        let alacena = Alacena::builder().runtime(Arc::new(FakeRuntime::new(1))).build();
        let app = App::new(alacena, settings, "192.0.2.1:80".parse().unwrap());
        // Accepted by itself: at the next start it would listen on loopback.
        let app = app.with_configuration(move || parse("[server]\nlisten = \"127.0.0.1:80\"\n"));
        let refused = Reloader::new(app.clone()).reload("test").await.unwrap_err();
        assert!(refused.to_string().contains("there are no tokens"), "{refused}");
        assert!(!app.is_open());
    }
}
