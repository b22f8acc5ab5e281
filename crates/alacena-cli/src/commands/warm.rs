//! `alacena warm`.

use std::{io::IsTerminal, time::Duration};

use alacena::{
    SystemRuntime,
    error::{Error, catalogue},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Number, Value as Json, json};

use crate::{
    args::Warm,
    failure::Failure,
    locate,
    remote::{self, Remote},
    say::{self, Paint},
};

/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(arguments: Warm) -> Result<(), Failure> {
    if arguments.reads.len() > 1 && !arguments.parameters.is_empty() {
        let detail = "--param belongs to one read, and several are named";
        return Err(Error::new(&catalogue::PARAMETER_INVALID, detail).into());
    }
    let consequence = "so there is no memory to warm";
    let remote = locate::running(&arguments.config, &arguments.server, consequence).await?;
    let wanted = wanted(&remote, &arguments).await?;
    let begun = remote::send(remote.post("/cache/warming", &wanted), &remote).await?;
    let mut warming = document(begun, &remote).await?;
    let path = format!("/cache/warming/{}", warming["id"].as_str().unwrap_or_default());
    let runtime = SystemRuntime::shared();
    let mut shown = Shown::new(arguments.output.json);
    shown.show(&warming);
    while warming["running"] == true {
        runtime.sleep(LOOK).await;
        warming = document(remote::send(remote.get(&path), &remote).await?, &remote).await?;
        shown.show(&warming);
    }
    shown.end();
    if arguments.output.json {
        say::json(&warming);
    } else {
        say::answer(&in_words(&warming, Paint::stdout()));
    }
    if count(&warming, "skipped") + count(&warming, "failed") > 0 { Err(Failure::known()) } else { Ok(()) }
}

async fn document(response: reqwest::Response, remote: &Remote) -> Result<Json, Failure> {
    response.json().await.map_err(|cause| remote::absent(remote, cause).into())
}

/// The body of the request.
async fn wanted(remote: &Remote, arguments: &Warm) -> Result<Json, Failure> {
    if arguments.all {
        return Ok(json!({ "all": true }));
    }
    if let ([name], false) = (&arguments.reads[..], arguments.parameters.is_empty()) {
        let declared = document(remote::send(remote.get("/reads"), remote).await?, remote).await?;
        let params = typed(&arguments.parameters, &declared, name);
        return Ok(json!({ "reads": [{ "name": name, "params": params }] }));
    }
    let reads: Vec<Json> = arguments.reads.iter().map(|name| json!({ "name": name })).collect();
    Ok(json!({ "reads": reads }))
}

/// What was typed as text, in the types that the read declares. What is not of its type stays text: the server says
/// what is wrong with it.
fn typed(given: &[(String, String)], declared: &Json, read: &str) -> Map<String, Json> {
    let reads = declared["reads"].as_array();
    let read = reads.and_then(|reads| reads.iter().find(|declared| declared["name"] == read));
    let parameters = read.and_then(|read| read["parameters"].as_array());
    let kind = |name: &str| {
        let parameter = parameters?.iter().find(|parameter| parameter["name"] == name)?;
        parameter["type"].as_str()
    };
    let value = |name: &str, text: &str| {
        let value = match kind(name) {
            Some("integer") => text.parse::<i64>().ok().map(Json::from),
            Some("number") => text.parse().ok().and_then(Number::from_f64).map(Json::Number),
            Some("boolean") => text.parse::<bool>().ok().map(Json::from),
            _ => None,
        };
        value.unwrap_or_else(|| text.into())
    };
    given.iter().map(|(name, text)| (name.clone(), value(name, text))).collect()
}

/// What is shown while it runs: a bar on a terminal, a line for each read that is done elsewhere.
enum Shown {
    Bar(ProgressBar),
    Lines { told: usize },
    Nothing,
}

impl Shown {
    fn new(as_json: bool) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let style = "{bar:30} {pos} of {len}  {msg}";
            bar.set_style(ProgressStyle::with_template(style).expect("the template is well formed"));
            Self::Bar(bar)
        } else if as_json {
            Self::Nothing
        } else {
            Self::Lines { told: 0 }
        }
    }

    fn show(&mut self, warming: &Json) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(count(warming, "total"));
                bar.set_position(count(warming, "done"));
                bar.set_message(counts(warming));
            }
            Self::Lines { told } => {
                let done = reads(warming).filter(|read| read["done"] == read["total"]).collect::<Vec<_>>();
                for read in done.iter().skip(*told) {
                    say::note(&format!("{}: {}", text(read, "name"), counts(read)));
                }
                *told = done.len().max(*told);
            }
            Self::Nothing => {}
        }
    }

    fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn in_words(warming: &Json, paint: Paint) -> String {
    let (done, warm) = (count(warming, "total"), count(warming, "loaded") + count(warming, "fresh"));
    let line = format!("{warm} of {done} warm: {}", counts(warming));
    let mut words = if warm == done { paint.good(&line) } else { paint.wrong(&line) };
    for read in reads(warming) {
        for what in ["skipped", "failed"] {
            for (reason, number) in read[what].as_object().into_iter().flatten() {
                let problem =
                    read["lastProblem"].as_str().map(|problem| format!(" ({problem})")).unwrap_or_default();
                words.push_str(&format!(
                    "\n  {}: {number} {what}, {reason}",
                    paint.strong(text(read, "name"))
                ));
                words.push_str(&paint.faint(&problem));
            }
        }
    }
    words
}

/// `2 loaded, 1 fresh already`.
fn counts(of: &Json) -> String {
    let counts =
        [("loaded", "loaded"), ("fresh", "fresh already"), ("skipped", "skipped"), ("failed", "failed")];
    let shown = counts.into_iter().map(|(name, words)| (count(of, name), words));
    let shown: Vec<String> = shown
        .filter(|(count, words)| *count > 0 || *words == "loaded")
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    shown.join(", ")
}

/// A count, or the sum of the counts by reason.
fn count(of: &Json, name: &str) -> u64 {
    match &of[name] {
        Json::Object(by_reason) => by_reason.values().filter_map(Json::as_u64).sum(),
        number => number.as_u64().unwrap_or(0),
    }
}

fn reads(warming: &Json) -> impl Iterator<Item = &Json> {
    warming["reads"].as_array().into_iter().flatten()
}

fn text<'a>(of: &'a Json, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_warm_is_told_by_read_and_reason() {
        let warming = json!({
            "total": 5, "done": 5, "loaded": 2, "fresh": 1, "skipped": 0, "failed": 2,
            "reads": [
                { "name": "get_jobs", "total": 3, "done": 3, "loaded": 2, "fresh": 1, "skipped": {}, "failed": {}, "lastProblem": null },
                { "name": "kpis", "total": 2, "done": 2, "loaded": 0, "fresh": 0, "skipped": {}, "failed": { "source-failed": 2 }, "lastProblem": "source failed: 500" },
            ],
        });
        assert_eq!(
            in_words(&warming, Paint::PLAIN),
            "3 of 5 warm: 2 loaded, 1 fresh already, 2 failed\n  kpis: 2 failed, source-failed (source failed: 500)"
        );
    }

    #[test]
    fn what_is_typed_has_the_type_that_the_read_declares() {
        let parameter = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        let declared = json!({ "reads": [{ "name": "r", "parameters": [
            parameter("id", "integer"), parameter("share", "number"), parameter("open", "boolean"), parameter("code", "string"),
        ] }] });
        let given = [("id", "7"), ("share", "1"), ("open", "true"), ("code", "007"), ("other", "1")];
        let given = given.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let typed_json = Json::Object(typed(&given, &declared, "r"));
        assert_eq!(typed_json, json!({ "id": 7, "share": 1.0, "open": true, "code": "007", "other": "1" }));
        let wrong = [("id".to_owned(), "x".to_owned())];
        assert_eq!(Json::Object(typed(&wrong, &declared, "r")), json!({ "id": "x" }));
    }
}
