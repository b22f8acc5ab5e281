//! What is counted of the tier that nodes share: nothing where there is none.

use alacena::{Coherence, DiskFigures, Figures, PostFigures, STEP_BOUNDS, StepFigures, Telling};

use super::{Family, text::Samples};

const SHARD: &[&str] = &["shard"];

pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "alacena_l2_up",
        kind: "gauge",
        help: "1 while the shard of the second tier is read: it answers, and has been told of all that it is owed.",
        labels: SHARD,
        samples: |figures, out| {
            per_shard(figures, out, |shard| f64::from(shard.coherence != Coherence::Local))
        },
    },
    Family {
        name: "alacena_l2_level",
        kind: "gauge",
        help: "1 for what reads out of the shard are worth, 0 for the others.",
        labels: &["shard", "level"],
        samples: |figures, out| {
            for shard in &figures.shards {
                for level in [Coherence::Bounded, Coherence::Eventual, Coherence::Local] {
                    out.add(&[&shard.name, level.as_str()], u8::from(shard.coherence == level));
                }
            }
        },
    },
    Family {
        name: "alacena_l2_proved_seconds",
        kind: "gauge",
        help: "For how much longer the shard's silence means that nothing has changed.",
        labels: SHARD,
        samples: |figures, out| per_shard(figures, out, |shard| shard.proved_for.as_secs_f64()),
    },
    Family {
        name: "alacena_l2_connections_total",
        kind: "counter",
        help: "Connections that came about on which the shard tells of changes.",
        labels: SHARD,
        samples: |figures, out| {
            figures.shards.iter().for_each(|shard| out.add(&[&shard.name], shard.connections))
        },
    },
    Family {
        name: "alacena_l2_era_changes_total",
        kind: "counter",
        help: "Of these, those to a server that may have been rolled back: restarted, or promoted.",
        labels: SHARD,
        samples: |figures, out| {
            figures.shards.iter().for_each(|shard| out.add(&[&shard.name], shard.era_changes))
        },
    },
    Family {
        name: "alacena_l2_push",
        kind: "gauge",
        help: "1 for how the shard tells of what changes on it, 0 for the others.",
        labels: &["shard", "way"],
        samples: |figures, out| {
            for shard in &figures.shards {
                for way in Telling::ALL {
                    out.add(&[&shard.name, way.as_str()], u8::from(shard.capabilities.telling == way));
                }
            }
        },
    },
    Family {
        name: "alacena_l2_commands_today",
        kind: "gauge",
        help: "Commands that this node has sent to the shard today, by UTC, where they are metered: those used, and as many as will be at this pace.",
        labels: &["shard", "which"],
        samples: |figures, out| {
            for (shard, spending) in figures.shards.iter().filter_map(|shard| Some((shard, shard.spending?)))
            {
                out.add(&[&shard.name, "used"], spending.used);
                out.add(&[&shard.name, "forecast"], spending.forecast);
                out.add(&[&shard.name, "limit"], spending.limit);
            }
        },
    },
    Family {
        name: "alacena_l2_step_seconds",
        kind: "histogram",
        help: "What the shard was asked, and how long it took.",
        labels: &["shard", "step"],
        samples: |figures, out| {
            for (shard, step) in steps(figures) {
                out.add_histogram(&[&shard.name, step.step], &STEP_BOUNDS, &step.took, step.total);
            }
        },
    },
    Family {
        name: "alacena_l2_step_failures_total",
        kind: "counter",
        help: "Of these, those that failed, by why.",
        labels: &["shard", "step", "reason"],
        samples: |figures, out| {
            for (shard, step) in steps(figures) {
                for (reason, count) in &step.failures {
                    out.add(&[&shard.name, step.step, reason], count);
                }
            }
        },
    },
    Family {
        name: "alacena_l2_breaker_state",
        kind: "gauge",
        help: "1 for the state that the shard's breaker for reads or writes is in, 0 for the others.",
        labels: &["shard", "direction", "state"],
        samples: |figures, out| {
            for shard in &figures.shards {
                for (direction, now) in [("reads", shard.reads), ("writes", shard.writes)] {
                    for state in ["CLOSED", "HALF_OPEN", "OPEN"] {
                        out.add(&[&shard.name, direction, state], u8::from(now.as_str() == state));
                    }
                }
            }
        },
    },
    Family {
        name: "alacena_l2_unreadable_total",
        kind: "counter",
        help: "Entries that were found on the shard and could not be used, by why.",
        labels: &["shard", "reason"],
        samples: |figures, out| {
            for shard in &figures.shards {
                for (reason, count) in &shard.unreadable_by_reason {
                    out.add(&[&shard.name, reason], count);
                }
            }
        },
    },
    Family {
        name: "alacena_l2_deferred_records",
        kind: "gauge",
        help: "Invalidations that the shard could not be told of yet, written down durably or held in memory only.",
        labels: &["shard", "kept"],
        samples: |figures, out| {
            for shard in &figures.shards {
                out.add(&[&shard.name, "durable"], shard.drain.records);
                out.add(&[&shard.name, "memory"], shard.drain.volatile);
            }
        },
    },
    Family {
        name: "alacena_l2_deferred_age_seconds",
        kind: "gauge",
        help: "How long the oldest of them has been waiting: so long other nodes may have answered without it.",
        labels: SHARD,
        samples: |figures, out| per_shard(figures, out, |shard| shard.owed_for.as_secs_f64()),
    },
    Family {
        name: "alacena_l2_entries",
        kind: "gauge",
        help: "Entries on local disk, where that is the second tier.",
        labels: SHARD,
        samples: |figures, out| on_disk(figures, out, |disk| disk.entries),
    },
    Family {
        name: "alacena_l2_bytes",
        kind: "gauge",
        help: "Bytes of local disk that they take.",
        labels: SHARD,
        samples: |figures, out| on_disk(figures, out, |disk| disk.bytes),
    },
    Family {
        name: "alacena_l2_limit_bytes",
        kind: "gauge",
        help: "Bytes of local disk that they may take: embedded.entries_max, or less once the disk was full.",
        labels: SHARD,
        samples: |figures, out| on_disk(figures, out, |disk| disk.bytes_max),
    },
    Family {
        name: "alacena_l2_evictions_total",
        kind: "counter",
        help: "Entries on local disk that gave way to others.",
        labels: SHARD,
        samples: |figures, out| on_disk(figures, out, |disk| disk.evictions),
    },
    Family {
        name: "alacena_l2_markers",
        kind: "gauge",
        help: "Markers on local disk.",
        labels: SHARD,
        samples: |figures, out| on_disk(figures, out, |disk| disk.markers),
    },
];

fn on_disk(figures: &Figures, out: &mut Samples<'_>, number: fn(&DiskFigures) -> u64) {
    if let Some(disk) = &figures.disk {
        out.add(&[disk.shard], number(disk));
    }
}

fn per_shard(figures: &Figures, out: &mut Samples<'_>, number: fn(&PostFigures) -> f64) {
    for shard in &figures.shards {
        out.add(&[&shard.name], number(shard));
    }
}

/// What each shard was asked.
fn steps(figures: &Figures) -> impl Iterator<Item = (&PostFigures, &StepFigures)> {
    figures.shards.iter().flat_map(|shard| shard.steps.iter().map(move |step| (shard, step)))
}
