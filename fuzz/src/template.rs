//! Templates and what fills them.

use std::collections::BTreeSet;

use alacena_core::declared::{Parameter, Parameters, ScalarKind, Template};

use crate::text;

/// Parses the first line as a template and fills it with the other lines.
///
/// What is shown of a template parses to the same one; values that are escaped away leave the literal text alone; a
/// hole that is filled never fails.
pub fn template(data: &[u8]) {
    let text = text(data);
    let (first, values) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(template) = Template::parse(first) else { return };
    let again = Template::parse(&template.to_string()).expect("what is shown parses");
    assert_eq!(again, template, "what is shown is the same template");

    let names: BTreeSet<&str> = template.holes().map(|hole| hole.name.as_str()).collect();
    let declared: Vec<Parameter> =
        names.iter().map(|name| Parameter::required(name, ScalarKind::Text)).collect();
    let given = names.iter().copied().zip(values.lines().chain(std::iter::repeat("x")));
    let Ok(parameters) = Parameters::from_text(&declared, given) else { return };
    let whole = template.render(&parameters, str::to_owned).expect("every hole is filled");
    let bare = template.render(&parameters, |_| String::new()).expect("every hole is filled");
    assert!(bare.len() <= whole.len() && bare.len() <= first.len(), "a template grows by its values only");

    // Without any value only the holes that can do without leave no error behind.
    let nothing = Parameters::default();
    let can_do_without = template.holes().all(|hole| hole.optional || hole.fallback.is_some());
    assert_eq!(template.render(&nothing, str::to_owned).is_ok(), can_do_without);
}
