//! The shapes that operations share.

use serde_json::{Map, Value as Json, json};

use crate::warming;

/// How far an invalidation has gone.
const LEVELS: [&str; 5] = ["barrier", "replicated", "applied", "deferred", "deferred-volatile"];

/// An object that has each of these members, and may have others once a later version knows more.
fn object(members: Json) -> Json {
    let names: Vec<String> =
        members.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({ "type": "object", "properties": members, "required": names })
}

fn integer() -> Json {
    json!({ "type": "integer", "minimum": 0 })
}

fn text() -> Json {
    json!({ "type": "string" })
}

/// Null while it is not known, or not built yet; text with `format=display`.
fn figure() -> Json {
    json!({ "type": ["number", "string", "null"] })
}

fn text_or_null() -> Json {
    json!({ "type": ["string", "null"] })
}

fn figures(names: &[&str]) -> Json {
    object(names.iter().map(|name| ((*name).to_owned(), figure())).collect::<Map<_, _>>().into())
}

fn counts() -> Json {
    json!({ "type": "object", "additionalProperties": figure() })
}

fn one_of(words: &[&str]) -> Json {
    json!({ "enum": words })
}

/// The schemas that do not depend on what is declared.
pub(super) fn fixed() -> Map<String, Json> {
    let mut schemas = Map::new();
    let mut say = |name: &str, schema: Json| schemas.insert(name.to_owned(), schema);
    say("Problem", problem());
    say("Reads", object(json!({ "reads": { "type": "array", "items": { "type": "object" } } })));
    say("BatchAnswers", batch_answers());
    say(
        "CallToolResult",
        object(json!({
            "content": { "type": "array", "items": { "type": "object" } },
            "isError": { "type": "boolean" },
        })),
    );
    say("CacheHealth", cache_health());
    say("CacheStats", cache_stats());
    say("Invalidation", invalidation());
    say("Invalidated", object(json!({ "level": one_of(&LEVELS), "dropped": integer() })));
    say("Reloaded", reloaded());
    say("WouldInvalidate", would_invalidate());
    say("WarmingWanted", warming_wanted());
    say("Warming", warming(true));
    say("Warmings", object(json!({ "warmings": { "type": "array", "items": warming(false) } })));
    say("Invalidations", invalidations());
    say("InvalidationStats", invalidation_stats());
    say("Entry", entry());
    say("Keys", object(json!({ "keys": entries(), "next": text_or_null() })));
    say("Explanations", explanations());
    say("Alive", object(json!({ "status": one_of(&["alive"]) })));
    let words = one_of(&["healthy", "degraded", "down", "draining"]);
    say("Ready", object(json!({ "ready": { "type": "boolean" }, "status": words })));
    schemas
}

fn problem() -> Json {
    json!({
        "description": "What went wrong and what to do about it (RFC 9457).",
        "type": "object",
        "properties": {
            "type": {
                "type": "string",
                "pattern": "^urn:alacena:error:[a-z-]+$",
                "description": "Its stable name. docs/reference/errors.md lists them.",
            },
            "title": text(),
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": text(),
            "remedy": text(),
            "retryAfter": { "type": "integer", "minimum": 1, "description": "Seconds." },
            "context": { "type": "object", "additionalProperties": text() },
        },
        "required": ["type", "title", "status", "detail", "remedy"],
    })
}

fn batch_answers() -> Json {
    let answer = json!({
        "type": "object",
        "properties": {
            "status": integer(),
            "etag": text(),
            "age": { "type": "integer", "minimum": 0, "description": "Seconds." },
            "cacheStatus": { "type": "string", "description": "As the header `Cache-Status`." },
            "body": {},
            "problem": { "$ref": "#/components/schemas/Problem" },
        },
        "required": ["status"],
        "oneOf": [{ "required": ["body", "etag"] }, { "required": ["problem"] }],
    });
    object(json!({ "answers": { "type": "array", "items": answer } }))
}

fn cache_health() -> Json {
    object(json!({
        "status": one_of(&["healthy", "degraded", "down"]),
        "connected": { "type": ["boolean", "null"] },
        "circuitState": text_or_null(),
        "mode": one_of(&["redis", "embedded", "memory"]),
        "missing": { "type": "array", "items": text() },
        "level": { "enum": ["bounded", "eventual", "local", null] },
        "shards": { "type": "array", "items": shard() },
    }))
}

/// A shard of the tier that nodes share.
fn shard() -> Json {
    let flag = || json!({ "type": "boolean" });
    let count_or_null = || json!({ "type": ["integer", "null"] });
    let lack = object(json!({ "what": text(), "costs": text(), "remedy": text(), "serious": flag() }));
    object(json!({
        "name": text(),
        "level": one_of(&["bounded", "eventual", "local"]),
        "connected": flag(),
        "eraKnown": flag(),
        "push": one_of(&["tracking", "publish", "none"]),
        "commandsToday": count_or_null(),
        "commandsForecast": count_or_null(),
        "commandsLimit": count_or_null(),
        "provedForMs": integer(),
        "reads": text(),
        "writes": text(),
        "owed": integer(),
        "owedInMemory": integer(),
        "owedForMs": integer(),
        "lacks": { "type": "array", "items": lack },
    }))
}

fn cache_stats() -> Json {
    let redis = [
        "connected",
        "keys",
        "averageTtl",
        "usedMemory",
        "peakMemory",
        "maxMemory",
        "evictions",
        "connections",
        "commandsToday",
        "commandsForecast",
        "commandsLimit",
    ];
    object(json!({
        "metrics": figures(&["hits", "misses", "writes", "errors", "stale", "l1Hits", "l2Hits", "hitRate"]),
        "redis": figures(&redis),
        "queue": figures(&["length"]),
        "circuitBreaker": figures(&["state", "failures", "lastFailure", "successRate"]),
    }))
}

/// The body of `POST /cache/invalidate`.
fn invalidation() -> Json {
    json!({
        "type": "object",
        "properties": {
            "key": text(),
            "tags": { "type": "array", "items": text() },
            "prefix": text(),
            "pattern": { "type": "string", "description": "`*` is one segment of a key, a last `*` the rest." },
            "class": text(),
            "namespace": text(),
            "all": { "type": "boolean" },
            "dryRun": { "type": "boolean", "description": "Only say what would be forgotten." },
            "wait": one_of(&["applied", "replicated", "barrier"]),
            "replicas": { "type": "integer", "minimum": 1, "maximum": 16, "description": "With `replicated`." },
            "withinMs": { "type": "integer", "minimum": 1, "maximum": 10000, "description": "With `replicated`." },
        },
        "additionalProperties": false,
        "minProperties": 1,
    })
}

fn reloaded() -> Json {
    let names = || json!({ "type": "array", "items": text() });
    object(json!({
        "level": one_of(&["applied"]),
        "reads": object(json!({ "added": names(), "removed": names(), "changed": names() })),
        "needsRestart": names(),
        "warnings": names(),
    }))
}

/// What `dryRun` answers.
fn would_invalidate() -> Json {
    let dep = object(json!({ "dep": text(), "entries": integer() }));
    let target = object(json!({ "target": text(), "deps": { "type": "array", "items": dep } }));
    object(json!({
        "dryRun": { "const": true },
        "level": { "type": "null" },
        "dropped": { "type": "null" },
        "entries": integer(),
        "targets": { "type": "array", "items": target },
    }))
}

/// The body of `POST /cache/warming`.
fn warming_wanted() -> Json {
    let read = json!({
        "type": "object",
        "properties": { "name": text(), "params": { "type": ["object", "null"] } },
        "required": ["name"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "reads": { "type": "array", "items": read, "maxItems": warming::READS_MAX },
            "all": { "type": "boolean", "description": "Everything that is declared as `warm`." },
        },
        "additionalProperties": false,
        "minProperties": 1,
    })
}

/// How far a warming is, with what became of each read or without.
fn warming(with_reads: bool) -> Json {
    let read = object(json!({
        "name": text(),
        "total": figure(),
        "done": figure(),
        "loaded": figure(),
        "fresh": figure(),
        "skipped": counts(),
        "failed": counts(),
        "lastProblem": text_or_null(),
    }));
    let mut members = json!({
        "id": text(),
        "trigger": one_of(&["start", "invalidation", "cron", "demand"]),
        "who": text(),
        "running": { "type": "boolean" },
        "startedAt": figure(),
        "endedAt": figure(),
        "total": figure(),
        "done": figure(),
        "loaded": figure(),
        "fresh": figure(),
        "skipped": figure(),
        "failed": figure(),
    });
    if with_reads {
        members["reads"] = json!({ "type": "array", "items": read });
    }
    object(members)
}

fn invalidations() -> Json {
    let row = object(json!({
        "at": { "type": ["integer", "string"], "description": "Milliseconds since 1970." },
        "who": text(),
        "event": text_or_null(),
        "resource": text_or_null(),
        "id": text_or_null(),
        "patterns": { "type": "array", "items": text() },
        "entries": figure(),
        "level": text(),
        "lagMs": figure(),
    }));
    json!({ "type": "array", "items": row })
}

fn invalidation_stats() -> Json {
    object(json!({
        "count": figure(),
        "oldest": figure(),
        "newest": figure(),
        "byWho": counts(),
        "byLevel": counts(),
        "byTarget": counts(),
        "entries": figure(),
        "lagMs": figure(),
    }))
}

/// What is known of an entry; never its value.
fn entry() -> Json {
    let dep = object(json!({ "dep": text(), "stands": { "type": "boolean" } }));
    object(json!({
        "key": text(),
        "class": text_or_null(),
        "freshness": one_of(&["fresh", "revalidate", "stand-in", "last-resort", "dead"]),
        "ageMs": figure(),
        "freshForMs": figure(),
        "staleForMs": figure(),
        "standsInForMs": figure(),
        "loadMs": figure(),
        "changed": { "type": ["boolean", "null"] },
        "negative": { "type": "boolean" },
        "bytes": figure(),
        "footing": { "enum": ["shared", "local", null] },
        "deps": { "type": "array", "items": dep },
    }))
}

/// What lies under a key in the tier that nodes share; null where there is none, or nothing of the key goes there.
fn lying() -> Json {
    let found = json!({
        "type": "object",
        "properties": {
            "name": text(),
            "shard": text(),
            "entry": { "type": ["object", "null"] },
            "error": text(),
        },
    });
    json!({ "anyOf": [found, { "type": "null" }] })
}

fn entries() -> Json {
    json!({ "type": "array", "items": { "$ref": "#/components/schemas/Entry" } })
}

fn explanations() -> Json {
    let known = object(json!({
        "read": text(),
        "class": text(),
        "source": text_or_null(),
        "circuitState": text_or_null(),
        "shared": { "type": "boolean" },
        "key": text(),
        "entries": entries(),
        "l2": lying(),
    }));
    object(json!({ "explanations": { "type": "array", "items": known } }))
}

/// The answers of whatever fails.
pub(super) fn problems() -> Json {
    let of = |what: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        json!({
            "description": what,
            "headers": { "Retry-After": { "$ref": "#/components/headers/Retry-After" } },
            "content": { "application/problem+json": { "schema": schema } },
        })
    };
    json!({ "Refused": of("The request cannot be answered as it is."), "Failed": of("Alacena or a source failed.") })
}

/// The headers of answers.
pub(super) fn headers() -> Json {
    let of = |what: &str, schema: Json| json!({ "description": what, "schema": schema });
    json!({
        "ETag": of("A strong validator, for `If-None-Match`.", text()),
        "Content-Encoding": of("`gzip` where the caller accepts it and the answer is there in it.", one_of(&["gzip"])),
        "Age": of("Seconds since the value was loaded; absent where it was loaded for this answer.", integer()),
        "Cache-Status": of("What the cache did (RFC 9211); only for callers who may know.", text()),
        "Server-Timing": of("How long the server took; only for callers who may know.", text()),
        "Alacena-Level": of("How far the invalidation has gone.", one_of(&LEVELS)),
        "Alacena-After": of("Send it back with a read that must see the change on any node; of use for 10 s.", text()),
        "Retry-After": of("Seconds after which trying again can help.", integer()),
    })
}
