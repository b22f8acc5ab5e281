//! `/metrics`: the figures in the text format of Prometheus (0.0.4), or as OpenMetrics (1.0) for whoever asks for that.
//!
//! One table of families; both formats and the reference page are views of it. Where the server is part of an
//! application that has classes of its own, these are rows with an empty `read`. Labels are names out of the
//! configuration or the application, and reasons out of our own enums: never a key, a tag or anything else that callers choose, because
//! every new value of a label is a series for ever.

mod shards;
mod text;

use alacena::{Figures, ReadFigures};
use axum::{
    extract::State,
    http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};

use crate::app::App;
use text::{Format, Samples, exposition};

/// A metric with all its series.
pub(crate) struct Family {
    /// Its name; units are base units.
    pub(crate) name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: &'static str,
    /// What it counts.
    pub(crate) help: &'static str,
    /// The names of its labels.
    pub(crate) labels: &'static [&'static str],
    samples: fn(&Figures, &mut Samples<'_>),
}

const READ: &[&str] = &["read", "class", "source"];
const READ_REASON: &[&str] = &["read", "class", "source", "reason"];
const SOURCE: &[&str] = &["source"];

/// Every metric, in the order of the reference.
pub(crate) fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().chain(shards::FAMILIES)
}

static FAMILIES: &[Family] = &[
    Family {
        name: "alacena_read_hits_total",
        kind: "counter",
        help: "Answers out of the cache, stale ones that were being refreshed included.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.hits),
    },
    Family {
        name: "alacena_read_l2_hits_total",
        kind: "counter",
        help: "Of the answers out of the cache, those that the second tier gave.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.l2_hits),
    },
    Family {
        name: "alacena_read_local_hits_total",
        kind: "counter",
        help: "Of the answers out of the cache, those that were given as local, while the second tier was away.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.local_hits),
    },
    Family {
        name: "alacena_read_misses_total",
        kind: "counter",
        help: "Answers that needed the source, by why there was no fresh entry.",
        labels: READ_REASON,
        samples: |figures, out| per_reason(figures, out, |read| &read.misses_by_reason),
    },
    Family {
        name: "alacena_read_stale_total",
        kind: "counter",
        help: "Answers past their time, by why.",
        labels: READ_REASON,
        samples: |figures, out| per_reason(figures, out, |read| &read.stale_by_reason),
    },
    Family {
        name: "alacena_read_collapsed_total",
        kind: "counter",
        help: "Callers who waited for a load that another one led.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.collapsed),
    },
    Family {
        name: "alacena_read_errors_total",
        kind: "counter",
        help: "Callers who got an error.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.errors),
    },
    Family {
        name: "alacena_loads_total",
        kind: "counter",
        help: "Loads that were started.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.loads),
    },
    Family {
        name: "alacena_load_errors_total",
        kind: "counter",
        help: "Loads that failed.",
        labels: READ,
        samples: |figures, out| per_read(figures, out, |read| read.load_errors),
    },
    Family {
        name: "alacena_load_seconds_total",
        kind: "counter",
        help: "Time spent loading.",
        labels: READ,
        samples: |figures, out| {
            for read in figures.rows() {
                out.add(&of(read), read.load_nanos as f64 / 1e9);
            }
        },
    },
    Family {
        name: "alacena_load_values_total",
        kind: "counter",
        help: "Refreshes, by whether they brought another value than the one that was there.",
        labels: &["read", "class", "source", "value"],
        samples: |figures, out| {
            for read in figures.rows() {
                for (value, count) in [("changed", read.changed), ("unchanged", read.unchanged)] {
                    out.add(&[&of(read)[..], &[value]].concat(), count);
                }
            }
        },
    },
    Family {
        name: "alacena_load_unstored_total",
        kind: "counter",
        help: "Loaded values that were answered and not kept, by why.",
        labels: READ_REASON,
        samples: |figures, out| per_reason(figures, out, |read| &read.not_stored_by_reason),
    },
    Family {
        name: "alacena_running_loads",
        kind: "gauge",
        help: "Loads under way.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.loads_running),
    },
    Family {
        name: "alacena_memory_entries",
        kind: "gauge",
        help: "Entries in memory, invalidated ones that still take room included.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.entries),
    },
    Family {
        name: "alacena_memory_bytes",
        kind: "gauge",
        help: "Memory that entries take.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.bytes),
    },
    Family {
        name: "alacena_memory_limit_bytes",
        kind: "gauge",
        help: "Memory that entries may take.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.bytes_max),
    },
    Family {
        name: "alacena_evictions_total",
        kind: "counter",
        help: "Entries that gave way to others.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.evictions),
    },
    Family {
        name: "alacena_invalidations_total",
        kind: "counter",
        help: "Invalidations applied.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.invalidations),
    },
    Family {
        name: "alacena_markers",
        kind: "gauge",
        help: "Marker cells held.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.markers),
    },
    Family {
        name: "alacena_writes_total",
        kind: "counter",
        help: "Declared writes sent.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.writes),
    },
    Family {
        name: "alacena_warmings_total",
        kind: "counter",
        help: "Warmings begun, by what for.",
        labels: &["trigger"],
        samples: |figures, out| {
            figures.warming.runs_by_trigger.iter().for_each(|(trigger, count)| out.add(&[trigger], count))
        },
    },
    Family {
        name: "alacena_warmed_total",
        kind: "counter",
        help: "Questions that warmings are done with, by what became of them.",
        labels: &["result"],
        samples: |figures, out| {
            figures.warming.questions_by_result.iter().for_each(|(result, count)| out.add(&[result], count))
        },
    },
    Family {
        name: "alacena_source_running_calls",
        kind: "gauge",
        help: "Calls to the source under way.",
        labels: SOURCE,
        samples: |figures, out| figures.sources.iter().for_each(|row| out.add(&[&row.source], row.running)),
    },
    Family {
        name: "alacena_source_queued_calls",
        kind: "gauge",
        help: "Calls that wait for a place at the source.",
        labels: SOURCE,
        samples: |figures, out| figures.sources.iter().for_each(|row| out.add(&[&row.source], row.queued)),
    },
    Family {
        name: "alacena_source_shed_total",
        kind: "counter",
        help: "Calls refused because too many waited.",
        labels: SOURCE,
        samples: |figures, out| figures.sources.iter().for_each(|row| out.add(&[&row.source], row.shed)),
    },
    Family {
        name: "alacena_source_breaker_state",
        kind: "gauge",
        help: "1 for the state that the source's breaker is in, 0 for the others.",
        labels: &["source", "state"],
        samples: |figures, out| {
            for row in &figures.sources {
                for state in ["CLOSED", "HALF_OPEN", "OPEN"] {
                    out.add(&[&row.source, state], u8::from(row.breaker.state == state));
                }
            }
        },
    },
    Family {
        name: "alacena_source_breaker_failures",
        kind: "gauge",
        help: "Failures within the breaker's window.",
        labels: SOURCE,
        samples: |figures, out| {
            figures.sources.iter().for_each(|row| out.add(&[&row.source], row.breaker.failures))
        },
    },
    Family {
        name: "alacena_source_breaker_opened_total",
        kind: "counter",
        help: "Times that the source's breaker has opened.",
        labels: SOURCE,
        samples: |figures, out| {
            figures.sources.iter().for_each(|row| out.add(&[&row.source], row.breaker.opened))
        },
    },
    Family {
        name: "alacena_uptime_seconds",
        kind: "gauge",
        help: "Time since the start.",
        labels: &[],
        samples: |figures, out| out.add(&[], figures.uptime.as_secs_f64()),
    },
];

fn of(read: &ReadFigures) -> [&str; 3] {
    [&read.read, &read.class, &read.source]
}

fn per_read(figures: &Figures, out: &mut Samples<'_>, count: fn(&ReadFigures) -> u64) {
    for read in figures.rows() {
        out.add(&of(read), count(read));
    }
}

fn per_reason(
    figures: &Figures,
    out: &mut Samples<'_>,
    counts: fn(&ReadFigures) -> &Vec<(&'static str, u64)>,
) {
    for read in figures.rows() {
        for (reason, count) in counts(read) {
            out.add(&[&of(read)[..], &[reason]].concat(), count);
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let format = Format::accepted(&headers);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (VARY, HeaderValue::from_static("accept")),
    ];
    (headers, exposition(&app.alacena().figures(), format)).into_response()
}

#[cfg(test)]
mod tests;
