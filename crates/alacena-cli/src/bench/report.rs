//! What a benchmark found, side by side: for people as a table with pictures, for programs as JSON.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value as Json, json};

use super::{histogram::Histogram, picture::picture, tally::Tally};
use crate::say::Paint;

/// The shares that are told, with what they are called in JSON.
const QUANTILES: [(f64, &str, &str); 5] = [
    (0.5, "50 %", "p50"),
    (0.9, "90 %", "p90"),
    (0.95, "95 %", "p95"),
    (0.99, "99 %", "p99"),
    (0.999, "99.9 %", "p999"),
];

/// What a benchmark found.
pub(crate) struct Report {
    /// The read with its parameters, as it was asked.
    pub(crate) read: String,
    /// Who answered.
    pub(crate) server: String,
    /// How it was asked, in words.
    pub(crate) how: String,
    /// What the source itself takes; none: it was not asked.
    pub(crate) without: Option<Tally>,
    /// The same through the cache.
    pub(crate) with: Tally,
}

impl Report {
    /// The table, the pictures, and what is to be known about them.
    pub(crate) fn in_words(&self, paint: Paint) -> String {
        let mut words = format!("{} at {}\n", paint.strong(&self.read), self.server);
        words.push_str(&paint.faint(&self.how));
        words.push_str("\n\n");
        self.table(&mut words, paint);
        for (title, tally) in self.phases() {
            let picture = picture(&tally.latencies, paint);
            if !picture.is_empty() {
                write(&mut words, format_args!("\n{}\n{picture}\n", paint.strong(title)));
            }
        }
        for note in self.notes() {
            write(&mut words, format_args!("\n{} {note}", paint.strong("note:")));
        }
        words.trim_end().to_owned()
    }

    fn phases(&self) -> impl Iterator<Item = (&'static str, &Tally)> {
        let without = self.without.as_ref().map(|tally| ("without cache", tally));
        without.into_iter().chain([("with cache", &self.with)])
    }

    fn table(&self, words: &mut String, paint: Paint) {
        let row = |words: &mut String, name: &str, cells: &[String], end: &str| {
            write(words, format_args!("{name:<16}"));
            cells.iter().for_each(|cell| write(words, format_args!("{cell:>16}")));
            write(words, format_args!("{end}\n"));
        };
        let cells =
            |cell: &dyn Fn(&Tally) -> String| self.phases().map(|(_, tally)| cell(tally)).collect::<Vec<_>>();
        let titles: Vec<_> = self.phases().map(|(title, _)| title.to_owned()).collect();
        row(words, "", &titles, "");
        row(words, "questions", &cells(&|tally| tally.questions.to_string()), "");
        row(words, "answered", &cells(&|tally| tally.answered().to_string()), "");
        if self.phases().any(|(_, tally)| tally.failed() > 0) {
            row(words, "failed", &cells(&|tally| tally.failed().to_string()), "");
        }
        if self.phases().any(|(_, tally)| tally.unanswered() > 0) {
            row(words, "no time for", &cells(&|tally| tally.unanswered().to_string()), "");
        }
        let hits =
            |tally: &Tally| tally.hit_share().map_or_else(none, |share| format!("{:.1} %", share * 100.0));
        row(words, "from the cache", &cells(&hits), "");
        row(words, "answers/s", &cells(&|tally| format!("{:.1}", tally.per_second())), "");
        for (q, name, _) in QUANTILES {
            let told = |tally: &Tally| tally.latencies.quantile(q).map_or_else(none, duration);
            let end =
                self.times_faster(q).map(|times| paint.good(&format!("   {} times faster", rounded(times))));
            row(words, name, &cells(&told), &end.unwrap_or_default());
        }
        row(words, "slowest", &cells(&|tally| tally.latencies.max().map_or_else(none, duration)), "");
    }

    /// How many times as long the same takes without the cache.
    fn times_faster(&self, q: f64) -> Option<f64> {
        let without = self.without.as_ref()?.latencies.quantile(q)?;
        let with = self.with.latencies.quantile(q)?;
        Some(without.as_secs_f64() / with.as_secs_f64()).filter(|times| *times >= 1.05)
    }

    /// What would make the numbers mean something else than they seem to.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (title, tally) in self.phases() {
            for (status, count) in &tally.refused {
                notes.push(format!(
                    "{title}, {count} answers had the status {status}; they are not in the table"
                ));
            }
            if let (count @ 1.., Some(why)) = &tally.broken {
                notes.push(format!("{title}, {count} connections broke, the last one because: {why}"));
            }
            if tally.unanswered() > 0 {
                let how = "the rate is more than the server bears: the percentiles leave out the slowest";
                notes.push(format!("{title}, {} questions went unanswered; {how}", tally.unanswered()));
            }
        }
        if self.without.as_ref().is_some_and(|tally| tally.hits > 0) {
            notes.push(
                "the cache answered although it was not to: only callers with a token may ask past it"
                    .to_owned(),
            );
        }
        if self.with.hit_share().is_some_and(|share| share < 0.5) {
            let why = "the class may keep nothing, or give answers less time than this took";
            notes.push(format!("most answers did not come from the cache: {why}"));
        }
        notes
    }

    /// The same for programs.
    pub(crate) fn described(&self) -> Json {
        let times = QUANTILES.map(|(q, _, name)| (name.to_owned(), json!(self.times_faster(q))));
        json!({
            "read": self.read,
            "server": self.server,
            "withoutCache": self.without.as_ref().map(phase),
            "withCache": phase(&self.with),
            "timesFaster": Json::Object(times.into_iter().collect()),
            "notes": self.notes(),
        })
    }
}

fn phase(tally: &Tally) -> Json {
    let refused = tally.refused.iter().map(|(status, count)| (status.to_string(), json!(count)));
    json!({
        "questions": tally.questions,
        "answered": tally.answered(),
        "hits": tally.hits,
        "refused": Json::Object(refused.collect()),
        "broken": tally.broken.0,
        "unanswered": tally.unanswered(),
        "seconds": tally.took.as_secs_f64(),
        "perSecond": tally.per_second(),
        "milliseconds": milliseconds(&tally.latencies),
        "histogram": tally.latencies.groups(1).into_iter().filter(|(_, count)| *count > 0)
            .map(|(begin, count)| json!({ "fromMilliseconds": in_milliseconds(begin), "count": count }))
            .collect::<Vec<_>>(),
    })
}

fn milliseconds(latencies: &Histogram) -> Json {
    let told = |duration: Option<Duration>| json!(duration.map(in_milliseconds));
    let mut members = serde_json::Map::new();
    members.insert("min".to_owned(), told(latencies.min()));
    members.insert("mean".to_owned(), told(latencies.mean()));
    for (q, _, name) in QUANTILES {
        members.insert(name.to_owned(), told(latencies.quantile(q)));
    }
    members.insert("max".to_owned(), told(latencies.max()));
    Json::Object(members)
}

fn in_milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn none() -> String {
    "–".to_owned()
}

/// A duration in three digits: `61.3 µs`, `648 ms`, `2.10 s`.
pub(super) fn duration(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    let (number, unit) = match micros {
        micros if micros < 999.5 => (micros, "µs"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$} {unit}")
}

/// A ratio as exact as it is: two digits of a small one, whole numbers of a large one.
fn rounded(times: f64) -> String {
    if times < 10.0 { format!("{times:.1}") } else { format!("{times:.0}") }
}

fn write(words: &mut String, text: std::fmt::Arguments<'_>) {
    words.write_fmt(text).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(questions: u64, micros: u64, hits: u64) -> Tally {
        let mut tally = Tally::new();
        tally.questions = questions;
        (0..questions).for_each(|_| tally.latencies.record(Duration::from_micros(micros)));
        (tally.hits, tally.took) = (hits, Duration::from_secs(2));
        tally
    }

    fn report(without: Option<Tally>, with: Tally) -> Report {
        let (read, server) = ("get_jobs?size=2".to_owned(), "http://127.0.0.1:8080".to_owned());
        Report { read, server, how: "how".to_owned(), without, with }
    }

    #[test]
    fn before_and_after_stand_side_by_side() {
        let report = report(Some(tally(20, 600_000, 0)), tally(400, 60, 400));
        let words = report.in_words(Paint::PLAIN);
        let line =
            |begin: &str| words.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned();
        assert_eq!(line("questions"), "questions                     20             400");
        assert_eq!(line("answers/s"), "answers/s                   10.0           200.0");
        assert!(line("50 %").contains("600 ms") && line("50 %").ends_with("10000 times faster"), "{words}");
        assert!(line("99 %").contains('–'), "twenty do not know their slowest hundredth: {words}");
        assert!(!words.contains("failed") && !words.contains("note:"), "{words}");
        let described = report.described();
        assert_eq!(
            (&described["withCache"]["hits"], &described["withoutCache"]["milliseconds"]["p99"]),
            (&json!(400), &Json::Null)
        );
    }

    #[test]
    fn what_went_wrong_is_said() {
        let mut with = tally(10, 60, 0);
        with.questions = 15;
        with.refused.insert(503, 2);
        with.broken = (1, Some("reset".to_owned()));
        let words = report(Some(tally(2, 60, 2)), with).in_words(Paint::PLAIN);
        for said in
            ["status 503", "because: reset", "2 questions went unanswered", "with a token", "most answers"]
        {
            assert!(words.contains(said), "{said}: {words}");
        }
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = |nanos| duration(Duration::from_nanos(nanos));
        assert_eq!([shown(1_500), shown(61_300), shown(999_900)], ["1.50 µs", "61.3 µs", "1.00 ms"]);
        assert_eq!([shown(648_000_000), shown(2_100_000_000)], ["648 ms", "2.10 s"]);
    }
}
