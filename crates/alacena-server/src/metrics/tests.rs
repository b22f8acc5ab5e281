use std::{collections::HashSet, time::Duration};

use alacena::SourceFigures;

use super::*;

fn figures() -> Figures {
    let mut read = ReadFigures::default();
    read.read = "kpis".into();
    read.class = "a\\b\"c\nd".into();
    read.source = "db".into();
    read.hits = 7;
    read.misses_by_reason = vec![("cold", 2), ("expired", 1)];
    read.load_nanos = 1_500_000_000;
    let mut class = ReadFigures::default();
    class.class = "menus".into();
    class.hits = 4;
    let mut source = SourceFigures::default();
    source.source = "db".into();
    (source.running, source.shed) = (1, 9);
    (source.breaker.state, source.breaker.failures, source.breaker.opened) = ("OPEN", 5, 1);
    let mut figures = Figures::default();
    (figures.reads, figures.classes, figures.sources) = (vec![read], vec![class], vec![source]);
    (figures.entries, figures.bytes, figures.bytes_max) = (3, 4096, 65536);
    (figures.invalidations, figures.markers) = (1, 2);
    figures.warming.runs_by_trigger = vec![("start", 1)];
    figures.warming.questions_by_result = vec![("loaded", 2)];
    figures.uptime = Duration::from_millis(2500);
    figures
}

#[test]
fn a_series_carries_its_labels_escaped() {
    let text = exposition(&figures(), Format::Prometheus);
    assert!(
        text.contains("alacena_read_hits_total{read=\"kpis\",class=\"a\\\\b\\\"c\\nd\",source=\"db\"} 7\n")
    );
    assert!(text.contains(",source=\"db\",reason=\"cold\"} 2\n"));
    assert!(
        text.contains(
            "alacena_load_seconds_total{read=\"kpis\",class=\"a\\\\b\\\"c\\nd\",source=\"db\"} 1.5\n"
        )
    );
    assert!(text.contains("alacena_read_hits_total{read=\"\",class=\"menus\",source=\"\"} 4\n"));
    assert!(text.contains("alacena_source_breaker_state{source=\"db\",state=\"OPEN\"} 1\n"));
    assert!(text.contains("alacena_source_breaker_state{source=\"db\",state=\"CLOSED\"} 0\n"));
    assert!(text.contains("alacena_memory_bytes 4096\n"));
    assert!(text.contains("alacena_uptime_seconds 2.5\n"));
}

/// What `promtool check metrics` looks at, as far as our names could fail it.
#[test]
fn the_text_is_as_prometheus_wants_it() {
    let text = exposition(&figures(), Format::Prometheus);
    let mut lines = text.lines();
    let mut seen = HashSet::new();
    for family in families() {
        let (name, kind) = (family.name, family.kind);
        assert!(seen.insert(name), "{name} twice");
        assert_eq!(lines.next(), Some(format!("# HELP {name} {}", family.help).as_str()));
        assert_eq!(lines.next(), Some(format!("# TYPE {name} {kind}").as_str()));
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name}: counters and only they end with _total"
        );
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
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

/// The rules of OpenMetrics 1.0 that our families could break.
#[test]
fn the_text_is_as_openmetrics_wants_it() {
    let text = exposition(&figures(), Format::OpenMetrics);
    let body = text.strip_suffix("# EOF\n").expect("it says where it is whole");
    assert!(!body.contains("# EOF") && !body.contains("\n\n"));
    let mut families = HashSet::new();
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, kind) = line.strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
        assert!(families.insert(name) && !name.ends_with("_total"), "{name}");
        assert!(["counter", "gauge", "histogram"].contains(&kind));
        let unit = lines.next_if(|line| line.starts_with("# UNIT "));
        if let Some(unit) = unit {
            let (named, unit) = unit.strip_prefix("# UNIT ").unwrap().split_once(' ').unwrap();
            assert_eq!((named, name.ends_with(&format!("_{unit}"))), (name, true));
        }
        assert_eq!(unit.is_some(), name.contains("seconds") || name.contains("bytes"), "{name}");
        let help = lines.next().unwrap().strip_prefix(&format!("# HELP {name} ")).unwrap();
        assert!(!help.contains(['"', '\\']), "quotes would have to be escaped here and not in 0.0.4");
        let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (identity, number) = line.rsplit_once(' ').unwrap();
            assert!(identity == sample || identity.starts_with(&format!("{sample}{{")), "{line}");
            assert!(number.parse::<f64>().unwrap().is_finite());
        }
    }
    assert_eq!(families.len(), super::families().count());
    let samples = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(
        samples(&text),
        samples(&exposition(&figures(), Format::Prometheus)),
        "the same series in both"
    );
}

#[test]
fn openmetrics_is_for_those_who_ask_for_it() {
    let accepted = |accept: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::try_from(accept).unwrap());
        Format::accepted(&headers)
    };
    assert_eq!(Format::accepted(&HeaderMap::new()), Format::Prometheus);
    for plain in [
        "*/*",
        "",
        "text/plain",
        "application/*",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;q=0.4,text/plain;q=0.5",
        "application/openmetrics-text;q=x",
    ] {
        assert_eq!(accepted(plain), Format::Prometheus, "{plain}");
    }
    for open in [
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
        "text/plain, application/openmetrics-text",
        // What Prometheus sends.
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.2",
    ] {
        assert_eq!(accepted(open), Format::OpenMetrics, "{open}");
    }
}
