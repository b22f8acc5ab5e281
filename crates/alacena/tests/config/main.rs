//! The configuration, as somebody who writes one meets it.

mod answer;
mod embedded;
mod example;
mod explain;
mod json_schema;
mod layers;
mod meaning;
mod parents;
mod problems;
mod queries;
mod redis;
mod redis_environment;
mod secrets;
mod warm;

use std::collections::BTreeMap;

use alacena::config::{Config, Layers, Problems};

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(text: &str) -> Result<Config, Problems> {
    parse_with(text, &[])
}

fn parse_with(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Problems> {
    Config::parse(text, "alacena.toml", &Layers { environment: environment(pairs), ..Layers::default() })
}

/// Each problem as `place: path: message`, without its remedy.
fn told(result: Result<Config, Problems>) -> Vec<String> {
    let problems = result.expect_err("the configuration has problems");
    problems.iter().map(|problem| problem.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

/// The only problem, and its remedy.
fn only(text: &str) -> (String, String) {
    let problems = parse(text).expect_err("the configuration has a problem");
    assert_eq!(problems.len(), 1, "{problems}");
    let problem = problems.iter().next().expect("there is one");
    assert!(problem.remedy().ends_with('.'), "a remedy is a sentence: {}", problem.remedy());
    let shown = problem.to_string();
    (shown.lines().next().unwrap_or_default().to_owned(), problem.remedy().to_owned())
}
