//! What a declaration means: all of it that the answers of a read, and how long they live, hang on.
//!
//! It is written down as one document, in one place, and hashed:
//!
//! * a reload keeps the entries of a read whose hash is what it was, and begins cold where it is not;
//! * nodes that share a second tier find each other's entries where the hashes are equal, and never where they are not.
//!
//! The document holds the credentials that a source is asked with, since the answers to another account are other
//! answers. So the hash is keyed with the secret that the partitions of callers are keyed with: who reads the second tier
//! cannot test guesses against it, and nodes without a common secret have nothing in common.
//!
//! Every type is taken apart without `..`: whoever adds a field decides here whether answers hang on it.

use std::sync::Arc;

use alacena_core::{
    class::Policy,
    declared::{Parameter, Pointer, Scalar, Template},
    engine::SharedForm,
    tier::Codec,
};
use serde_json::{Value as Json, json};

use crate::config::{
    HttpConfig, HttpQuestion, ParentConfig, Question, ReadConfig, Shape, SourceKind, SqlQuery, SqliteConfig,
    TtlFrom,
};

/// What a declaration means, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning([u8; 32]);

impl Meaning {
    /// Of a read of that source, whose entries live by that policy and whose parent means that.
    pub(crate) fn of_read(
        secret: &[u8; 32],
        read: &ReadConfig,
        source: &SourceKind,
        policy: &Policy,
        parent: Option<Meaning>,
    ) -> Self {
        let document = json!({
            "read": meant(read),
            "source": reached(source),
            "lives": lives(policy),
            "parent": parent.map(|Meaning(hash)| hash),
        });
        let key = blake3::derive_key("alacena meaning of declarations v1", secret);
        Self(*blake3::keyed_hash(&key, document.to_string().as_bytes()).as_bytes())
    }

    /// Of a class of the application's own, whose values are of the type and the form of these names.
    pub(crate) fn of_class(name: &str, values: &str, form: &str, policy: &Policy) -> Self {
        let document = json!({ "class": name, "values": values, "form": form, "lives": lives(policy) });
        Self(*blake3::hash(document.to_string().as_bytes()).as_bytes())
    }

    /// How entries of this meaning stand in the second tier; `None` where their policy keeps them out of it. There they
    /// are sealed, or not.
    pub(crate) fn shared_form(
        &self,
        codec: Arc<dyn Codec>,
        policy: &Policy,
        is_sealed: bool,
    ) -> Option<SharedForm> {
        let mut hasher = blake3::Hasher::new_derive_key("alacena form in the second tier v1");
        hasher.update(&codec.fingerprint()).update(&self.0);
        let fingerprint = *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes");
        let compressed = policy.l2_compressed.unwrap_or(!is_sealed);
        policy.l2.then_some(SharedForm { codec, fingerprint, compressed })
    }
}

fn meant(read: &ReadConfig) -> Json {
    let ReadConfig {
        name,
        title: _,
        description: _,
        source,
        class,
        question,
        parameters,
        tags,
        hard_tags,
        key,
        index,
        parent,
        ttl_from: TtlFrom { headers, value, max },
        conditional: _,
        compression: _,
        answer,
        public: _,
        warm: _,
    } = read;
    json!({
        "name": name,
        "source": source,
        "class": class,
        "question": asked(question),
        "parameters": parameters.iter().map(accepted).collect::<Vec<_>>(),
        "tags": texts(tags),
        "hard_tags": texts(hard_tags),
        "key": key.to_string(),
        "index": index,
        "parent": parent.as_ref().map(taken),
        "ttl_from": { "headers": headers, "value": value.as_ref().map(Pointer::as_str), "max": max },
        "answer": answer.as_ref().map(|answer| answer.to_json()),
    })
}

fn asked(question: &Question) -> Json {
    let sql = |SqlQuery { sql, shape }: &SqlQuery| {
        let shape = match shape {
            Shape::Rows => "rows",
            Shape::Row => "row",
        };
        json!({ "sql": sql, "shape": shape })
    };
    match question {
        Question::Http(HttpQuestion { method, target, headers, body, pointer }) => json!({
            "method": method,
            "target": target.to_string(),
            "headers": named(headers),
            "body": body,
            "pointer": pointer,
        }),
        Question::Sql(query) => sql(query),
        Question::Queries(queries) => queries.iter().map(|(name, query)| json!([name, sql(query)])).collect(),
    }
}

fn accepted(parameter: &Parameter) -> Json {
    let Parameter { name, description: _, kind, required, default, min, max, length_max, choices } =
        parameter;
    json!({
        "name": name,
        "kind": kind.as_str(),
        "required": required,
        "default": default.as_ref().map(Scalar::to_json),
        "min": min,
        "max": max,
        "length_max": length_max,
        "choices": choices.iter().map(Scalar::to_json).collect::<Vec<_>>(),
    })
}

fn taken(parent: &ParentConfig) -> Json {
    let ParentConfig { read, parameters, take } = parent;
    let take: Vec<_> = take.iter().map(|(name, pointer)| (name, pointer.as_str())).collect();
    json!({ "read": read, "parameters": named(parameters), "take": take })
}

fn reached(source: &SourceKind) -> Json {
    match source {
        SourceKind::Http(HttpConfig {
            base_url,
            headers,
            credentials,
            ca: _,
            connect_timeout: _,
            body_max: _,
            retries: _,
        }) => {
            let headers: Vec<_> = headers.iter().map(|(name, secret)| (name, secret.reveal())).collect();
            json!({ "http": base_url, "headers": headers, "credentials": credentials })
        }
        SourceKind::Sqlite(SqliteConfig {
            path,
            connections: _,
            statement_timeout: _,
            rows_max: _,
            body_max: _,
        }) => json!({ "sqlite": path.as_os_str().as_encoded_bytes() }),
    }
}

/// How long entries live, and what may become of them meanwhile; not how loads are made, nor how they are read.
fn lives(policy: &Policy) -> Json {
    let Policy {
        ttl,
        jitter,
        negative_ttl,
        stale_while_revalidate,
        stale_if_error,
        refresh_ahead: _,
        sliding_max,
        unordered,
        soft_timeout: _,
        hard_timeout: _,
        item_bytes_max: _,
        read_mode: _,
        era: _,
        without_l2: _,
        l2: _,
        l1_ttl,
        l2_ttl,
        l2_compressed: _,
        readable_key_names: _,
    } = policy;
    json!({
        "ttl": ttl,
        "jitter": jitter,
        "negative_ttl": negative_ttl,
        "stale_while_revalidate": stale_while_revalidate,
        "stale_if_error": stale_if_error,
        "sliding_max": sliding_max,
        "unordered": unordered,
        "l1_ttl": l1_ttl,
        "l2_ttl": l2_ttl,
    })
}

fn texts(templates: &[Template]) -> Vec<String> {
    templates.iter().map(ToString::to_string).collect()
}

fn named(templates: &[(String, Template)]) -> Vec<(&str, String)> {
    templates.iter().map(|(name, template)| (name.as_str(), template.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Config, Layers};

    const DECLARED: &str = r#"
[sources.crm]
kind = "http"
base_url = "https://crm.example/v1"
headers = { authorization = "Bearer one" }
credentials = ["x-user"]
[sources.db]
kind = "sqlite"
path = "app.db"
[classes.jobs]
ttl = "30m"
index = ["owner"]
[reads.jobs]
title = "Jobs"
source = "crm"
class = "jobs"
http = "GET /jobs?from={from}&owner={owner}"
params.from = { type = "integer", default = 0 }
params.owner = { type = "string", default = "all" }
key = "jobs:{owner}:{from}"
tags = ["jobs"]
hard_tags = ["owner:{owner}"]
answer = { type = "array" }
[reads.badge]
source = "db"
sql = "select :who as who"
parent = { read = "jobs", take = { who = "/0/owner" } }
"#;

    /// What each read means to a node with this configuration and secret.
    fn meanings(text: &str, secret: u8) -> BTreeMap<String, Meaning> {
        let config = Config::parse(text, "alacena.toml", &Layers::default()).expect("it is accepted");
        let mut meanings = BTreeMap::new();
        // A parent stands before its child.
        for read in &config.reads {
            let source = config.sources.iter().find(|source| source.name == read.source).expect("checked");
            let parent = read.parent.as_ref().map(|parent| meanings[&parent.read]);
            let policy = &config.classes[&read.class];
            let meaning = Meaning::of_read(&[secret; 32], read, &source.kind, policy, parent);
            meanings.insert(read.name.clone(), meaning);
        }
        meanings
    }

    fn with(line: &str, other: &str) -> BTreeMap<String, Meaning> {
        assert!(DECLARED.contains(line), "{line}");
        meanings(&DECLARED.replace(line, other), 1)
    }

    #[test]
    fn whatever_answers_hang_on_is_part_of_it() {
        let before = meanings(DECLARED, 1);
        for (line, other) in [
            ("crm.example/v1", "crm.example/v2"),
            ("Bearer one", "Bearer two"),
            ("credentials = [\"x-user\"]", "credentials = [\"x-user\", \"x-role\"]"),
            ("ttl = \"30m\"", "ttl = \"29m\""),
            ("ttl = \"30m\"", "ttl = \"30m\"\nstale_if_error = \"1h\""),
            ("ttl = \"30m\"", "ttl = \"30m\"\nl2_ttl = \"1m\""),
            ("ttl = \"30m\"", "ttl = \"30m\"\nttl_from_headers = true"),
            ("index = [\"owner\"]", "index = [\"owner\", \"from\"]"),
            ("GET /jobs?", "POST /jobs?"),
            ("GET /jobs?", "GET /all?"),
            ("default = 0", "default = 1"),
            ("default = 0", "default = 0, max = 9"),
            ("jobs:{owner}:{from}", "jobs:{from}:{owner}"),
            ("tags = [\"jobs\"]", "tags = []"),
            ("owner:{owner}", "who:{owner}"),
            ("{ type = \"array\" }", "{ type = \"array\", items = { type = \"object\" } }"),
        ] {
            let after = with(line, other);
            assert_ne!(after["jobs"], before["jobs"], "{other}");
            assert_ne!(after["badge"], before["badge"], "a child hangs on its parent: {other}");
        }
        for (line, other) in
            [("app.db", "other.db"), ("select :who as who", "select :who as name"), ("/0/owner", "/1/owner")]
        {
            let after = with(line, other);
            assert_eq!(after["jobs"], before["jobs"], "{other}");
            assert_ne!(after["badge"], before["badge"], "{other}");
        }
        assert_ne!(
            meanings(DECLARED, 2)["jobs"],
            before["jobs"],
            "nodes without a common secret share nothing"
        );
    }

    #[test]
    fn nothing_else_is() {
        let before = meanings(DECLARED, 1);
        for (line, other) in [
            ("title = \"Jobs\"", "title = \"All jobs\"\ndescription = \"All of them\"\npublic = true"),
            ("default = 0", "default = 0, description = \"where the page begins\""),
            (
                "ttl = \"30m\"",
                "ttl = \"30m\"\nsoft_timeout = \"1s\"\nitem_max = \"1KiB\"\nconditional = false",
            ),
            (
                "ttl = \"30m\"",
                "ttl = \"30m\"\ncompression = \"gzip\"\nl2_compression = \"none\"\nera = \"strict\"",
            ),
            ("kind = \"http\"", "kind = \"http\"\nretries = 0\nconnect_timeout = \"2s\"\nconcurrency = 3"),
            ("kind = \"sqlite\"", "kind = \"sqlite\"\nrows_max = 7"),
        ] {
            assert_eq!(with(line, other), before, "{other}");
        }
    }

    #[test]
    fn a_form_is_of_one_meaning_and_one_codec() {
        struct Other;
        impl Codec for Other {
            fn fingerprint(&self) -> [u8; 8] {
                *b"of mine!"
            }
            fn encode(&self, _: &alacena_core::value::Value) -> Option<bytes::Bytes> {
                None
            }
            fn decode(
                &self,
                _: bytes::Bytes,
            ) -> Result<alacena_core::value::Value, alacena_core::envelope::Unreadable> {
                Err(alacena_core::envelope::Unreadable::OtherForm)
            }
        }
        let policy = Policy::default();
        let meaning = |form: &str| Meaning::of_class("kpis", "shop::Kpis", form, &policy);
        let form =
            |meaning: Meaning, codec: Arc<dyn Codec>| meaning.shared_form(codec, &policy, false).unwrap();
        let bodies = || Arc::new(alacena_core::value::BodyCodec);
        let one = form(meaning(""), bodies()).fingerprint;
        assert_eq!(one, form(meaning(""), bodies()).fingerprint);
        assert_ne!(one, form(meaning("in cents"), bodies()).fingerprint);
        assert_ne!(one, form(meaning(""), Arc::new(Other)).fingerprint);

        // What is sealed is compressed where the class says so, and nowhere else.
        let compressed = |l2_compressed, is_sealed| {
            let policy = Policy { l2_compressed, ..Policy::default() };
            meaning("").shared_form(bodies(), &policy, is_sealed).unwrap().compressed
        };
        assert!(compressed(None, false) && !compressed(None, true));
        assert!(compressed(Some(true), true) && !compressed(Some(false), false));
        let here = Policy { l2: false, ..Policy::default() };
        assert!(meaning("").shared_form(bodies(), &here, false).is_none());
    }
}
