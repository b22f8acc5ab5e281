//! Typed parameters with defaults and limits.
//!
//! Whatever a caller leaves out is filled in before anything else looks, so that an absent parameter and its default
//! are one key, one question and one answer.

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;

use crate::error::{Error, catalogue};

/// Longest text value unless the parameter says otherwise, in bytes.
pub const TEXT_BYTES_DEFAULT: usize = 1024;

/// The types that a parameter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Text.
    Text,
}

impl ScalarKind {
    /// The word for it in the configuration and in JSON Schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ScalarKind::Integer => "integer",
            ScalarKind::Number => "number",
            ScalarKind::Boolean => "boolean",
            ScalarKind::Text => "string",
        }
    }
}

/// One value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A whole number.
    Integer(i64),
    /// A number, never NaN or infinite.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    /// As it stands in a key, a path or a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Integer(value) => value.fmt(f),
            Scalar::Number(value) => value.fmt(f),
            Scalar::Boolean(value) => value.fmt(f),
            Scalar::Text(value) => f.write_str(value),
        }
    }
}

impl Scalar {
    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Scalar::Integer(value) => (*value).into(),
            Scalar::Number(value) => (*value).into(),
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Text(value) => value.as_str().into(),
        }
    }
}

/// What a read accepts under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name: a letter, then letters, digits and underscores.
    pub name: String,
    /// What it means, for people and agents.
    pub description: String,
    /// Its type.
    pub kind: ScalarKind,
    /// Whether a call without it is refused. Never together with a default.
    pub required: bool,
    /// What stands in for it when it is absent; without one an optional parameter is simply absent.
    pub default: Option<Scalar>,
    /// Smallest number accepted.
    pub min: Option<f64>,
    /// Largest number accepted.
    pub max: Option<f64>,
    /// Longest text accepted, in bytes.
    pub length_max: usize,
    /// The only values accepted; empty: any.
    pub choices: Vec<Scalar>,
}

impl Parameter {
    /// A required parameter without limits.
    #[must_use]
    pub fn required(name: &str, kind: ScalarKind) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            kind,
            required: true,
            default: None,
            min: None,
            max: None,
            length_max: TEXT_BYTES_DEFAULT,
            choices: Vec::new(),
        }
    }

    /// An optional parameter with a default.
    #[must_use]
    pub fn with_default(name: &str, default: Scalar) -> Self {
        let kind = match default {
            Scalar::Integer(_) => ScalarKind::Integer,
            Scalar::Number(_) => ScalarKind::Number,
            Scalar::Boolean(_) => ScalarKind::Boolean,
            Scalar::Text(_) => ScalarKind::Text,
        };
        Self { required: false, default: Some(default), ..Self::required(name, kind) }
    }

    /// Reads a value out of text, as a query string carries it.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter, when the text is not of its type or outside its limits.
    pub fn from_text(&self, text: &str) -> Result<Scalar, Error> {
        let scalar = match self.kind {
            ScalarKind::Integer => text.parse().ok().map(Scalar::Integer),
            ScalarKind::Number => text.parse().ok().map(Scalar::Number),
            ScalarKind::Boolean => text.parse().ok().map(Scalar::Boolean),
            ScalarKind::Text => Some(Scalar::Text(text.to_owned())),
        };
        self.accept(scalar.ok_or_else(|| self.wrong_type())?)
    }

    /// Takes a value out of a JSON document.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter, when the value is not of its type or outside its limits.
    pub fn from_json(&self, json: &Json) -> Result<Scalar, Error> {
        let scalar = match (self.kind, json) {
            (ScalarKind::Integer, Json::Number(number)) => number.as_i64().map(Scalar::Integer),
            (ScalarKind::Number, Json::Number(number)) => number.as_f64().map(Scalar::Number),
            (ScalarKind::Boolean, Json::Bool(value)) => Some(Scalar::Boolean(*value)),
            (ScalarKind::Text, Json::String(text)) => Some(Scalar::Text(text.clone())),
            _ => None,
        };
        self.accept(scalar.ok_or_else(|| self.wrong_type())?)
    }

    /// Checks a value of the right type against the limits. `-0` becomes `0`, which is equal to it: it is one question.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and the limit.
    pub fn accept(&self, scalar: Scalar) -> Result<Scalar, Error> {
        let scalar = match scalar {
            Scalar::Number(value) => Scalar::Number(value + 0.0),
            other => other,
        };
        let number = match &scalar {
            Scalar::Integer(value) => Some(*value as f64),
            Scalar::Number(value) => Some(*value),
            Scalar::Boolean(_) | Scalar::Text(_) => None,
        };
        if let Some(number) = number {
            if !number.is_finite() {
                return Err(self.refuse("must be a finite number"));
            }
            if let Some(min) = self.min.filter(|min| number < *min) {
                return Err(self.refuse(format!("must be at least {min}, not {number}")));
            }
            if let Some(max) = self.max.filter(|max| number > *max) {
                return Err(self.refuse(format!("must be at most {max}, not {number}")));
            }
        }
        if let Scalar::Text(text) = &scalar
            && text.len() > self.length_max
        {
            let (most, given) = (self.length_max, text.len());
            return Err(self.refuse(format!("must have at most {most} bytes, not {given}")));
        }
        if !self.choices.is_empty() && !self.choices.contains(&scalar) {
            let choices: Vec<String> = self.choices.iter().map(ToString::to_string).collect();
            return Err(self.refuse(format!("must be one of {}", choices.join(", "))));
        }
        Ok(scalar)
    }

    /// Whether a call can be complete without a value for it.
    #[must_use]
    pub fn may_be_absent(&self) -> bool {
        !self.required && self.default.is_none()
    }

    fn wrong_type(&self) -> Error {
        let article = if self.kind == ScalarKind::Integer { "an" } else { "a" };
        self.refuse(format!("must be {article} {}", self.kind.as_str()))
    }

    fn refuse(&self, detail: impl fmt::Display) -> Error {
        Error::new(&catalogue::PARAMETER_INVALID, format!("`{}` {detail}", self.name))
            .with("parameter", &self.name)
    }
}

/// The parameters of one call, complete: checked, with defaults filled in.
///
/// ```
/// use alacena_core::declared::{Parameter, Parameters, Scalar, ScalarKind};
///
/// let declared = [
///     Parameter::required("company", ScalarKind::Integer),
///     Parameter::with_default("size", Scalar::Integer(100)),
/// ];
/// let call = Parameters::from_text(&declared, [("company", "42")])?;
/// assert_eq!(call.get("size"), Some(&Scalar::Integer(100)));
/// let refused = Parameters::from_text(&declared, [("compny", "42")]).unwrap_err();
/// assert!(refused.detail().contains("did you mean `company`?"));
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, Scalar>);

impl Parameters {
    /// Completes what a query string carries.
    ///
    /// # Errors
    /// `Invalid` for the first name that is unknown, given twice, missing, of the wrong type or out of its limits.
    pub fn from_text<'a>(
        declared: &[Parameter],
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        Self::complete(declared, given, |parameter, text| parameter.from_text(text).map(Some))
    }

    /// Completes what a JSON object carries; `null` counts as absent.
    ///
    /// # Errors
    /// As [`from_text`](Parameters::from_text).
    pub fn from_json<'a>(
        declared: &[Parameter],
        given: impl IntoIterator<Item = (&'a str, &'a Json)>,
    ) -> Result<Self, Error> {
        Self::complete(declared, given, |parameter, json| match json {
            Json::Null => Ok(None),
            json => parameter.from_json(json).map(Some),
        })
    }

    fn complete<'a, G>(
        declared: &[Parameter],
        given: impl IntoIterator<Item = (&'a str, G)>,
        read: impl Fn(&Parameter, G) -> Result<Option<Scalar>, Error>,
    ) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for (name, raw) in given {
            let parameter = declared
                .iter()
                .find(|parameter| parameter.name == name)
                .ok_or_else(|| unknown(declared, name))?;
            // An empty text for a parameter that may be absent says nothing: it is absent, and so is the same key.
            let says_something =
                |scalar: &Scalar| !parameter.may_be_absent() || *scalar != Scalar::Text(String::new());
            if let Some(scalar) = read(parameter, raw)?.filter(says_something)
                && values.insert(name.to_owned(), scalar).is_some()
            {
                return Err(parameter.refuse("is given twice"));
            }
        }
        for parameter in declared {
            if values.contains_key(&parameter.name) {
                continue;
            }
            if parameter.required {
                return Err(parameter.refuse("is missing"));
            }
            if let Some(default) = &parameter.default {
                values.insert(parameter.name.clone(), default.clone());
            }
        }
        Ok(Self(values))
    }

    /// The same with one more value, which no caller has given. It takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, scalar: Scalar) -> Self {
        self.0.insert(name.into(), scalar);
        self
    }

    /// The value of one parameter, if it has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.0.get(name)
    }

    /// Every parameter that has a value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
        self.0.iter().map(|(name, scalar)| (name.as_str(), scalar))
    }
}

fn unknown(declared: &[Parameter], name: &str) -> Error {
    let names = || declared.iter().map(|parameter| parameter.name.as_str());
    let hint = match nearest(name, names()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if declared.is_empty() => "; this one takes no parameters".to_owned(),
        None => format!("; accepted: {}", names().collect::<Vec<_>>().join(", ")),
    };
    let shown: String = name.chars().take(64).filter(|character| !character.is_control()).collect();
    Error::new(&catalogue::PARAMETER_INVALID, format!("unknown parameter `{shown}`{hint}"))
        .with("parameter", shown)
}

/// The candidate that is most like `name`, if one is like it at all: what a person who mistyped may have meant.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(64).collect();
    let allowed = (name.len() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (edits(&name, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance (Damerau 1964, restricted): insertions, deletions, substitutions, and two
/// neighbours that changed places, each counted as one edit.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (previous[j] + usize::from(x != y)).min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn size() -> Parameter {
        Parameter {
            max: Some(1000.0),
            min: Some(1.0),
            ..Parameter::with_default("size", Scalar::Integer(100))
        }
    }

    #[test]
    fn an_absent_parameter_is_its_default() {
        let declared = [size()];
        let absent = Parameters::from_text(&declared, []).unwrap();
        let given = Parameters::from_text(&declared, [("size", "100")]).unwrap();
        let null = Parameters::from_json(&declared, [("size", &Json::Null)]).unwrap();
        assert_eq!(absent, given);
        assert_eq!(absent, null);
    }

    #[test]
    fn an_empty_text_is_absent_where_that_is_allowed() {
        let optional = Parameter { required: false, ..Parameter::required("q", ScalarKind::Text) };
        assert_eq!(Parameters::from_text(&[optional], [("q", "")]).unwrap(), Parameters::default());
        let required = [Parameter::required("q", ScalarKind::Text)];
        assert_eq!(Parameters::from_text(&required, [("q", "")]).unwrap().iter().count(), 1);
    }

    #[test]
    fn a_number_has_one_way_to_be_written() {
        let ratio = Parameter::required("ratio", ScalarKind::Number);
        for (given, written) in [("-0", "0"), ("0e9", "0"), ("1e2", "100"), ("-.50", "-0.5")] {
            assert_eq!(ratio.from_text(given).unwrap().to_string(), written);
        }
        assert_eq!(ratio.from_json(&json!(-0.0)).unwrap().to_string(), "0");
    }

    #[test]
    fn slips_of_the_finger_are_recognised() {
        for (typed, meant) in [("jbos", "jobs"), ("job", "jobs"), ("jobss", "jobs"), ("jops", "jobs")] {
            assert_eq!(nearest(typed, ["users", "jobs"].into_iter()), Some(meant), "{typed}");
        }
        assert_eq!(nearest("contacts", ["users", "jobs"].into_iter()), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_limit() {
        let declared = [size(), Parameter::required("id", ScalarKind::Text)];
        let refuse = |given: &[(&str, &str)]| {
            Parameters::from_text(&declared, given.iter().copied()).unwrap_err().detail().to_owned()
        };
        assert_eq!(refuse(&[("size", "2000"), ("id", "x")]), "`size` must be at most 1000, not 2000");
        assert_eq!(refuse(&[("size", "ten"), ("id", "x")]), "`size` must be an integer");
        assert_eq!(refuse(&[("size", "10")]), "`id` is missing");
        assert_eq!(refuse(&[("id", "x"), ("id", "y")]), "`id` is given twice");
        assert!(refuse(&[("sise", "1")]).contains("did you mean `size`?"));
        assert!(refuse(&[("entirely_else", "1")]).contains("accepted: size, id"));
        let json = json!("10");
        let refused = Parameters::from_json(&declared, [("size", &json)]).unwrap_err();
        assert_eq!(refused.detail(), "`size` must be an integer");
        let infinite = Parameter::required("ratio", ScalarKind::Number);
        assert!(infinite.from_text("inf").is_err() && infinite.from_text("NaN").is_err());
    }
}
