//! Text: with what it names elsewhere, in its form, secret or not.

use std::path::PathBuf;

use super::{
    Check, Format, HEADERS_MAX, Item, Node, Origin, Secret, Setting, Value, forms, nearest, schema, secrets,
    shown,
};

impl Check<'_> {
    /// The text of a value, with what it names in the environment.
    pub(super) fn text(&mut self, node: &Node, path: &str, escape_braces: bool) -> Option<String> {
        match &node.value {
            Value::Loose(text) => Some(text.clone()),
            Value::Text(text) => match secrets::substitute(text, self.environment, escape_braces) {
                Ok(text) => Some(text),
                Err(missing) => {
                    for (message, remedy) in missing {
                        self.wrong(&node.origin, path, &message, &remedy);
                    }
                    None
                }
            },
            _ => self.expected(node, path, "text", "it in quotes: \"text\""),
        }
    }

    pub(super) fn text_of(&mut self, format: Format, node: &Node, path: &str) -> Option<Setting> {
        let escape = matches!(format, Format::Request | Format::Template | Format::Tag);
        let text = self.text(node, path, escape)?;
        self.form(format, &text, node, path)
    }

    pub(super) fn form(&mut self, format: Format, text: &str, node: &Node, path: &str) -> Option<Setting> {
        match forms::read(format, text) {
            Ok(Setting::Path(relative)) => Some(Setting::Path(self.resolve(&node.origin, relative))),
            Ok(setting) => Some(setting),
            Err((message, remedy)) => {
                self.wrong(&node.origin, path, &message, &remedy);
                None
            }
        }
    }

    /// Paths of the file are relative to its folder, those of the environment and of flags to the working directory.
    pub(super) fn resolve(&self, origin: &Origin, path: PathBuf) -> PathBuf {
        match origin {
            Origin::Environment { .. } | Origin::Flag { .. } => path,
            Origin::Default | Origin::File { .. } => self.folder.join(path),
        }
    }

    pub(super) fn secret(&mut self, node: &Node, path: &str, min: usize) -> Option<Secret> {
        let mut text = self.text(node, path, false)?;
        if let Some(file) = text.strip_prefix("file:") {
            match secrets::read(file, self.folder) {
                Ok(read) => text = read,
                Err((message, remedy)) => {
                    self.wrong(&node.origin, path, &message, &remedy);
                    return None;
                }
            }
        }
        if text.len() < min || text.len() > schema::PROSE_BYTES_MAX {
            let message = format!("does not have {min} to {} bytes", schema::PROSE_BYTES_MAX);
            let remedy = match min {
                0 | 1 => "Write it, or name where it is: `${NAME}` or `file:path`.",
                _ => "Draw another one: openssl rand -hex 32.",
            };
            self.wrong(&node.origin, path, &message, remedy);
            return None;
        }
        Some(Secret::new(&text))
    }

    pub(super) fn choice(&mut self, node: &Node, path: &str, words: &[&'static str]) -> Option<Setting> {
        let text = self.text(node, path, false)?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(Setting::Text((*word).to_owned()));
        }
        let message = match nearest(&text, words.iter().copied()) {
            Some(near) => format!("is none of the words accepted; did you mean \"{near}\"?"),
            None => "is none of the words accepted".to_owned(),
        };
        self.wrong(&node.origin, path, &message, &format!("Use one of: {}.", words.join(", ")));
        None
    }

    pub(super) fn headers(&mut self, node: &Node, path: &str, secret: bool) -> Option<Setting> {
        let table = self.table(node, path)?;
        if table.0.len() > HEADERS_MAX {
            let message = format!("has more than {HEADERS_MAX} headers");
            self.wrong(&node.origin, path, &message, "Remove some.");
            return None;
        }
        let mut headers: Vec<(String, Item)> = Vec::new();
        for entry in &table.0 {
            let inner = format!("{path}.{}", shown(&entry.key));
            let setting = match forms::header_name(&entry.key) {
                Err((message, remedy)) => {
                    self.wrong(&entry.origin, &inner, &message, &remedy);
                    continue;
                }
                Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
                    let message = "given twice: the case of a header's name means nothing";
                    self.wrong(&entry.origin, &inner, message, "Remove one of them.");
                    continue;
                }
                Ok(name) if !secret && forms::is_credential(&name) => {
                    let message = "is a credential, and this value is not kept secret";
                    let remedy =
                        "Put it into `headers` of the source, where it is, or into its `credentials`.";
                    self.wrong(&entry.origin, &inner, message, remedy);
                    continue;
                }
                Ok(name) => (name, self.header(&entry.node, &inner, secret)),
            };
            if let (name, Some(setting)) = setting {
                let origin = entry.node.origin.clone();
                self.origins.insert(inner, origin.clone());
                headers.push((name, Item { origin, setting }));
            }
        }
        Some(Setting::Headers(headers))
    }

    fn header(&mut self, node: &Node, path: &str, secret: bool) -> Option<Setting> {
        let (setting, is_line) = if secret {
            let secret = self.secret(node, path, 0)?;
            let is_line = !secret.reveal().chars().any(char::is_control);
            (Setting::Secret(secret), is_line)
        } else {
            let text = self.text(node, path, true)?;
            let is_line = !text.chars().any(char::is_control);
            (self.form(Format::Template, &text, node, path)?, is_line)
        };
        if !is_line {
            self.wrong(&node.origin, path, "holds a control character", "Write it on one line.");
        }
        is_line.then_some(setting)
    }
}
