//! The figures of an answer as people read them: `?format=display`.

use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;

use crate::{problem::Problem, query::Query};

/// The answer with these figures, as `query` wants to see them.
///
/// # Errors
/// `Invalid` where it wants them in a way that is not known.
pub(crate) fn answer(query: &Query, figures: Json) -> Result<Response, Problem> {
    Ok(axum::Json(if query.as_text()? { display(figures) } else { figures }).into_response())
}

/// The same fields with every number as text. `null` stays `null`: it means "not there", not "zero".
fn display(value: Json) -> Json {
    under("", value)
}

fn under(field: &str, value: Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members.into_iter().map(|(name, value)| (name.clone(), under(&name, value))).collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| under(field, item)).collect()),
        Json::Number(number) => match (field, number.as_f64(), number.as_u64()) {
            ("hitRate" | "successRate", Some(share), _) => format!("{:.2}%", share * 100.0).into(),
            ("lastFailure" | "at" | "oldest" | "newest" | "startedAt" | "endedAt", _, Some(millis)) => {
                timestamp(millis).into()
            }
            _ => number.to_string().into(),
        },
        other => other,
    }
}

/// Milliseconds since 1970 as RFC 3339, in UTC.
fn timestamp(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", rest % 1000)
}

/// The date that many days after 1970-01-01. Counts in years that begin in March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let since = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let (era, day_of_era) = (since / 146_097, since % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_become_text_and_nothing_else_changes() {
        let figures = json!({
            "metrics": {"hits": 5, "hitRate": 0.847, "l2Hits": null},
            "circuitBreaker": {"state": "CLOSED", "lastFailure": 951_827_696_789_u64, "successRate": 1.0},
        });
        assert_eq!(
            display(figures),
            json!({
                "metrics": {"hits": "5", "hitRate": "84.70%", "l2Hits": null},
                "circuitBreaker": {
                    "state": "CLOSED", "lastFailure": "2000-02-29T12:34:56.789Z", "successRate": "100.00%"
                },
            })
        );
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_795_132_800_000), "2026-11-20T00:00:00.000Z");
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
    }
}
