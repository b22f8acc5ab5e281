//! One pass over a document, beside the schema that it is checked against.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Number, Value as Json};

use super::{AnswerSchema, JsonType, Mismatch};

pub(super) fn check(schema: &AnswerSchema, document: &str) -> Result<(), Mismatch> {
    let found = RefCell::new(None);
    let mut deserializer = Deserializer::from_str(document);
    let here = Here { schema, path: Path::Root, found: &found };
    let checked = here.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (checked, found.into_inner()) {
        (_, Some(mismatch)) => Err(mismatch),
        (Ok(()), None) => Ok(()),
        (Err(error), None) => {
            let rule = format!("cannot be read at line {}, column {}", error.line(), error.column());
            Err(Mismatch { pointer: String::new(), rule })
        }
    }
}

/// Where a value stands, up to the root of the document.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Member(parent, name) => {
                write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Path::Item(parent, at) => write!(f, "{parent}/{at}"),
        }
    }
}

/// One value, what it may be, and where the first mismatch is kept.
struct Here<'p> {
    schema: &'p AnswerSchema,
    path: Path<'p>,
    found: &'p RefCell<Option<Mismatch>>,
}

impl Here<'_> {
    /// Breaks the pass off. The text of the error is not read: what is wrong has been noted.
    fn refuse<E: serde::de::Error>(&self, rule: impl Into<String>) -> E {
        let mismatch = Mismatch { pointer: self.path.to_string(), rule: rule.into() };
        self.found.borrow_mut().get_or_insert(mismatch);
        E::custom("mismatch")
    }

    /// Refuses a value that is of none of `types`, the most special first.
    fn expect<E: serde::de::Error>(&self, types: &[JsonType]) -> Result<(), E> {
        let accepted = &self.schema.types;
        if accepted.is_empty() || types.iter().any(|one| accepted.contains(one)) {
            return Ok(());
        }
        let words: Vec<_> = accepted.iter().map(|one| with_article(*one)).collect();
        Err(self.refuse(format!("must be {}", words.join(" or "))))
    }

    fn choose<E: serde::de::Error>(&self, is_it: impl Fn(&Json) -> bool) -> Result<(), E> {
        if self.schema.choices.is_empty() || self.schema.choices.iter().any(is_it) {
            return Ok(());
        }
        Err(self.refuse("must be one of the values of `enum`"))
    }

    fn number<E: serde::de::Error>(&self, number: &Number) -> Result<(), E> {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let is_whole = !number.is_f64() || value.fract() == 0.0;
        self.expect(if is_whole { &[JsonType::Integer, JsonType::Number] } else { &[JsonType::Number] })?;
        self.choose(|choice| choice.as_number().is_some_and(|choice| same(choice, number)))?;
        match (self.schema.minimum, self.schema.maximum) {
            (Some(least), _) if value < least => Err(self.refuse(format!("must be at least {least}"))),
            (_, Some(most)) if value > most => Err(self.refuse(format!("must be at most {most}"))),
            _ => Ok(()),
        }
    }

    /// Whether nothing is said of what stands here.
    fn is_open(&self) -> bool {
        let AnswerSchema { types, properties, required, closed, items, choices, minimum, maximum, .. } =
            self.schema;
        types.is_empty()
            && properties.is_empty()
            && required.is_empty()
            && !closed
            && items.is_none()
            && choices.is_empty()
            && minimum.is_none()
            && maximum.is_none()
    }
}

fn with_article(of: JsonType) -> String {
    let article = match of {
        JsonType::Null => "",
        JsonType::Integer | JsonType::Array | JsonType::Object => "an ",
        JsonType::Boolean | JsonType::Number | JsonType::String => "a ",
    };
    format!("{article}{}", of.as_str())
}

/// Whether both are one number, however they are written.
fn same(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

impl<'de> DeserializeSeed<'de> for Here<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.is_open() {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ())
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Here<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.expect(&[JsonType::Null])?;
        self.choose(Json::is_null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.expect(&[JsonType::Boolean])?;
        self.choose(|choice| *choice == value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(&value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(&value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number of JSON is infinite"))?;
        self.number(&number)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.expect(&[JsonType::String])?;
        self.choose(|choice| choice == value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.expect(&[JsonType::Array])?;
        self.choose(|_| false)?;
        let Some(schema) = self.schema.items.as_deref() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let mut at = 0;
        while items
            .next_element_seed(Here { schema, path: Path::Item(&self.path, at), found: self.found })?
            .is_some()
        {
            at += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.expect(&[JsonType::Object])?;
        self.choose(|_| false)?;
        // One bit for each required name that has been met.
        let mut met = 0_u128;
        while let Some(Known { property, required }) = members.next_key_seed(Name(self.schema))? {
            met |= required.map_or(0, |at| 1 << at);
            match property {
                Some((name, schema)) => {
                    let path = Path::Member(&self.path, name);
                    members.next_value_seed(Here { schema, path, found: self.found })?;
                }
                None if self.schema.closed => {
                    return Err(self.refuse("must have no members but the declared ones"));
                }
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        match self.schema.required.iter().enumerate().find(|(at, _)| met & 1 << at == 0) {
            Some((_, name)) => Err(self.refuse(format!("must have the member `{name}`"))),
            None => Ok(()),
        }
    }
}

/// What is known of a member by its name.
struct Known<'s> {
    property: Option<(&'s str, &'s AnswerSchema)>,
    /// Where it stands among the required names.
    required: Option<usize>,
}

struct Name<'s>(&'s AnswerSchema);

impl<'de, 's> DeserializeSeed<'de> for Name<'s> {
    type Value = Known<'s>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Known<'s>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'s> Visitor<'_> for Name<'s> {
    type Value = Known<'s>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: serde::de::Error>(self, given: &str) -> Result<Known<'s>, E> {
        let property = self.0.properties.iter().find(|(name, _)| name == given);
        let required = self.0.required.iter().take(super::ANSWER_REQUIRED_MAX).position(|name| name == given);
        Ok(Known { property: property.map(|(name, schema)| (name.as_str(), schema)), required })
    }
}
