//! The table of families as text, in either of two formats.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use alacena::Figures;
use axum::http::{HeaderMap, header::ACCEPT};

use super::{Family, families};

/// How the figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text format of Prometheus, version 0.0.4: what everything understands.
    Prometheus,
    /// OpenMetrics 1.0: names its units, and says where the text is whole.
    OpenMetrics,
}

impl Format {
    /// The format that the caller likes best. OpenMetrics only where it is asked for by name: wildcards are sent by
    /// those who know of nothing.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let (mut open_metrics, mut plain) = (0.0_f32, 0.0_f32);
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality = 1.0_f32;
            let mut is_ours = true;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => is_ours = value.trim().trim_matches('"') == "1.0.0",
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if is_ours => open_metrics = quality.max(open_metrics),
                "text/plain" => plain = quality.max(plain),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= plain { Format::OpenMetrics } else { Format::Prometheus }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The whole exposition.
pub(crate) fn exposition(figures: &Figures, format: Format) -> String {
    let mut text = String::with_capacity(8 * 1024);
    for family in families() {
        head(&mut text, family, format).expect("writing to a String cannot fail");
        (family.samples)(figures, &mut Samples { text: &mut text, family });
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// What is said of a family before its series. In OpenMetrics a counter is called what it counts, and only its series
/// end with `_total`; a unit is what the name ends with.
fn head(text: &mut String, family: &Family, format: Format) -> std::fmt::Result {
    let Family { name, kind, help, .. } = family;
    match format {
        Format::Prometheus => write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        Format::OpenMetrics => {
            let name = name.strip_suffix("_total").unwrap_or(name);
            writeln!(text, "# TYPE {name} {kind}")?;
            if let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)) {
                writeln!(text, "# UNIT {name} {unit}")?;
            }
            writeln!(text, "# HELP {name} {help}")
        }
    }
}

/// The series of one family, on their way into the text.
pub(super) struct Samples<'a> {
    text: &'a mut String,
    family: &'static Family,
}

impl Samples<'_> {
    /// One series: the values of the family's labels, in their order, and the number.
    pub(super) fn add(&mut self, values: &[&str], number: impl Display) {
        self.series("", values, None, number);
    }

    /// The series of one histogram: how many there are up to each of these bounds, beyond the last, and all together.
    pub(super) fn add_histogram(
        &mut self,
        values: &[&str],
        bounds: &[Duration],
        counts: &[u64],
        sum: Duration,
    ) {
        debug_assert_eq!(counts.len(), bounds.len() + 1, "{}", self.family.name);
        let mut so_far = 0;
        for (at, count) in counts.iter().enumerate() {
            so_far += count;
            let bound =
                bounds.get(at).map_or_else(|| "+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
            self.series("_bucket", values, Some(&bound), so_far);
        }
        self.series("_sum", values, None, sum.as_secs_f64());
        self.series("_count", values, None, so_far);
    }

    fn series(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, number: impl Display) {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{}", self.family.name);
        self.text.push_str(self.family.name);
        self.text.push_str(suffix);
        let labels = self.family.labels.iter().copied().zip(values.iter().copied());
        for (at, (label, value)) in labels.chain(bound.map(|bound| ("le", bound))).enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape_into(self.text, value);
            self.text.push('"');
        }
        self.text.push_str(if values.is_empty() && bound.is_none() { " " } else { "} " });
        writeln!(self.text, "{number}").expect("writing to a String cannot fail");
    }
}

fn escape_into(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}
