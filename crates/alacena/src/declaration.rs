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
        is_parent: bool,
    ) -> Self {
        let document = json!({
            "read": meant(read),
            "parent": is_parent,
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
mod tests;
