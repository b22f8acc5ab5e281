//! SQL as far as it can be judged without the database: how many statements, of which sort, with which parameters.
//!
//! A lexer, not a parser: it tells words, parameters, quotes and comments apart exactly as SQLite does (a property
//! test compares the two) and leaves the rest to SQLite, which is asked when the source is opened.

use alacena_core::error::{Error, catalogue};

/// What a declaration uses its SQL for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `[reads]`: a SELECT or VALUES, with or without WITH.
    Read,
    /// `[writes]`: an INSERT, REPLACE, UPDATE or DELETE, with or without WITH.
    Write,
}

/// The parameters of one statement, without the colon, each once, in the order of their first appearance.
///
/// # Errors
/// `Invalid` when there is not exactly one statement, a quote does not close, or a parameter is not written `:name`.
///
/// ```
/// use alacena_backends::sqlite::named_parameters;
///
/// let sql = "select ':no' from t -- :no\n where a = :a and (b = :b or :b is null)";
/// assert_eq!(named_parameters(sql)?, ["a", "b"]);
/// assert!(named_parameters("select * from t where a = ?").is_err());
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
pub fn named_parameters(sql: &str) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for token in statement(sql)? {
        if let Token::Parameter(name) = token
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Checks by its words that the SQL is one statement that serves its purpose.
///
/// # Errors
/// `Invalid`, saying where the statement belongs; and as [`named_parameters`].
///
/// ```
/// use alacena_backends::sqlite::{Purpose, check};
///
/// assert!(check("with old as (select 1) select * from old", Purpose::Read).is_ok());
/// let refused = check("delete from t", Purpose::Read).unwrap_err();
/// assert!(refused.detail().contains("[writes]"));
/// ```
pub fn check(sql: &str, purpose: Purpose) -> Result<(), Error> {
    let verb = verb(&statement(sql)?).to_ascii_uppercase();
    let sort = match verb.as_str() {
        "SELECT" | "VALUES" => Some(Purpose::Read),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" => Some(Purpose::Write),
        _ => None,
    };
    match (sort, purpose) {
        (Some(sort), purpose) if sort == purpose => Ok(()),
        (Some(Purpose::Write), Purpose::Read) => Err(write_in_a_read()),
        (Some(Purpose::Read), Purpose::Write) => {
            Err(refuse("the SQL of a write changes nothing: declare it under [reads]"))
        }
        (_, Purpose::Read) => Err(refuse("the SQL of a read begins with SELECT, VALUES or WITH")),
        (_, Purpose::Write) => {
            Err(refuse("the SQL of a write begins with INSERT, REPLACE, UPDATE, DELETE or WITH"))
        }
    }
}

/// Whether the statement only inserts, so that the last id is that of its own row: an upsert may have updated.
pub(super) fn is_plain_insert(sql: &str) -> bool {
    let Ok(tokens) = statement(sql) else { return false };
    let inserts =
        ["INSERT", "REPLACE"].iter().any(|verb_of_insert| verb(&tokens).eq_ignore_ascii_case(verb_of_insert));
    inserts
        && !tokens
            .iter()
            .any(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("UPDATE")))
}

/// What a write in a read is told, by its words or by SQLite itself.
pub(super) fn write_in_a_read() -> Error {
    refuse("the SQL of a read changes the database: declare it under [writes]")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a bare identifier or a number.
    Word(&'a str),
    /// The name in `:name`.
    Parameter(&'a str),
    Open,
    Close,
    Semicolon,
    /// A quoted string or identifier, or any other sign.
    Other,
}

/// The tokens of the one statement in `sql`.
fn statement(sql: &str) -> Result<Vec<Token<'_>>, Error> {
    let mut tokens = tokens(sql)?;
    while tokens.last() == Some(&Token::Semicolon) {
        tokens.pop();
    }
    if tokens.is_empty() {
        return Err(refuse("the SQL is empty"));
    }
    if tokens.contains(&Token::Semicolon) {
        return Err(refuse("the SQL is more than one statement: declare each on its own"));
    }
    Ok(tokens)
}

/// The word that says what the statement does. After WITH it is the first one that follows a closing parenthesis
/// outside of all others: what stands between there are only commas and the heads of further tables.
fn verb<'a>(tokens: &[Token<'a>]) -> &'a str {
    const VERBS: [&str; 6] = ["SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"];
    let Some(Token::Word(first)) = tokens.first() else { return "" };
    if !first.eq_ignore_ascii_case("WITH") {
        return first;
    }
    let mut depth = 0_usize;
    for pair in tokens.windows(2) {
        match pair[0] {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let (0, [Token::Close, Token::Word(word)]) = (depth, pair)
            && VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb))
        {
            return word;
        }
    }
    ""
}

fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Error> {
    // SQLite reads no further than a NUL, also within a comment or a quote: what stands after it, a filter perhaps,
    // would be checked here and left out there.
    if let Some(at) = sql.find('\0') {
        return Err(refuse(format!("a NUL stands at character {}", at + 1)));
    }
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &sql[at..];
        let length = match byte {
            b'\'' | b'"' | b'`' | b'[' => {
                tokens.push(Token::Other);
                quoted(rest).ok_or_else(|| {
                    refuse(format!("a quote opens at character {} and never closes", at + 1))
                })?
            }
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            // SQLite lets a comment end with the text, but reads a bare `/*` there as two signs.
            b'/' if rest.starts_with("/*") && rest.len() > 2 => {
                rest[2..].find("*/").map_or(rest.len(), |end| end + 4)
            }
            b':' => {
                let name = parameter(rest, at)?;
                tokens.push(Token::Parameter(name));
                name.len() + 1
            }
            b'?' | b'@' | b'$' | b'#' => {
                return Err(refuse(format!(
                    "the parameter at character {} has to be written `:name`",
                    at + 1
                )));
            }
            _ if in_word(byte) => {
                let length = word(rest);
                tokens.push(Token::Word(&rest[..length]));
                length
            }
            _ => {
                match byte {
                    b'(' => tokens.push(Token::Open),
                    b')' => tokens.push(Token::Close),
                    b';' => tokens.push(Token::Semicolon),
                    _ if byte.is_ascii_whitespace() => {}
                    _ => tokens.push(Token::Other),
                }
                1
            }
        };
        at += length;
    }
    Ok(tokens)
}

/// How far the quoted text at the beginning of `rest` reaches; its quote doubled does not end it.
fn quoted(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    if bytes[0] == b'[' {
        return rest.find(']').map(|end| end + 1);
    }
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find(char::from(bytes[0]))? + 1;
        if bytes.get(at) != Some(&bytes[0]) {
            return Some(at);
        }
        at += 1;
    }
}

/// The name of the parameter at the beginning of `rest`. SQLite would take `::` and parentheses into a name, which
/// nobody means who writes them.
fn parameter(rest: &str, at: usize) -> Result<&str, Error> {
    let name = &rest[1..1 + word(&rest[1..])];
    let simple = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let after = &rest[1 + name.len()..];
    if !simple {
        let detail = format!(
            "a `:` at character {} begins no parameter: a name is a letter, then letters, digits and underscores",
            at + 1
        );
        return Err(refuse(detail));
    }
    if after.starts_with("::") || after.starts_with('(') {
        return Err(refuse(format!(
            "SQLite has no `::`: write `cast(:{name} as …)` at character {}",
            at + 1
        )));
    }
    Ok(name)
}

/// The length of the word at the beginning of `rest`; everything that is not ASCII belongs to words.
fn word(rest: &str) -> usize {
    rest.bytes().position(|byte| !in_word(byte)).unwrap_or(rest.len())
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

fn refuse(detail: impl Into<String>) -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(sql: &str, purpose: Purpose) -> String {
        check(sql, purpose).unwrap_err().detail().to_owned()
    }

    #[test]
    fn a_nul_is_refused_wherever_it_stands() {
        for sql in ["select a from t /*\0*/ where owner = :me", "select '\0'", "select 1 -- \0", "\0"] {
            let refused = named_parameters(sql).unwrap_err();
            assert!(refused.detail().contains("a NUL stands at character"), "{refused}");
        }
    }

    #[test]
    fn a_statement_belongs_where_its_verb_says() {
        for read in
            ["SELECT 1", " values (1);", "with a(x) as (select 1), replace as (select 2) select * from a"]
        {
            check(read, Purpose::Read).unwrap();
            assert!(refused(read, Purpose::Write).contains("[reads]"), "{read}");
        }
        let writes = [
            "insert into t values (1)",
            "/* select */ Replace into t values (1)",
            "update t set a = (select 1)",
            "with a as (select 1) delete from t where b in a",
            "with a as materialized (select (1)) insert into t select * from a",
        ];
        for write in writes {
            check(write, Purpose::Write).unwrap();
            assert!(refused(write, Purpose::Read).contains("[writes]"), "{write}");
        }
        for neither in ["pragma user_version", "attach 'x' as y", "drop table t", "begin", "explain select 1"]
        {
            assert!(refused(neither, Purpose::Read).contains("begins with"), "{neither}");
            assert!(refused(neither, Purpose::Write).contains("begins with"), "{neither}");
        }
    }

    #[test]
    fn only_one_statement_with_named_parameters_is_accepted() {
        let refused = |sql| named_parameters(sql).unwrap_err().detail().to_owned();
        assert!(refused(" ; -- nothing").contains("empty"));
        assert!(refused("select 1; select 2").contains("more than one"));
        assert!(refused("select 'it''s").contains("character 8 and never closes"));
        for positional in ["select ?", "select ?1", "select @a", "select $a"] {
            assert!(refused(positional).contains("`:name`"), "{positional}");
        }
        assert!(refused("select :a::int").contains("cast(:a as"));
        assert!(refused("select :1").contains("a name is a letter"));
        assert!(refused("select :größe").contains("a name is a letter"));
        assert!(named_parameters("select [a;:b], \"?\", 'x:y', x'00' /* ; :c */; -- :d").unwrap().is_empty());
    }

    #[test]
    fn only_a_plain_insert_has_a_last_id() {
        assert!(is_plain_insert("insert into t values ('update')"));
        assert!(!is_plain_insert("insert into t values (1) on conflict do update set a = 1"));
        assert!(!is_plain_insert("update t set a = 1"));
    }

    fn names_by_sqlite(sql: &str) -> Option<Vec<String>> {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let statement = connection.prepare(sql).ok()?;
        let name = |number| Some(statement.parameter_name(number)?.strip_prefix(':')?.to_owned());
        (1..=statement.parameter_count()).map(name).collect()
    }

    proptest! {
        /// SQL that is right: SQLite finds the same parameters in the same order.
        #[test]
        fn sqlite_finds_the_same_parameters(columns in prop::collection::vec((
            prop::sample::select(vec![":a", ":b_1", ":Long+:a", "':q'':a'", "1 \"q:\"\":b\"", "1 `:x`", "1 [':z]", "x'00'",
                "1-:m", "2/:d*:a", "1e5", "(:p)", "1 é", "1 n$", "cast(:c as int)", "'é;'||:u"]),
            prop::sample::select(vec!["", " ", "\n", "--:no\n", "/* :no ' */", "/**/", "-- '\n", "/*;*/"]),
        ), 1..8)) {
            let columns: Vec<String> = columns.iter().map(|(value, gap)| format!("{gap}{value}{gap}")).collect();
            let sql = format!("select {};", columns.join(","));
            let expected = names_by_sqlite(&sql);
            prop_assert!(expected.is_some(), "{}", sql);
            prop_assert_eq!(named_parameters(&sql).ok(), expected, "{}", sql);
        }

        /// SQL that is mostly wrong: never a panic, and what both accept they read alike.
        #[test]
        fn what_both_accept_both_read_alike(parts in prop::collection::vec(prop::sample::select(vec![
            ":a", ":b", ",", "'", "\"", "`", "[", "]", "--", "\n", "/*", "*/", " ", "1", "x", "$", "(", ")", ";", "-",
            "/", "é", "||", "?", "::", "select ",
        ]), 0..14)) {
            let sql = format!("select {}", parts.concat());
            if let (Some(expected), Ok(names)) = (names_by_sqlite(&sql), named_parameters(&sql)) {
                prop_assert_eq!(names, expected, "{}", sql);
            }
        }
    }
}
