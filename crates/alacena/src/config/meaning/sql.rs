//! SQL questions: one statement, or several that see the same state of the database.

use alacena_core::declared::Parameter;

use super::{Meaning, Settings, questions::Purpose};
use crate::config::model::{Question, Shape, SqlQuery};

impl Meaning<'_> {
    /// The question of a read or write of an SQL source, which says `sql` or `queries`.
    pub(super) fn sql_question(
        &mut self,
        settings: &Settings,
        purpose: Purpose,
        parameters: &[Parameter],
    ) -> Option<Question> {
        let mut used = Vec::new();
        let question = if Self::is_given(settings, "queries") {
            self.stand_alone(settings);
            let queries = settings.named("queries");
            if queries.is_empty() && !settings.is_wrong("queries") {
                let remedy = "Add one: queries.totals = { sql = \"select …\", result = \"row\" }.";
                self.refuse(settings, "queries", "has no query", remedy);
            }
            let query = |(name, query): &(String, Settings)| {
                Some((name.clone(), self.query(query, purpose, parameters, &mut used)?))
            };
            let queries: Vec<Option<_>> = queries.iter().map(query).collect();
            queries.into_iter().collect::<Option<Vec<_>>>().map(Question::Queries)
        } else {
            self.query(settings, purpose, parameters, &mut used).map(Question::Sql)
        };
        // What a statement that is wrong uses is not known.
        if let Some(used) = used.into_iter().collect::<Option<Vec<Vec<String>>>>() {
            self.unused(settings, parameters, |name| used.iter().flatten().any(|used| used == name));
        }
        question
    }

    /// What belongs to a single statement does not stand beside several.
    fn stand_alone(&mut self, settings: &Settings) {
        for field in ["sql", "result"] {
            if Self::is_given(settings, field) {
                let remedy =
                    "Make it one of them: queries.<name> = { sql = \"select …\", result = \"row\" }.";
                self.refuse(
                    settings,
                    field,
                    "stands beside `queries`, and which of them is meant is not clear",
                    remedy,
                );
            }
        }
    }

    /// One statement; the parameters that it uses are added to `used`, `None` where that cannot be told.
    fn query(
        &mut self,
        settings: &Settings,
        purpose: Purpose,
        parameters: &[Parameter],
        used: &mut Vec<Option<Vec<String>>>,
    ) -> Option<SqlQuery> {
        let Some(sql) = settings.text_maybe("sql") else {
            used.push(None);
            return None;
        };
        used.push(self.statement(settings, sql, purpose, parameters));
        let shape = match settings.text_maybe("result") {
            Some("row") => Shape::Row,
            _ => Shape::Rows,
        };
        Some(SqlQuery { sql: sql.to_owned(), shape })
    }

    /// Checks the words and the parameters of a statement; answers the parameters that it uses, where it is one.
    #[cfg(feature = "sqlite")]
    fn statement(
        &mut self,
        settings: &Settings,
        sql: &str,
        purpose: Purpose,
        parameters: &[Parameter],
    ) -> Option<Vec<String>> {
        use alacena_backends::sqlite;
        let sort = match purpose {
            Purpose::Read => sqlite::Purpose::Read,
            Purpose::Write => sqlite::Purpose::Write,
        };
        let names = match sqlite::check(sql, sort).and_then(|()| sqlite::named_parameters(sql)) {
            Ok(names) => names,
            Err(error) => {
                let remedy =
                    "Write one statement with parameters as `:name`: a read selects, a write changes.";
                self.refuse(settings, "sql", error.detail(), remedy);
                return None;
            }
        };
        for name in names.iter().filter(|name| parameters.iter().all(|parameter| parameter.name != **name)) {
            let declared = parameters.iter().map(|parameter| parameter.name.as_str());
            let message = match alacena_core::declared::nearest(name, declared) {
                Some(near) => format!("`:{name}` names no parameter; did you mean `:{near}`?"),
                None => format!("`:{name}` names no parameter"),
            };
            let remedy = format!("Declare it: params.{name} = {{ type = \"integer\" }}.");
            self.refuse(settings, "sql", message, remedy);
        }
        Some(names)
    }

    /// Without the driver nothing can be said about its statements; such a source is refused when it is opened.
    #[cfg(not(feature = "sqlite"))]
    fn statement(&mut self, _: &Settings, _: &str, _: Purpose, _: &[Parameter]) -> Option<Vec<String>> {
        None
    }
}
