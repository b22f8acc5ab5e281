//! A page of records: `size`, `from`, `sort_field`, `sort_direction`, `fields` and `filter`.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    books::Record,
    filter::{Filter, order},
};

const SIZE_MAX: usize = 1000;
/// Elasticsearch, on which the real API stands, shows no further than this many records.
const WINDOW_MAX: usize = 10_000;

/// What a list request asks for.
#[derive(Debug)]
pub(super) struct Listing {
    from: usize,
    size: usize,
    sort_field: String,
    ascending: bool,
    fields: Option<Vec<String>>,
    filter: Filter,
}

impl Listing {
    /// Reads the query of a request. Names that it does not know belong to somebody else.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn parse(query: &[(String, String)]) -> Result<Self, String> {
        let get = |name: &str| {
            let found = query.iter().rev().find(|(given, value)| given == name && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &str, default: usize| match get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name} is a whole number, not `{text}`")),
        };
        let (from, size) = (number("from", 0)?, number("size", SIZE_MAX)?);
        if size > SIZE_MAX {
            return Err(format!("size is at most {SIZE_MAX}, not {size}"));
        }
        if from.saturating_add(size) > WINDOW_MAX {
            return Err(format!(
                "from + size is at most {WINDOW_MAX}; narrow the filter by date_created instead"
            ));
        }
        let ascending = match get("sort_direction") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(other) => return Err(format!("sort_direction is asc or desc, not `{other}`")),
        };
        Ok(Self {
            from,
            size,
            sort_field: get("sort_field").unwrap_or("date_created").to_owned(),
            ascending,
            fields: get("fields").map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()),
            filter: get("filter").map(Filter::parse).transpose()?.unwrap_or(Filter::All(Vec::new())),
        })
    }

    /// How many active records meet the filter, and those of them that are on the page.
    pub(super) fn page(&self, records: &[Record]) -> (usize, Vec<Record>) {
        let active = |record: &&Record| record.get("is_active") != Some(&Json::Bool(false));
        let mut found: Vec<&Record> =
            records.iter().filter(active).filter(|record| self.filter.accepts(record)).collect();
        found.sort_by(|a, b| self.compare(a, b));
        let page = found.iter().skip(self.from).take(self.size).map(|record| self.shown(record)).collect();
        (found.len(), page)
    }

    /// Records without the field come last; equal ones in order of their number, so that pages never overlap.
    fn compare(&self, a: &Record, b: &Record) -> Ordering {
        let directed = |order: Ordering| if self.ascending { order } else { order.reverse() };
        let by_field = match (a.get(&self.sort_field), b.get(&self.sort_field)) {
            (Some(a), Some(b)) => directed(order(a, b).unwrap_or(Ordering::Equal)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_field.then_with(|| directed(a["recid"].as_i64().cmp(&b["recid"].as_i64())))
    }

    fn shown(&self, record: &Record) -> Record {
        let Some(fields) = &self.fields else { return record.clone() };
        let wanted = |name: &String| name == "jnid" || fields.contains(name);
        record
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
