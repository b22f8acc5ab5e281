//! The fields of `[reads.<name>]` and `[writes.<name>]`.

use super::{
    Field, Format, Kind, Names,
    sections::{choice, integer, list},
};

pub(super) const READS: &[Field] = &[
    Field::new("description", Kind::Text(Format::Prose), "What it answers, for people and agents.").default(""),
    Field::new("title", Kind::Text(Format::Line), "A short name for people; without it, the read's name."),
    Field::new("source", Kind::Text(Format::Name), "The source that is asked.").required(),
    Field::new("class", Kind::Text(Format::Name), "The class of its entries; without it, one of the read's name."),
    HTTP,
    SQL,
    Field::new(
        "queries",
        Kind::Named { names: Names::Parameter, fields: QUERY, max: 16 },
        "For an SQL source, instead of `sql`: several statements that see the same state of the database. The answer is an object with a member for each. Time, rows and bytes are limited as those of one statement.",
    ),
    HEADERS,
    BODY,
    Field::new(
        "pointer",
        Kind::Text(Format::Pointer),
        "The part of an HTTP answer that is kept, as a JSON pointer (RFC 6901): `/results`. Empty: all of it.",
    )
    .default(""),
    RESULT,
    Field::new(
        "answer",
        Kind::Answer,
        "What is answered, in words of JSON Schema: `type`, `title`, `description`, `properties`, `required`, `additionalProperties`, `items`, `enum`, `minimum`, `maximum`, `format`. As a table, or as the name of a file, relative to this one. MCP and OpenAPI pass it on; every answer of the source is checked against it, and one that is something else is refused (`answer-malformed`), naming the place and the rule. Without it: nothing is promised but the columns of an SQL source, as far as they are known.",
    ),
    PARAMETERS,
    Field::new(
        "tags",
        list(&Kind::Text(Format::Tag), 9),
        "What its entries can be invalidated by, with holes for parameters: `company:{company}`.",
    ),
    Field::new(
        "hard_tags",
        list(&Kind::Text(Format::Tag), 9),
        "Tags whose invalidation forbids the answer from then on: it does not stand in for a source that fails either. For permissions and deletions.",
    ),
    Field::new(
        "key",
        Kind::Text(Format::Template),
        "The key of an entry: segments separated by `:`, each of them constant text or one hole, the first one constant. It names every parameter. Without it: the read's name and then every parameter.",
    ),
    Field::new(
        "parent",
        Kind::Table(PARENT),
        "Another read that is asked first, for values that the question needs. The answer depends on everything that the parent's depends on, is kept no longer than the parent's is fresh, and is not kept where that is stale. At most 4 parents above one another.",
    ),
    Field::new("public", Kind::Boolean, "Whether it needs no token.").default("false"),
    Field::new(
        "warm",
        Kind::Table(WARM),
        "Answers that are loaded before anybody asks: `warm = { params = [{ from = 0, size = 50 }] }`. Only what is not fresh is loaded, after callers, and never while the source's breaker is open. Not for a source with `credentials`: nobody asks yet whose they could be.",
    ),
    UNORDERED,
];

const WARM: &[Field] = &[
    Field::new(
        "params",
        list(&Kind::Values, 100),
        "What is asked, one table a question: `[{ from = 0, size = 50 }, { status = \"active\" }]`. What a table leaves out is at its default. Without it: one question, with everything at its default.",
    ),
    Field::new(
        "at_start",
        Kind::Boolean,
        "Whether they are loaded when the server starts, and when it takes another configuration.",
    )
    .default("true"),
    Field::new(
        "after_invalidation",
        Kind::Boolean,
        "Whether they are loaded again once they have been invalidated: those, and no others. Invalidations that follow each other within half a second are waited for, five seconds at most.",
    )
    .default("true"),
    Field::new(
        "cron",
        Kind::Text(Format::Cron),
        "When they are loaded besides, in UTC: `0 6 * * mon-fri`. Times that pass while the machine sleeps are made up for once.",
    ),
    Field::new(
        "concurrency",
        integer(1, 16),
        "Loads at once. A source is warmed for one read at a time, with at most a quarter of its `concurrency`.",
    )
    .default("2"),
];

pub(super) const WRITES: &[Field] = &[
    Field::new("description", Kind::Text(Format::Prose), "What it does, for people.").default(""),
    Field::new("source", Kind::Text(Format::Name), "The source that is changed.").required(),
    HTTP,
    SQL,
    HEADERS,
    BODY,
    PARAMETERS,
    Field::new(
        "invalidates",
        list(&Kind::Target, 32),
        "What it invalidates: a tag (`\"company:{company}\"`), `{ prefix = \"jobs:list\" }`, `{ pattern = \"activities:list:*:{id}:*\" }`, `{ key = \"jobs:detail:{id}\" }` or `{ class = \"jobs\" }`.",
    ),
    Field::later("settle"),
    UNORDERED,
];

const QUERY: &[Field] = &[
    Field::new("sql", Kind::Text(Format::Sql), "One statement with named parameters.").required(),
    Field::new(
        "result",
        choice(&["rows", "row"]),
        "All rows as a list, or the first one as an object; without one the member is `null`.",
    )
    .default("rows"),
];

const PARENT: &[Field] = &[
    Field::new("read", Kind::Text(Format::Name), "The read that is asked first.").required(),
    Field::new(
        "params",
        Kind::Texts { format: Format::Template, max: 32 },
        "Its parameters, with holes for those of this read: `params = { id = \"{job_id}\" }`.",
    ),
    Field::new(
        "take",
        Kind::Texts { format: Format::Pointer, max: 8 },
        "What the question calls each value, and where in the parent's answer it stands, as a JSON pointer: `take = { customer_id = \"/customer/id\" }`. Text, a number, true or false; where it is `null` or missing, there is no such thing (404). Never in `key`, `tags` or `hard_tags`: those are known before anything is asked.",
    )
    .required(),
];

pub(super) const UNORDERED: Field = Field::elsewhere(
    "unordered",
    "is for values that are set without a load, which nothing that a configuration declares ever does",
    "Remove it. An application that sets values itself says so in its own class: `Policy { unordered: true, .. }`.",
);

const HTTP: Field = Field::new(
    "http",
    Kind::Text(Format::Request),
    "For an HTTP source: method and path with holes, `GET /jobs?from={from}&filter={filter?}`. A parameter of the query that is absent takes its pair with it. A hole `{name?}` that nothing declares is an optional text parameter.",
);
const SQL: Field = Field::new(
    "sql",
    Kind::Text(Format::Sql),
    "For an SQL source: one statement with named parameters, `select * from users where id = :id`.",
);
const HEADERS: Field = Field::new(
    "headers",
    Kind::Headers { secret: false },
    "Headers of this request, with holes. Secrets belong in the source's `headers`.",
);
const BODY: Field = Field::new(
    "body",
    Kind::Json,
    "The JSON body of the request. A text that is exactly one hole takes the parameter with its type; an absent one drops its member. A write without it sends every parameter that path, query and headers do not use.",
);
const RESULT: Field = Field::new(
    "result",
    choice(&["rows", "row"]),
    "For an SQL source: all rows as a list, or the first one as an object; without one there is no such thing (404).",
)
.default("rows");
const PARAMETERS: Field = Field::new(
    "params",
    Kind::Named { names: Names::Parameter, fields: PARAMETER, max: 32 },
    "What a caller may give: `params.size = { type = \"integer\", default = 100, max = 1000 }`.",
);

const PARAMETER: &[Field] = &[
    Field::new("type", choice(&["integer", "number", "boolean", "string"]), "Its type.").required(),
    Field::new("default", Kind::Scalar, "What stands in for it when it is absent."),
    Field::new(
        "required",
        Kind::Boolean,
        "Whether a call without it is refused; without this field, where there is no default.",
    ),
    Field::new("min", Kind::Number, "Smallest number accepted."),
    Field::new("max", Kind::Number, "Largest number accepted."),
    Field::new("length_max", integer(1, 65_536), "Longest text accepted, in bytes.").default("1024"),
    Field::new("choices", list(&Kind::Scalar, 100), "The only values accepted."),
    Field::new("description", Kind::Text(Format::Prose), "What it means, for people and agents.").default(""),
];
