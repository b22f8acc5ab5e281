//! How a command fails: the same words for the terminal and for programs.

use std::process::ExitCode;

use alacena::{
    config::Problems,
    error::{Error, catalogue},
};
use alacena_server::described;
use serde_json::{Value as Json, json};

use crate::say::{self, Paint};

/// Why a command did not do what it was told, as a problem document (RFC 9457) with `title`, `detail` and `remedy`.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: Json,
    wrong_input: bool,
}

/// The codes that mean: change the command line or the configuration.
const WRONG_INPUT: [&str; 6] = [
    catalogue::CONFIGURATION_ABSENT.slug,
    catalogue::CONFIGURATION_INVALID.slug,
    catalogue::NOT_BUILT_YET.slug,
    catalogue::NOT_DECLARED.slug,
    catalogue::PARAMETER_INVALID.slug,
    catalogue::KEY_INVALID.slug,
];
const TYPE_PREFIX: &str = "urn:alacena:error:";

impl Failure {
    /// What a server answered instead of what was asked for.
    pub(crate) fn answered(problem: Json) -> Self {
        let slug = problem["type"].as_str().unwrap_or_default().trim_start_matches(TYPE_PREFIX);
        let wrong_input = WRONG_INPUT.contains(&slug);
        Self { problem, wrong_input }
    }

    /// Something that whoever watches knows already.
    pub(crate) fn known() -> Self {
        Self { problem: Json::Null, wrong_input: false }
    }

    /// The same as an error of this process.
    pub(crate) fn into_error(self) -> Error {
        let slug = self.problem["type"].as_str().unwrap_or_default().trim_start_matches(TYPE_PREFIX);
        let code =
            catalogue::ALL.iter().find(|code| code.slug == slug).copied().unwrap_or(&catalogue::INTERNAL);
        Error::new(code, self.problem["detail"].as_str().unwrap_or_default())
    }

    /// Tells it: as JSON on stdout, or in words on stderr. Answers what the process ends with.
    pub(crate) fn tell(&self, as_json: bool) -> ExitCode {
        match &self.problem {
            Json::Null => {}
            problem if as_json => say::json(problem),
            _ => say::note(&self.in_words(Paint::stderr())),
        }
        ExitCode::from(if self.wrong_input { 2 } else { 1 })
    }

    fn in_words(&self, paint: Paint) -> String {
        let member = |name: &str| self.problem[name].as_str().unwrap_or_default();
        let mut words = format!("{} {}", paint.wrong("error:"), paint.strong(member("title")));
        // A detail of many lines begins with a line end of its own.
        match member("detail") {
            "" => {}
            detail if detail.starts_with('\n') => words.push_str(detail),
            detail => words.push_str(&format!("\n  {detail}")),
        }
        if let Some(context) = self.problem["context"].as_object() {
            for (name, value) in context {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                words.push_str(&paint.faint(&format!("\n  {name}: {value}")));
            }
        }
        words.push_str(&format!("\n{} {}", paint.good("remedy:"), member("remedy")));
        words
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code();
        let mut problem = json!({
            "type": format!("{TYPE_PREFIX}{}", code.slug),
            "title": code.title,
            "detail": error.detail(),
            "remedy": code.remedy,
        });
        if !error.context().is_empty() {
            let context = error.context().iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            problem["context"] = Json::Object(context.collect());
        }
        Self::answered(problem)
    }
}

impl From<Problems> for Failure {
    /// One failure, and beside it every problem on its own for programs.
    fn from(problems: Problems) -> Self {
        let each = problems.iter().map(described).collect::<Json>();
        let mut failure = Self::from(Error::from(problems));
        failure.problem["problems"] = each;
        failure
    }
}

impl From<std::io::Error> for Failure {
    /// The system refused something that every process needs.
    fn from(error: std::io::Error) -> Self {
        Error::new(&catalogue::INTERNAL, error.to_string()).caused_by(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_title_detail_context_and_remedy() {
        let error =
            Error::new(&catalogue::STORE_OWNED, "it belongs to process 7").with("listen", "127.0.0.1:8080");
        let failure = Failure::from(error);
        assert_eq!(
            failure.in_words(Paint::PLAIN),
            "error: store in use\n  it belongs to process 7\n  listen: 127.0.0.1:8080\nremedy: Stop the process that \
             the answer names, or give this one a store of its own."
        );
        assert!(!failure.wrong_input);
        assert!(Failure::from(Error::new(&catalogue::CONFIGURATION_INVALID, "")).wrong_input);
    }
}
