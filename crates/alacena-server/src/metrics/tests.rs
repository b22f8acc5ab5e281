use std::{collections::HashSet, time::Duration};

use alacena::{BreakerFigures, SourceFigures};

use super::*;

fn figures() -> Figures {
    let read = ReadFigures {
        read: "kpis".into(),
        class: "a\\b\"c\nd".into(),
        source: "db".into(),
        hits: 7,
        misses_by_reason: vec![("cold", 2), ("expired", 1)],
        load_nanos: 1_500_000_000,
        ..ReadFigures::default()
    };
    let breaker =
        BreakerFigures { state: "OPEN", failures: 5, last_failure_at: None, success_rate: None, opened: 1 };
    Figures {
        reads: vec![read],
        entries: 3,
        bytes: 4096,
        bytes_max: 65536,
        evictions: 0,
        invalidations: 1,
        writes: 0,
        markers: 2,
        loads_running: 0,
        sources: vec![SourceFigures { source: "db".into(), breaker, running: 1, queued: 0, shed: 9 }],
        uptime: Duration::from_millis(2500),
    }
}

#[test]
fn a_series_carries_its_labels_escaped() {
    let text = exposition(&figures());
    assert!(
        text.contains("alacena_read_hits_total{read=\"kpis\",class=\"a\\\\b\\\"c\\nd\",source=\"db\"} 7\n")
    );
    assert!(text.contains(",source=\"db\",reason=\"cold\"} 2\n"));
    assert!(
        text.contains(
            "alacena_load_seconds_total{read=\"kpis\",class=\"a\\\\b\\\"c\\nd\",source=\"db\"} 1.5\n"
        )
    );
    assert!(text.contains("alacena_source_breaker_state{source=\"db\",state=\"OPEN\"} 1\n"));
    assert!(text.contains("alacena_source_breaker_state{source=\"db\",state=\"CLOSED\"} 0\n"));
    assert!(text.contains("alacena_memory_bytes 4096\n"));
    assert!(text.contains("alacena_uptime_seconds 2.5\n"));
}

/// What `promtool check metrics` looks at, as far as our names could fail it.
#[test]
fn the_text_is_as_prometheus_wants_it() {
    let text = exposition(&figures());
    let mut lines = text.lines();
    let mut seen = HashSet::new();
    for family in FAMILIES {
        let (name, kind) = (family.name, family.kind);
        assert!(seen.insert(name), "{name} twice");
        assert_eq!(lines.next(), Some(format!("# HELP {name} {}", family.help).as_str()));
        assert_eq!(lines.next(), Some(format!("# TYPE {name} {kind}").as_str()));
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name}: counters and only they end with _total"
        );
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        for unit in ["milli", "nano", "_ms", "kilo", "mega", "percent", "counter", "gauge"] {
            assert!(!name.contains(unit), "{name}: base units, and no types in names");
        }
        let mut series = HashSet::new();
        let mut here = lines.clone();
        while let Some(line) = here.next().filter(|line| !line.starts_with('#')) {
            let (identity, number) = line.rsplit_once(' ').unwrap();
            assert!(identity == name || identity.starts_with(&format!("{name}{{")), "{line}");
            assert!(number.parse::<f64>().unwrap().is_finite());
            assert!(series.insert(identity.to_owned()), "{identity} twice");
            lines.next();
        }
    }
    assert_eq!(lines.next(), None);
    assert!(text.ends_with('\n'));
}
