//! From a read's key template and a call's parameters to a key, and from a key's text back to the reads it may name.

use std::borrow::Cow;

use alacena_core::{
    declared::{Hole, Parameter, Parameters, Piece, Scalar, Template},
    dep::Dep,
    error::{Error, catalogue},
    key::{Key, KeyBytes, KeySpace, Principal, split_text},
    source::Credential,
};

/// The keys of one declared read.
pub(crate) struct Keys {
    space: KeySpace,
    /// What follows the constant segments.
    rest: Vec<Segment>,
    /// What may stand in the holes.
    parameters: Vec<Parameter>,
    /// The parameters that patterns may name, as the class declares them.
    index: Vec<String>,
    /// What the partitions of callers are keyed with.
    secret: [u8; 32],
}

/// One part of a key between two colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Constant(String),
    Hole(Hole),
}

/// Takes a key's template apart; the error says what is no segment. Two parts of one segment would make `a` + `bc` and
/// `ab` + `c` one key.
pub(crate) fn segments(template: &Template) -> Result<Vec<Segment>, &'static str> {
    let mut segments: Vec<Option<Segment>> = vec![None];
    let put = |segments: &mut Vec<Option<Segment>>, segment: Segment| match segments.last_mut() {
        Some(last @ None) => {
            *last = Some(segment);
            Ok(())
        }
        _ => Err("has a segment of several parts, which could make two questions one key"),
    };
    for piece in template.pieces() {
        match piece {
            Piece::Hole(hole) => put(&mut segments, Segment::Hole(hole.clone()))?,
            Piece::Literal(text) => {
                for (at, part) in text.split(':').enumerate() {
                    if at > 0 {
                        segments.push(None);
                    }
                    if !part.is_empty() {
                        put(&mut segments, Segment::Constant(part.to_owned()))?;
                    }
                }
            }
        }
    }
    segments.into_iter().collect::<Option<_>>().ok_or("has an empty segment")
}

/// The constant segments at the beginning.
pub(crate) fn constants(segments: &[Segment]) -> impl Iterator<Item = &str> {
    segments.iter().map_while(|segment| match segment {
        Segment::Constant(text) => Some(text.as_str()),
        Segment::Hole(_) => None,
    })
}

impl Keys {
    /// The keys of `class` in `namespace` that `template` describes: segments separated by `:`, each of them constant
    /// or exactly one hole, the first one constant.
    pub(crate) fn new(
        namespace: &str,
        class: &str,
        template: &Template,
        parameters: &[Parameter],
        index: &[String],
    ) -> Result<Self, Error> {
        let segments = segments(template).map_err(wrong)?;
        let constant: Vec<&str> = constants(&segments).collect();
        if constant.is_empty() {
            return Err(wrong("does not begin with a constant segment"));
        }
        let space = KeySpace::new(namespace, class, &constant)?;
        let rest = segments[constant.len()..].to_vec();
        Ok(Self { space, rest, parameters: parameters.to_vec(), index: index.to_vec(), secret: [0; 32] })
    }

    /// The same keys, of this generation and with the partitions of callers keyed with `secret`.
    pub(crate) fn in_generation(self, generation: u32, secret: [u8; 32]) -> Self {
        Self { space: self.space.in_generation(generation), secret, ..self }
    }

    /// The partition of the caller who sent these credentials; none for a read that passes none through.
    pub(crate) fn principal(&self, credentials: &[Credential]) -> Option<Principal> {
        let pairs = || credentials.iter().map(|one| (&*one.header, &*one.secret));
        (!credentials.is_empty()).then(|| Principal::of(&self.secret, pairs()))
    }

    pub(crate) fn space(&self) -> &KeySpace {
        &self.space
    }

    /// What follows the constant segments.
    pub(crate) fn rest(&self) -> &[Segment] {
        &self.rest
    }

    /// The parameters that patterns may name, those of the class's other reads included.
    pub(crate) fn index(&self) -> &[String] {
        &self.index
    }

    /// The key of one call.
    pub(crate) fn of_call(
        &self,
        principal: Option<Principal>,
        parameters: &Parameters,
    ) -> Result<Key, Error> {
        self.bytes_of_call(principal, parameters).map(|bytes| bytes.to_key())
    }

    /// The bytes of that key, to look it up by.
    pub(crate) fn bytes_of_call(
        &self,
        principal: Option<Principal>,
        parameters: &Parameters,
    ) -> Result<KeyBytes, Error> {
        let mut filled = Ok(());
        let segments = self.rest.iter().map_while(|segment| match segment {
            Segment::Constant(text) => Some(Cow::Borrowed(text.as_str())),
            Segment::Hole(hole) => {
                let value = hole.fill(parameters).map_err(|error| filled = Err(error)).ok()?;
                Some(value.unwrap_or_default())
            }
        });
        let mut bytes = KeyBytes::default();
        self.space.write_key(&mut bytes, principal, segments)?;
        filled.map(|()| bytes)
    }

    /// What the entry of one call depends on by the values of its parameters.
    pub(crate) fn index_deps(&self, parameters: &Parameters) -> Result<Vec<Dep>, Error> {
        let mut deps = Vec::new();
        for segment in &self.rest {
            let Segment::Hole(hole) = segment else { continue };
            if !self.index.contains(&hole.name) {
                continue;
            }
            let value = hole.fill(parameters)?.unwrap_or_default();
            deps.extend(self.index_dep(hole, &value).filter(|dep| !deps.contains(dep)));
        }
        Ok(deps)
    }

    /// What an entry with `value` in `hole` depends on. It follows from the text of the key alone, so that a pattern
    /// finds the same.
    pub(crate) fn index_dep(&self, hole: &Hole, value: &str) -> Option<Dep> {
        let depends = self.index.contains(&hole.name) && !self.says_nothing(hole, value);
        depends.then(|| Dep::index(self.space.namespace(), self.space.class(), &hole.name, value))
    }

    /// Whether `value` is what stands in `hole` for a call that does not say: nearly all of them would share one dep.
    pub(crate) fn says_nothing(&self, hole: &Hole, value: &str) -> bool {
        let default = || self.parameter(hole).and_then(|parameter| parameter.default.as_ref());
        value.is_empty()
            || hole.fallback.as_deref() == Some(value)
            || default().map(Scalar::to_string).as_deref() == Some(value)
    }

    fn parameter(&self, hole: &Hole) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == hole.name)
    }

    /// The key that `text` names, if this read can have it. Values may be written in every form that a call may give
    /// them in: `job:007` is `job:7` where the hole takes an integer.
    pub(crate) fn of_text(&self, text: &str) -> Result<Option<Key>, Error> {
        let segments = split_text(text);
        let constant = self.space.constant();
        if segments.len() != constant.len() + self.rest.len() || !segments.starts_with(constant) {
            return Ok(None);
        }
        let rest = self.rest.iter().zip(&segments[constant.len()..]).map(|(segment, given)| match segment {
            Segment::Constant(text) => (text == given).then(|| text.clone()),
            Segment::Hole(hole) => self.stands(hole, given),
        });
        rest.collect::<Option<Vec<_>>>().map(|rest| self.space.key(None, rest)).transpose()
    }

    /// What stands in `hole` for a call that gives `text`; `None` where none can.
    pub(crate) fn stands(&self, hole: &Hole, text: &str) -> Option<String> {
        if hole.fallback.as_deref() == Some(text) {
            return Some(text.to_owned());
        }
        let parameter = self.parameter(hole)?;
        let is_absent = text.is_empty() && parameter.may_be_absent();
        let given = (!is_absent).then_some((hole.name.as_str(), text));
        let call = Parameters::from_text(std::slice::from_ref(parameter), given).ok()?;
        hole.fill(&call).ok().map(|value| value.unwrap_or_default().into_owned())
    }
}

fn wrong(detail: &str) -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, format!("the key {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alacena_core::declared::{Scalar, ScalarKind};

    fn declared() -> [Parameter; 2] {
        let status = Parameter { required: false, ..Parameter::required("status", ScalarKind::Text) };
        [Parameter::with_default("from", Scalar::Integer(0)), status]
    }

    fn keys(template: &str) -> Result<Keys, Error> {
        Keys::new("n", "c", &Template::parse(template).unwrap(), &declared(), &[])
    }

    #[test]
    fn a_call_and_its_text_are_the_same_key() {
        let keys = keys("jobs:list:{status|all}:v1:{from}").unwrap();
        let call = Parameters::from_text(&declared(), []).unwrap();
        let key = keys.of_call(None, &call).unwrap();
        assert_eq!(key.text(), "jobs:list:all:v1:0");
        for text in ["jobs:list:all:v1:0", "jobs:list:all:v1:-00", "jobs:list::v1:+0"] {
            assert_eq!(keys.of_text(text).unwrap().as_ref(), Some(&key), "{text}");
        }
        assert_eq!(keys.space().prefixes().collect::<Vec<_>>(), ["jobs", "jobs:list"]);
        for other in [
            "jobs:list:all:v2:0",
            "jobs:list:all:v1",
            "job:list:all:v1:0",
            "jobs:list:all:v1:0:1",
            "jobs:list:all:v1:x",
        ] {
            assert_eq!(keys.of_text(other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn a_segment_is_constant_or_one_hole() {
        for template in ["jobs:{a}{b}", "jobs:x{a}", "{a}:jobs", "jobs::{a}", ""] {
            assert!(keys(template).is_err(), "{template}");
        }
        assert!(keys("jobs:{a}:x").is_ok());
    }
}
