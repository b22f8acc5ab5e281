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
            let mut label = Vec::with_capacity(name.len() + 3);
            write_json(&mut label, name);
            label.push(b':');
            Ok(label)
        })
        .collect()
}

/// Every row, as an array of objects.
pub(super) fn all(rows: &mut Rows<'_>, settings: &SqliteSettings) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(256);
    out.push(b'[');
    let mut labels = None;
    let mut count = 0_usize;
    while let Some(row) = next(rows, settings)? {
        count += 1;
        if count > settings.rows_max {
            return Err(too_large(format!("more than {} rows (rows_max)", settings.rows_max)));
        }
        if count > 1 {
            out.push(b',');
        }
        // Only a statement that has stepped knows the columns of a schema that changed since it was prepared.
        let labels = match &labels {
            Some(labels) => labels,
            None => labels.insert(column_labels(row.as_ref())?),
        };
        write_row(&mut out, row, labels, settings)?;
    }
    out.push(b']');
    within(&out, 0, settings)?;
    Ok(out)
}

/// The first row as an object, if there is one.
pub(super) fn first(rows: &mut Rows<'_>, settings: &SqliteSettings) -> Result<Option<Vec<u8>>, Error> {
    let Some(row) = next(rows, settings)? else { return Ok(None) };
    let mut out = Vec::with_capacity(256);
    write_row(&mut out, row, &column_labels(row.as_ref())?, settings)?;
    within(&out, 0, settings)?;
    Ok(Some(out))
}

fn next<'a, 'stmt>(
    rows: &'a mut Rows<'stmt>,
    settings: &SqliteSettings,
) -> Result<Option<&'a Row<'stmt>>, Error> {
    rows.next().map_err(|error| failure::at_run_time(&error, settings.statement_timeout))
}

fn write_row(
    out: &mut Vec<u8>,
    row: &Row<'_>,
    labels: &[Vec<u8>],
    settings: &SqliteSettings,
) -> Result<(), Error> {
    out.push(b'{');
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label);
        let value =
            row.get_ref(at).map_err(|error| failure::at_run_time(&error, settings.statement_timeout))?;
        match value {
            ValueRef::Null => out.extend_from_slice(b"null"),
            ValueRef::Integer(value) => write_json(out, &value),
            // Infinities become null here, as JSON has no word for them.
            ValueRef::Real(value) => write_json(out, &value),
            ValueRef::Text(bytes) => {
                within(out, bytes.len(), settings)?;
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    let column = String::from_utf8_lossy(label).trim_end_matches(':').replace('"', "`");
                    Error::new(
                        &catalogue::ANSWER_MALFORMED,
                        format!("column {column} holds text that is not UTF-8"),
                    )
                })?;
                write_json(out, text);
            }
            ValueRef::Blob(bytes) => {
                within(out, bytes.len().div_ceil(3) * 4, settings)?;
                write_base64(out, bytes);
            }
        }
    }
    out.push(b'}');
    within(out, 0, settings)
}

fn within(out: &[u8], more: usize, settings: &SqliteSettings) -> Result<(), Error> {
    let most = settings.body_bytes_max;
    if out.len() + more > most {
        Err(too_large(format!("more than {most} bytes (body_max)")))
    } else {
        Ok(())
    }
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
