//! What a statement answers, as far as SQLite knows before it runs: the names of its columns.
//!
//! Nothing here can turn out wrong. Any column of SQLite can hold a value of any type, whatever it is declared as; and
//! `select *` finds other columns once somebody has altered the table.

use alacena_core::declared::{AnswerSchema, JsonType};
use rusqlite::Statement;

use super::Shape;

/// What the rows of `statement` become.
pub(super) fn answer(statement: &Statement<'_>, shape: Shape) -> AnswerSchema {
    let properties = statement.columns().map(|column| {
        let description =
            column.decl_type().map_or_else(String::new, |declared| format!("Declared as {declared}."));
        // Integers and reals are numbers, blobs text.
        let value = AnswerSchema {
            description,
            ..AnswerSchema::of(&[JsonType::Number, JsonType::String, JsonType::Null])
        };
        (column.name().to_owned(), value)
    });
    let row = AnswerSchema { properties: properties.collect(), ..AnswerSchema::of(&[JsonType::Object]) };
    match shape {
        Shape::Row => row,
        Shape::Rows => AnswerSchema { items: Some(Box::new(row)), ..AnswerSchema::of(&[JsonType::Array]) },
    }
}

/// What several statements become together: an object with a member for each.
pub(super) fn together<'s>(
    statements: impl Iterator<Item = (&'s str, Shape, &'s AnswerSchema)>,
) -> AnswerSchema {
    let member = |(name, shape, answer): (&str, Shape, &AnswerSchema)| {
        let mut answer = answer.clone();
        if shape == Shape::Row {
            answer.types.push(JsonType::Null);
        }
        (name.to_owned(), answer)
    };
    let properties: Vec<_> = statements.map(member).collect();
    AnswerSchema {
        required: properties.iter().map(|(name, _)| name.clone()).collect(),
        properties,
        closed: true,
        ..AnswerSchema::of(&[JsonType::Object])
    }
}
