//! The part of the filter language that is documented or seen in running code: `must`, `should`, `bool`, `term`,
//! `range`, `match_phrase`.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::books::Record;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Term { field: String, value: Json },
    Range { field: String, bounds: Vec<(Bound, Json)> },
    Phrase { field: String, words: Vec<String> },
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    Gte,
    Gt,
    Lte,
    Lt,
}

impl Filter {
    /// Reads the text of the `filter` parameter.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let json: Json =
            serde_json::from_str(text).map_err(|error| format!("filter is not JSON: {error}"))?;
        boolean(object(&json, "filter")?)
    }

    /// Whether `record` meets the condition.
    pub(super) fn accepts(&self, record: &Record) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|filter| filter.accepts(record)),
            Filter::Any(any) => any.iter().any(|filter| filter.accepts(record)),
            Filter::Term { field, value } => reaches(record, field, &|found| found == value),
            Filter::Range { field, bounds } => reaches(record, field, &|found| {
                bounds.iter().all(|(bound, limit)| {
                    order(found, limit).is_some_and(|order| match bound {
                        Bound::Gte => order != Ordering::Less,
                        Bound::Gt => order == Ordering::Greater,
                        Bound::Lte => order != Ordering::Greater,
                        Bound::Lt => order == Ordering::Less,
                    })
                })
            }),
            Filter::Phrase { field, words: phrase } => reaches(record, field, &|found| {
                let text = found.as_str().map(words).unwrap_or_default();
                text.windows(phrase.len().max(1)).any(|window| window == phrase.as_slice())
            }),
        }
    }
}

/// `{"must": […], "should": […]}`. As in Elasticsearch, `should` decides only where there is no `must`.
fn boolean(object: &Map<String, Json>) -> Result<Filter, String> {
    if let Some(unknown) = object.keys().find(|name| !matches!(name.as_str(), "must" | "should")) {
        return Err(format!("filter knows `must` and `should`, not `{unknown}`"));
    }
    let clauses = |name| match object.get(name) {
        None => Ok(None),
        Some(Json::Array(clauses)) => clauses.iter().map(clause).collect::<Result<Vec<_>, _>>().map(Some),
        Some(_) => Err(format!("`{name}` is a list of clauses")),
    };
    match (clauses("must")?, clauses("should")?) {
        (Some(all), _) => Ok(Filter::All(all)),
        (None, Some(any)) => Ok(Filter::Any(any)),
        (None, None) => Ok(Filter::All(Vec::new())),
    }
}

fn clause(json: &Json) -> Result<Filter, String> {
    let (name, body) = only_member(json, "a clause")?;
    match name {
        "bool" => boolean(object(body, "bool")?),
        "term" => {
            let (field, value) = only_member(body, "`term`")?;
            match value {
                Json::Object(_) | Json::Array(_) => Err("`term` compares with one value".to_owned()),
                value => Ok(Filter::Term { field: field.to_owned(), value: value.clone() }),
            }
        }
        "match_phrase" => {
            let (field, text) = only_member(body, "`match_phrase`")?;
            let text = text.as_str().ok_or("`match_phrase` takes a text")?;
            Ok(Filter::Phrase { field: field.to_owned(), words: words(text) })
        }
        "range" => {
            let (field, bounds) = only_member(body, "`range`")?;
            let bounds = object(bounds, "range")?.iter().map(bound).collect::<Result<_, _>>()?;
            Ok(Filter::Range { field: field.to_owned(), bounds })
        }
        unknown => Err(format!("a clause is bool, term, range or match_phrase, not `{unknown}`")),
    }
}

fn bound((name, limit): (&String, &Json)) -> Result<(Bound, Json), String> {
    let bound = match name.as_str() {
        "gte" => Bound::Gte,
        "gt" => Bound::Gt,
        "lte" => Bound::Lte,
        "lt" => Bound::Lt,
        unknown => return Err(format!("`range` knows gte, gt, lte and lt, not `{unknown}`")),
    };
    Ok((bound, limit.clone()))
}

fn object<'a>(json: &'a Json, what: &str) -> Result<&'a Map<String, Json>, String> {
    json.as_object().ok_or_else(|| format!("{what} is a JSON object"))
}

fn only_member<'a>(json: &'a Json, what: &str) -> Result<(&'a str, &'a Json), String> {
    let mut members = object(json, what)?.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err(format!("{what} has exactly one member")),
    }
}

/// Whether something at the dotted path passes `test`; a list passes where one of its elements does.
fn reaches(record: &Record, path: &str, test: &dyn Fn(&Json) -> bool) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let step = |found: &Json| match (rest, found) {
        (Some(rest), Json::Object(inner)) => reaches(inner, rest, test),
        (Some(_), _) => false,
        (None, found) => test(found),
    };
    match record.get(name) {
        Some(Json::Array(elements)) => elements.iter().any(step),
        Some(found) => step(found),
        None => false,
    }
}

/// How two scalars of the same type stand to each other.
pub(super) fn order(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(filter: Json) -> bool {
        let record = json!({
            "name": "Hernández: hail damage repair", "status": 3, "date_created": 1_459_800_000, "tags": ["urgent", "vip"],
            "related": [{"id": "a", "type": "contact"}, {"id": "b", "type": "job"}],
        });
        Filter::parse(&filter.to_string()).unwrap().accepts(record.as_object().unwrap())
    }

    #[test]
    fn clauses_of_the_documented_subset() {
        assert!(accepts(
            json!({"must": [{"range": {"date_created": {"gte": 1_459_749_600, "lte": 1_459_835_940}}}]})
        ));
        assert!(!accepts(json!({"must": [{"range": {"date_created": {"gt": 1_459_800_000}}}]})));
        assert!(accepts(json!({"must": [{"term": {"related.id": "b"}}, {"term": {"tags": "vip"}}]})));
        assert!(accepts(json!({"must": [{"match_phrase": {"name": "HAIL damage"}}]})));
        assert!(!accepts(json!({"must": [{"match_phrase": {"name": "damage hail"}}]})));
        assert!(accepts(
            json!({"must": [{"bool": {"should": [{"term": {"status": 9}}, {"term": {"status": 3}}]}}]})
        ));
        assert!(!accepts(json!({"should": [{"term": {"status": 9}}]})));
        assert!(accepts(json!({})), "no condition is met by everything");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let refuse = |text: &str| Filter::parse(text).unwrap_err();
        assert!(refuse("{").contains("not JSON"));
        assert!(refuse(r#"{"must_not":[]}"#).contains("`must_not`"));
        assert!(refuse(r#"{"must":[{"wildcard":{"name":"x*"}}]}"#).contains("`wildcard`"));
        assert!(refuse(r#"{"must":[{"range":{"a":{"from":1}}}]}"#).contains("`from`"));
        assert!(refuse(r#"{"must":[{"term":{"a":1,"b":2}}]}"#).contains("exactly one member"));
    }
}
