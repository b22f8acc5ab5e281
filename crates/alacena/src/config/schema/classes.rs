//! The fields of `[classes.<name>]`.

use super::{
    Field, Format, Kind,
    declarations::UNORDERED,
    sections::{bytes, choice, duration, list},
};

pub(super) const CLASSES: &[Field] = &[
    Field::new("ttl", duration("0s", "365d"), "How long a value is fresh.").default("5m").zero("nothing is kept"),
    Field::new(
        "jitter",
        Kind::Ratio { max: 0.5 },
        "How far the TTL of one entry may lie from `ttl`, as a share of it, so that entries stored together do not end together.",
    )
    .default("0.1")
    .zero("exactly `ttl`"),
    Field::new("negative_ttl", duration("0s", "365d"), "How long \"there is no such thing\" is fresh.")
        .default("30s")
        .zero("not kept"),
    Field::new(
        "stale_while_revalidate",
        duration("0s", "365d"),
        "How long after the TTL a value is still answered at once, labelled stale, while it is refreshed. Never applies to an invalidated entry.",
    )
    .default("0s")
    .zero("off"),
    Field::new(
        "stale_if_error",
        duration("0s", "365d"),
        "How long after the TTL a value is still answered, labelled stale, when its source fails.",
    )
    .default("24h")
    .zero("off"),
    Field::new(
        "refresh_ahead",
        Kind::Boolean,
        "Whether a fresh value is refreshed shortly before its end where it is likely to be asked for again, so that nobody waits for the source. How early follows from how long the load takes.",
    )
    .default("true"),
    Field::new(
        "sliding_max",
        duration("1s", "365d"),
        "The age up to which each hit begins the `ttl` anew; at least `ttl`. Without it, hits extend nothing. Not for data that its source changes without an invalidation.",
    ),
    Field::new(
        "ttl_from_headers",
        Kind::Boolean,
        "Whether an HTTP source may say how long its answer holds: `s-maxage`, else `max-age`, else `Expires` minus `Date`; without `Age` and the time that the answer took. `no-cache` and `max-age=0`: never fresh, kept only to be asked about again and, unless forbidden, to stand in. `stale-while-revalidate`, `stale-if-error`, `must-revalidate` and `proxy-revalidate` can shorten what the class allows. An answer that says nothing has the class's `ttl`.",
    )
    .default("false"),
    Field::new(
        "ttl_from_value",
        Kind::Text(Format::Pointer),
        "Where an answer says itself how long it holds, as a JSON pointer into what is kept of it: `/expires_in`. A number of seconds; or a time, as RFC 3339 writes it or in seconds or milliseconds since 1970, which is compared with the clock of this machine. Anything else has the class's `ttl`, and is logged once. With `ttl_from_headers`, the shorter one counts.",
    ),
    Field::new(
        "ttl_max",
        duration("1s", "365d"),
        "The longest TTL that headers or the answer can set. Without it `ttl`: they can shorten it and not lengthen it.",
    ),
    Field::new(
        "soft_timeout",
        duration("1ms", "10m"),
        "How long a caller waits for the source before it gets the expired value at hand; the load goes on and is stored. At most `hard_timeout`, to which the default gives way.",
    )
    .default("2s"),
    Field::new("hard_timeout", duration("1ms", "10m"), "How long a load may take. Waiting for a place at the source, at most its `queue_wait`, comes on top.").default("10s"),
    Field::new(
        "compression",
        choice(&["none", "lz4", "gzip"]),
        "How answers of 1 KiB or more are kept in memory, so that more of them fit. `lz4`: about a third of JSON, decompressed for every answer. `gzip`: about a fifth, sent as it is to callers who take gzip and decompressed, which takes longer, for others. `none`: as they are; for callers who take gzip, that is made once and kept beside them, so that no answer costs anything.",
    )
    .default("none"),
    Field::new("item_max", bytes("1B", "256MiB"), "The largest value kept; a larger one is answered and not kept. Refused where `memory.max` has no room for one: 64MiB has room for 2MiB.")
        .default("512KiB"),
    Field::new(
        "index",
        list(&Kind::Text(Format::Name), 4),
        "Parameters in the keys of its reads whose values a pattern may name: with `index = [\"job_id\"]`, `activities:list:*:42:*` can be invalidated. Each of them that is not at its default is one more thing that an entry depends on.",
    ),
    Field::new(
        "conditional",
        Kind::Boolean,
        "Whether an HTTP source that is asked again is shown the version that is held (`If-None-Match`, `If-Modified-Since`), so that it may answer that nothing has changed. A read with a `parent` shows none: what is held may be the answer to another question.",
    )
    .default("true"),
    Field::new(
        "l2",
        choice(&["redis", "embedded", "none"]),
        "The second tier of its entries. Without it, the one that there is: Redis with a `[redis]` section, else the embedded store where `embedded.entries_max` gives it room, else none. `none`: entries are in memory alone; with a `[redis]` section, what invalidates them still reaches every node.",
    ),
    Field::new(
        "l1_ttl",
        duration("0s", "365d"),
        "How long an entry is answered from memory before the second tier is asked for it again; never past its `ttl`. Without it: 5s where the second tier is Redis, else `ttl`. Where there is no second tier it means nothing.",
    )
    .zero("not kept in memory"),
    Field::new(
        "l2_ttl",
        duration("0s", "365d"),
        "How long a value is fresh in the second tier; never past its `ttl`. Without it: `ttl`. Where there is no second tier it means nothing.",
    )
    .zero("not kept there"),
    Field::new(
        "l2_compression",
        choice(&["lz4", "none"]),
        "How values of 1 KiB or more are kept in the second tier. `none`: as they are, for values that mix a secret with what an attacker may choose, since their length would tell of it. Without it: `lz4`, and `none` where they are sealed (`redis.key`, `embedded.key`).",
    ),
    Field::new(
        "read_mode",
        choice(&["bounded", "strict"]),
        "How sure a read is of what other nodes have invalidated. `bounded`: not older than 0.9 s, without a question to Redis for what is in memory. `strict`: each read asks Redis, and never gets what was loaded before an invalidation that had been acknowledged. What this node has invalidated itself is gone at once in both. Without Redis there is no difference.",
    )
    .default("bounded"),
    Field::new(
        "era",
        choice(&["revalidate", "strict", "trust"]),
        "What becomes of an entry once Redis may have gone back in time: it was restarted, or a replica took over that lacked something. `revalidate`: answered once more, labelled stale, while it is loaded anew. `strict`: a miss, for permissions and money. `trust`: answered as if nothing had happened, so that an invalidation that was lost stays lost.",
    )
    .default("revalidate"),
    Field::new(
        "without_l2",
        choice(&["local", "bypass"]),
        "What is kept while Redis cannot be reached. `local`: in memory alone, for 5s at most (with `server.replicas = 1` for `ttl`), and answered as `local`. `bypass`: nothing, for permissions and money.",
    )
    .default("local"),
    Field::new(
        "key_names",
        choice(&["hashed", "readable"]),
        "What the names of its keys in Redis say. Without it: as `redis.key_names`.",
    ),
    Field::later("encryption"),
    UNORDERED,
];
