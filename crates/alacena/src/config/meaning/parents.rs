//! Parents: reads that are asked first, for values that another read's question needs.
//!
//! What an answer depends on, and what tells it from others, must be known before anything is asked: so nothing that is
//! taken may stand in a key or a tag, and everything that the parent depends on counts for the child.

use alacena_core::declared::{Parameter, Pointer, ScalarKind, Template};

use super::{
    Meaning, Problem, Settings,
    holes::{Absence, Placed},
};
use crate::config::{
    forms::OUT_OF_THE_ANSWER,
    model::ParentConfig,
    setting::{Item, Setting},
};

impl Meaning<'_> {
    /// The parent of a read, as far as it can be judged without the others. `None`: it has none, or its problem has
    /// been told.
    pub(super) fn parent(&mut self, settings: &Settings, parameters: &[Parameter]) -> Option<ParentConfig> {
        let parent = settings.table_maybe("parent")?;
        let (read, _) = self.named_by(parent, "read", "reads", "read")?;
        let take: Vec<(String, Pointer)> = parent.texts_by_name("take").iter().filter_map(pointer).collect();
        if take.is_empty() && !parent.is_wrong("take") {
            let remedy = "Name what the question needs of it, or remove `parent`: take = { customer_id = \"/customer/id\" }.";
            self.refuse(parent, "take", "takes nothing", remedy);
        }
        for (name, item) in parent.texts_by_name("take") {
            if parameters.iter().any(|parameter| parameter.name == *name) {
                let path = format!("{}.{name}", parent.path_of("take"));
                let message = "is the name of a parameter, too";
                self.problems.push(Problem::new(
                    &item.origin,
                    &path,
                    message,
                    "Give one of them another name.",
                ));
            }
        }
        let parameters = parent.texts_by_name("params").iter().filter_map(template).collect();
        Some(ParentConfig { read, parameters, take })
    }

    /// Whether a problem of its parent has been told that leaves open what its question may name.
    pub(super) fn has_wrong_parent(settings: &Settings) -> bool {
        let parent = settings.table_maybe("parent");
        settings.is_wrong("parent")
            || parent
                .is_some_and(|parent| ["read", "params", "take"].iter().any(|field| parent.is_wrong(field)))
    }

    /// What the question may use besides its parameters: of a type that only an answer shows.
    pub(super) fn taken(settings: &Settings) -> Vec<Parameter> {
        let take = settings.table_maybe("parent").map(|parent| parent.texts_by_name("take"));
        let taken = take.unwrap_or_default().iter();
        taken.map(|(name, _)| Parameter::required(name, ScalarKind::Text)).collect()
    }

    /// Whether the parent of a read uses this parameter.
    pub(super) fn is_for_parent(settings: &Settings, name: &str) -> bool {
        let params = settings.table_maybe("parent").map(|parent| parent.texts_by_name("params"));
        params.unwrap_or_default().iter().filter_map(template).any(|(_, template)| names(&template, name))
    }

    /// Refuses a key or tag that names something taken; whether it did.
    pub(super) fn takes(&mut self, settings: &Settings, placed: &Placed<'_>) -> bool {
        let takes = Self::taken(settings).iter().any(|taken| names(placed.template, &taken.name));
        if takes {
            let (message, remedy) = OUT_OF_THE_ANSWER;
            self.problems.push(Problem::new(placed.origin, &placed.path, message, remedy));
        }
        takes
    }

    /// The templates for the parent's parameters name those of the child.
    pub(super) fn parent_holes(&mut self, settings: &Settings, parameters: &[Parameter]) {
        let Some(parent) = settings.table_maybe("parent") else { return };
        for (name, item) in parent.texts_by_name("params") {
            let Setting::Template(template) = &item.setting else { continue };
            let path = format!("{}.{name}", parent.path_of("params"));
            self.holes(&Placed { template, origin: &item.origin, path }, parameters, Absence::Accepted);
        }
    }
}

/// Whether a template has a hole for this parameter.
pub(super) fn names(template: &Template, name: &str) -> bool {
    template.holes().any(|hole| hole.name == name)
}

fn template((name, item): &(String, Item)) -> Option<(String, Template)> {
    match &item.setting {
        Setting::Template(template) => Some((name.clone(), template.clone())),
        _ => None,
    }
}

fn pointer((name, item): &(String, Item)) -> Option<(String, Pointer)> {
    match &item.setting {
        Setting::Text(text) => Some((name.clone(), Pointer::parse(text).ok()?)),
        _ => None,
    }
}
