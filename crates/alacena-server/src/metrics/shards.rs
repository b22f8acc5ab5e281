//! What is counted of the tier that nodes share: nothing where there is none.

use alacena::{Coherence, Figures, PostFigures, STEP_BOUNDS, StepFigures};

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
];

fn per_shard(figures: &Figures, out: &mut Samples<'_>, number: fn(&PostFigures) -> f64) {
    for shard in &figures.shards {
        out.add(&[&shard.name], number(shard));
    }
}

/// What each shard was asked.
fn steps(figures: &Figures) -> impl Iterator<Item = (&PostFigures, &StepFigures)> {
    figures.shards.iter().flat_map(|shard| shard.steps.iter().map(move |step| (shard, step)))
}
