//! Rows as JSON text, written while SQLite steps through them: no value is held twice.

use std::collections::HashSet;

use alacena_core::error::{Error, catalogue};
use rusqlite::{Row, Rows, Statement, types::ValueRef};
use serde::Serialize;

use super::{SqliteSettings, failure};

/// The names of the statement's columns as they stand in an object: `"name":`.
///
/// # Errors
/// `Invalid` when two columns have the same name: an object could not hold both.
pub(super) fn column_labels(statement: &Statement<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let mut seen = HashSet::new();
    statement
        .column_names()
        .map(|name| {
            if !seen.insert(name) {
                let detail =
                    format!("two columns of the SQL are named `{name}`: give one another name with AS");
                return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail));
            }
            Ok(label(name))
        })
        .collect()
}

/// An answer while it is written, within the limits of its source: those on rows and bytes count over every statement
/// that it is made of.
pub(super) struct Answer<'s> {
    text: Vec<u8>,
    rows: usize,
    settings: &'s SqliteSettings,
}

impl<'s> Answer<'s> {
    pub(super) fn new(settings: &'s SqliteSettings) -> Self {
        Self { text: Vec::with_capacity(256), rows: 0, settings }
    }

    /// What stands between the answers of statements.
    pub(super) fn write(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Every row, as an array of objects.
    pub(super) fn all(&mut self, rows: &mut Rows<'_>) -> Result<(), Error> {
        self.text.push(b'[');
        let mut labels = None;
        while let Some(row) = self.next(rows)? {
            if labels.is_some() {
                self.text.push(b',');
            }
            // Only a statement that has stepped knows the columns of a schema that changed since it was prepared.
            let labels = match &labels {
                Some(labels) => labels,
                None => labels.insert(column_labels(row.as_ref())?),
            };
            self.row(row, labels)?;
        }
        self.text.push(b']');
        self.within(0)
    }

    /// The first row as an object; whether there is one.
    pub(super) fn first(&mut self, rows: &mut Rows<'_>) -> Result<bool, Error> {
        let Some(row) = self.next(rows)? else { return Ok(false) };
        self.row(row, &column_labels(row.as_ref())?)?;
        Ok(true)
    }

    /// The whole of it, as JSON text.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        self.within(0)?;
        Ok(self.text)
    }

    fn next<'a, 'stmt>(&mut self, rows: &'a mut Rows<'stmt>) -> Result<Option<&'a Row<'stmt>>, Error> {
        let row = rows.next().map_err(|error| self.failed(&error))?;
        self.rows += usize::from(row.is_some());
        if self.rows > self.settings.rows_max {
            return Err(too_large(format!("more than {} rows (rows_max)", self.settings.rows_max)));
        }
        Ok(row)
    }

    fn row(&mut self, row: &Row<'_>, labels: &[Vec<u8>]) -> Result<(), Error> {
        self.text.push(b'{');
        for (at, label) in labels.iter().enumerate() {
            if at > 0 {
                self.text.push(b',');
            }
            self.text.extend_from_slice(label);
            let value = row.get_ref(at).map_err(|error| self.failed(&error))?;
            self.value(value, label)?;
        }
        self.text.push(b'}');
        self.within(0)
    }

    fn value(&mut self, value: ValueRef<'_>, label: &[u8]) -> Result<(), Error> {
        match value {
            ValueRef::Null => self.text.extend_from_slice(b"null"),
            ValueRef::Integer(value) => write_json(&mut self.text, &value),
            // Infinities become null here, as JSON has no word for them.
            ValueRef::Real(value) => write_json(&mut self.text, &value),
            ValueRef::Text(bytes) => {
                self.within(bytes.len())?;
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    let column = String::from_utf8_lossy(label).trim_end_matches(':').replace('"', "`");
                    let detail = format!("column {column} holds text that is not UTF-8");
                    Error::new(&catalogue::ANSWER_MALFORMED, detail)
                })?;
                write_json(&mut self.text, text);
            }
            ValueRef::Blob(bytes) => {
                self.within(bytes.len().div_ceil(3) * 4)?;
                write_base64(&mut self.text, bytes);
            }
        }
        Ok(())
    }

    /// Whether it has room for `more` bytes.
    fn within(&self, more: usize) -> Result<(), Error> {
        let most = self.settings.body_bytes_max;
        if self.text.len() + more > most {
            return Err(too_large(format!("more than {most} bytes (body_max)")));
        }
        Ok(())
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failure::at_run_time(error, self.settings.statement_timeout)
    }
}

/// A name as it stands in an object: `"name":`.
pub(super) fn label(name: &str) -> Vec<u8> {
    let mut label = Vec::with_capacity(name.len() + 3);
    write_json(&mut label, name);
    label.push(b':');
    label
}

fn too_large(detail: String) -> Error {
    Error::new(&catalogue::ANSWER_TOO_LARGE, detail)
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("numbers and text are JSON, and a vector takes every byte");
}

/// A string in the standard alphabet of RFC 4648, padded.
fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for digit in 0..4 {
            // n bytes fill n + 1 digits.
            let sextet = (word >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() { ALPHABET[sextet as usize] } else { b'=' });
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        // The vectors of its section 10.
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in vectors {
            let mut out = Vec::new();
            write_base64(&mut out, plain.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{coded}\""));
        }
    }
}
