//! The fields of `[redis]`.

use super::{
    Field, Format, Kind,
    sections::{choice, duration, integer},
};

pub(super) const REDIS: &[Field] = &[
    Field::new(
        "url",
        Kind::Secret { min: 1 },
        "Required. Where it is: `redis://host:6379`, `rediss://` over TLS, or `unix:///run/redis.sock`; with user, password and database where they are not given below: `redis://user:password@host:6379/2`. As `${REDIS_URL}` or a `file:`; it is never shown.",
    ),
    Field::new("username", Kind::Text(Format::Line), "The user of an ACL. Without it: as `url` says, else the default one."),
    Field::new("password", Kind::Secret { min: 1 }, "The password. Without it: as `url` says, else none."),
    Field::new("db", integer(0, 65_535), "The number of the database. Without it: as `url` says, else 0.")
        .zero("the first one"),
    Field::new(
        "tls",
        Kind::Boolean,
        "Whether the connection is encrypted though `url` begins with `redis://`. `rediss://` always is.",
    )
    .default("false"),
    Field::new(
        "ca",
        Kind::Text(Format::Path),
        "A file of PEM certificates that are trusted besides the usual ones.",
    ),
    Field::new(
        "connect_timeout",
        duration("1ms", "1m"),
        "How long connecting may take. Looking the name up and a TLS handshake have a second each besides, or this where it is longer.",
    )
    .default("250ms"),
    Field::new(
        "timeout",
        duration("1ms", "10s"),
        "How long one operation may take; then a read goes on as if Redis had nothing. An invalidation has five times as long, twice, before it is deferred.",
    )
    .default("50ms"),
    Field::new(
        "in_flight_max",
        integer(64, 1_000_000),
        "Operations that may be under way at once on one connection; the next one is refused at once, and its read goes on as if Redis had nothing.",
    )
    .default("4096"),
    Field::new(
        "lease",
        duration("1s", "1m"),
        "How long a node that is gone keeps others from loading what it was loading. One that lives renews it.",
    )
    .default("3s"),
    Field::new(
        "push",
        choice(&["auto", "tracking", "publish", "none"]),
        "How a node hears what others invalidate. `auto`: the first of these that proves to work. `tracking`: the server tells of every change (`CLIENT TRACKING`). `publish`: nodes tell one another over the server, for where a proxy or a missing right takes tracking away. `none`: not at all; then what is in memory is answered for 0.9s at most before Redis is asked for it again, and the level is `eventual`. One that is named and does not prove to work is as `none`. Which one it is, and what it costs, is in `/cache/health`.",
    )
    .default("auto"),
    Field::new(
        "replicas_min",
        integer(0, 64),
        "How many replicas have to follow without lag for a strict read to count as fresh. For a server that may be cut off from replicas that then replace it; set its `min-replicas-to-write` to the same.",
    )
    .default("0")
    .zero("none has to"),
    Field::new(
        "metered",
        Kind::Text(Format::Quota),
        "Where commands are paid for: how many this node may send in a day, by UTC, as `\"10000/day\"`. Then nothing is sent that nobody asked for, the connection is made when it is first needed, what others invalidate is not heard (`push` is `none`), 80 % is a warning in log and health, and at 100 % the rest of the day goes without Redis. Each node counts its own since its start: divide a plan by the nodes. Without it: not counted.",
    ),
    Field::new(
        "key_names",
        choice(&["hashed", "readable"]),
        "What the names of entries say. `hashed`: nothing. `readable`: after the hash, the namespace and the key as it is written, `shop:jobs:list:all:0:50`, for people with other tools: at most 128 bytes, letters of other alphabets and all that a tool could misread as `%20`, what is longer cut and ended with `~`. Whoever can list the keys learns what is in them. A class may say otherwise; nodes that differ in it share no entries of it, and invalidate one another's all the same.",
    )
    .default("hashed"),
    Field::new(
        "key",
        Kind::Secret { min: 43 },
        "What entries are sealed with: 32 bytes in base64 or hexadecimal, as `openssl rand -base64 32` makes them, in `${ALACENA_KEY}` or a `file:`; the same on every node. Without it, who can read Redis can read the entries.",
    ),
    Field::new(
        "key_previous",
        Kind::Secret { min: 43 },
        "The key that `key` takes the place of. What it sealed is still opened, so that nodes can change one by one.",
    ),
    Field::new(
        "journal",
        Kind::Table(JOURNAL),
        "A table for invalidations that Redis could not be told of yet, for where the disk of the node does not outlive it: `journal = { source = \"db\" }`. What the application writes into it in its own transactions is invalidated, too. Without it: in the embedded store.",
    ),
    Field::new("breaker", Kind::Table(BREAKER), "When a Redis that fails is left alone."),
];

const JOURNAL: &[Field] = &[
    Field::new("source", Kind::Text(Format::Name), "A source of kind `sqlite`.").required(),
    Field::new(
        "table",
        Kind::Text(Format::Identifier),
        "Its table for them, which is made where it is missing.",
    )
    .default("alacena_outbox"),
    Field::new(
        "every",
        duration("10ms", "1m"),
        "How often it is looked into for what the application and other nodes have written.",
    )
    .default("200ms"),
];

const BREAKER: &[Field] = &[
    Field::new(
        "failures",
        integer(1, 10_000),
        "Failures within `window`, those of connecting included, that switch it off.",
    )
    .default("5"),
    Field::new("window", duration("1s", "1h"), "How far back failures count.").default("120s"),
    Field::new(
        "reset_max",
        duration("1s", "1h"),
        "The longest pause before it is tried again; the first one is 1 s, then they double.",
    )
    .default("60s"),
];
