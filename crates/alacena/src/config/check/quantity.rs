//! Numbers, with or without a unit.

use super::{Check, Node, Setting, Value, units};

impl Check<'_> {
    pub(super) fn duration(&mut self, node: &Node, path: &str, min: &str, max: &str) -> Option<Setting> {
        let limit = |text| units::duration(text).expect("the schema's limits are durations");
        let read = self.quantity(node, path, units::duration, units::DURATION_FORM)?;
        self.within(node, path, read, (limit(min), min), (limit(max), max)).map(Setting::Duration)
    }

    pub(super) fn bytes(&mut self, node: &Node, path: &str, min: &str, max: &str) -> Option<Setting> {
        let limit = |text| units::bytes(text).expect("the schema's limits are sizes");
        let read = self.quantity(node, path, units::bytes, units::BYTES_FORM)?;
        self.within(node, path, read, (limit(min), min), (limit(max), max)).map(Setting::Bytes)
    }

    fn quantity<T>(
        &mut self,
        node: &Node,
        path: &str,
        read: fn(&str) -> Result<T, units::Wrong>,
        form: &str,
    ) -> Option<T> {
        let read = match &node.value {
            Value::Integer(_) | Value::Float(_) => Err(units::Wrong::NoUnit),
            _ => read(&self.text(node, path, false)?),
        };
        let message = match read {
            Ok(quantity) => return Some(quantity),
            Err(units::Wrong::NoUnit) => "has no unit",
            Err(units::Wrong::UnknownUnit) => "has a unit that is not one",
            Err(units::Wrong::NoNumber) => "has no whole number in front of the unit",
            Err(units::Wrong::TooLarge) => "is too large",
        };
        self.wrong(&node.origin, path, message, &format!("Write {form}."));
        None
    }

    fn within<T: PartialOrd>(
        &mut self,
        node: &Node,
        path: &str,
        read: T,
        (min, min_text): (T, &str),
        (max, max_text): (T, &str),
    ) -> Option<T> {
        if read < min || read > max {
            let message = format!("is outside its limits, {min_text} to {max_text}");
            self.wrong(&node.origin, path, &message, "Choose a value within them.");
            return None;
        }
        Some(read)
    }

    pub(super) fn integer(&mut self, node: &Node, path: &str, min: i64, max: i64) -> Option<Setting> {
        let integer = match &node.value {
            Value::Integer(integer) => Some(*integer),
            Value::Loose(text) => text.parse().ok(),
            _ => None,
        };
        let Some(integer) = integer else {
            return self.expected(node, path, "a whole number", "digits without quotes: 64");
        };
        let (min_text, max_text) = (min.to_string(), max.to_string());
        self.within(node, path, integer, (min, &min_text), (max, &max_text)).map(Setting::Integer)
    }

    pub(super) fn number(&mut self, node: &Node, path: &str) -> Option<f64> {
        let number = match &node.value {
            Value::Integer(integer) => Some(*integer as f64),
            Value::Float(float) => Some(*float),
            Value::Loose(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        number.or_else(|| self.expected(node, path, "a number", "digits without quotes: 0.1"))
    }

    pub(super) fn ratio(&mut self, node: &Node, path: &str, max: f64) -> Option<Setting> {
        let number = self.number(node, path)?;
        self.within(node, path, number, (0.0, "0"), (max, &max.to_string())).map(Setting::Number)
    }

    pub(super) fn boolean(&mut self, node: &Node, path: &str) -> Option<Setting> {
        let value = match &node.value {
            Value::Boolean(value) => Some(*value),
            Value::Loose(text) => boolean(text),
            _ => None,
        };
        let Some(value) = value else {
            return self.expected(node, path, "true or false", "true or false, without quotes");
        };
        Some(Setting::Boolean(value))
    }
}

/// What a text of the environment says about yes or no.
pub(in crate::config) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The whole number of milliseconds, seconds or anything else that a text of the environment holds, at most `max`.
pub(in crate::config) fn whole(text: &str, max: u64) -> Option<u64> {
    text.trim().parse().ok().filter(|number| *number <= max)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_year_is_within_a_duration() {
        assert_eq!(units::duration("365d"), Ok(Duration::from_secs(365 * 86_400)));
        assert_eq!((boolean("Off"), boolean("1"), boolean("maybe")), (Some(false), Some(true), None));
        assert_eq!((whole("30", 60), whole("90", 60), whole("-1", 60)), (Some(30), None, None));
    }
}
