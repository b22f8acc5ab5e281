//! What a caller may give.

use alacena_core::declared::{Parameter, Scalar, ScalarKind};

use super::{Meaning, Settings};
use crate::config::setting::{Item, Setting};

impl Meaning<'_> {
    /// The declared parameters of a read or write. One that is wrong is there all the same, so that nothing that
    /// names it is called wrong, too.
    pub(super) fn parameters(&mut self, settings: &Settings) -> Vec<Parameter> {
        settings.named("params").iter().map(|(name, settings)| self.parameter(name, settings)).collect()
    }

    fn parameter(&mut self, name: &str, settings: &Settings) -> Parameter {
        let kind = match settings.text_maybe("type") {
            Some("integer") => ScalarKind::Integer,
            Some("number") => ScalarKind::Number,
            Some("boolean") => ScalarKind::Boolean,
            _ => ScalarKind::Text,
        };
        let mut parameter = Parameter {
            description: settings.text("description"),
            min: settings.number_maybe("min"),
            max: settings.number_maybe("max"),
            length_max: settings.integer("length_max"),
            ..Parameter::required(name, kind)
        };
        if settings.text_maybe("type").is_none() {
            return parameter;
        }
        self.limits(settings, &parameter);
        let choices = settings.list("choices").iter();
        parameter.choices =
            choices.filter_map(|item| self.of_kind(settings, "choices", item, &parameter)).collect();
        parameter.default =
            settings.get("default").and_then(|item| self.of_kind(settings, "default", item, &parameter));
        let has_default = Self::is_given(settings, "default");
        if has_default && settings.boolean_maybe("required") == Some(true) {
            let remedy = "Remove one of them: a parameter with a default is never missing.";
            self.refuse(settings, "required", "is true although there is a default", remedy);
        }
        // A default that is wrong leaves its parameter required, so that no hole is called empty on top of it.
        parameter.required = parameter.default.is_none()
            && (has_default || settings.boolean_maybe("required").unwrap_or(true));
        parameter
    }

    /// Limits belong to the types that have them, and the lower one is not above the upper one.
    fn limits(&mut self, settings: &Settings, parameter: &Parameter) {
        let is_text = parameter.kind == ScalarKind::Text;
        let is_number = matches!(parameter.kind, ScalarKind::Integer | ScalarKind::Number);
        let misplaced = |field: &str, belongs: bool| Self::is_given(settings, field) && !belongs;
        let wrong: Vec<&'static str> = [("min", is_number), ("max", is_number), ("length_max", is_text)]
            .into_iter()
            .filter_map(|(field, belongs)| misplaced(field, belongs).then_some(field))
            .collect();
        for field in wrong {
            let message = format!("means nothing for the type \"{}\"", parameter.kind.as_str());
            self.refuse(
                settings,
                field,
                message,
                "Remove it: `min` and `max` limit numbers, `length_max` text.",
            );
        }
        if let (Some(min), Some(max)) = (parameter.min, parameter.max)
            && min > max
        {
            self.refuse(settings, "min", "is above `max`", "Exchange them.");
        }
    }

    /// A value of the parameter's own type and within its own limits.
    fn of_kind(
        &mut self,
        settings: &Settings,
        field: &'static str,
        item: &Item,
        parameter: &Parameter,
    ) -> Option<Scalar> {
        let Setting::Scalar(scalar) = &item.setting else { return None };
        let scalar = match (parameter.kind, scalar) {
            (ScalarKind::Number, Scalar::Integer(integer)) => Scalar::Number(*integer as f64),
            (_, scalar) => scalar.clone(),
        };
        let is_of_kind = matches!(
            (parameter.kind, &scalar),
            (ScalarKind::Integer, Scalar::Integer(_))
                | (ScalarKind::Number, Scalar::Number(_))
                | (ScalarKind::Boolean, Scalar::Boolean(_))
                | (ScalarKind::Text, Scalar::Text(_))
        );
        if !is_of_kind {
            let message = format!("is not of the type \"{}\"", parameter.kind.as_str());
            self.refuse(settings, field, message, "Write a value of that type, or correct `type`.");
            return None;
        }
        let accepted = parameter.accept(scalar).ok();
        if accepted.is_none() {
            let remedy = "Change it, or the limits: `min`, `max`, `length_max`, `choices`.";
            self.refuse(settings, field, "is outside the parameter's own limits", remedy);
        }
        accepted
    }
}
