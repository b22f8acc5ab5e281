//! The configuration as data: each section and each field is described once, in a table.
//!
//! The same tables drive the check of a file, of environment names and of flags, and write the reference page.

mod sections;
mod redis;
mod classes;
mod declarations;

pub(super) use sections::ROOT;

/// One field of a section.
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What may stand there.
    pub(super) kind: Kind,
    /// What stands in for it, written as in a file.
    pub(super) default: Option<&'static str>,
    /// Whether its section is refused without it.
    pub(super) required: bool,
    /// What zero means; empty where zero is not accepted or means nothing in particular.
    pub(super) zero: &'static str,
    /// The `kind` of the source that it belongs to; empty: to every one.
    pub(super) only: &'static str,
    /// What it is, in one sentence or two.
    pub(super) doc: &'static str,
}

/// What may stand in a field.
pub(super) enum Kind {
    /// A whole number and a unit of time, both limits included.
    Duration { min: &'static str, max: &'static str },
    /// A whole number and a unit of size, both limits included.
    Bytes { min: &'static str, max: &'static str },
    /// A whole number, both limits included.
    Integer { min: i64, max: i64 },
    /// Any finite number.
    Number,
    /// A number from zero to `max`.
    Ratio { max: f64 },
    /// `true` or `false`.
    Boolean,
    /// Text of a form.
    Text(Format),
    /// Text that is never shown, of at least `min` bytes.
    Secret { min: usize },
    /// One of a few words; those of `later` are not built yet.
    Choice { words: &'static [&'static str], later: &'static [&'static str] },
    /// Several of a kind.
    List { of: &'static Kind, max: usize },
    /// HTTP header names with text: secret values, or templates.
    Headers { secret: bool },
    /// Names of parameters with a text of a form each.
    Texts { format: Format, max: usize },
    /// A JSON document whose strings are templates.
    Json,
    /// What a read answers: a schema, or the name of a file with one.
    Answer,
    /// A value of a parameter.
    Scalar,
    /// What a write invalidates.
    Target,
    /// Values of parameters, by name.
    Values,
    /// A section or an inline table.
    Table(&'static [Field]),
    /// Sections that have names: `[classes.<name>]`.
    Named { names: Names, fields: &'static [Field], max: usize },
    /// Part of the design, and not built yet.
    Later,
    /// Nothing that a configuration can say; why, and what to do.
    Elsewhere { message: &'static str, remedy: &'static str },
}

/// What the names of sections look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Lower case, since they become paths, tools and environment names.
    Section,
    /// As the source spells them.
    Parameter,
}

/// The form of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One line for people.
    Line,
    /// Text for people.
    Prose,
    /// A name that something else declares.
    Name,
    /// The name of a key space.
    Namespace,
    /// An address with a port.
    Address,
    /// The name of a host.
    Host,
    /// `scheme://host[:port]`.
    WebOrigin,
    /// An `http://` or `https://` address.
    BaseUrl,
    /// The `https://` address by which an authorization server calls itself.
    Issuer,
    /// The name of an HTTP header.
    HeaderName,
    /// A path in the file system.
    Path,
    /// `blake3:` and 64 hexadecimal digits.
    TokenHash,
    /// A level, or levels for parts of the program.
    LogFilter,
    /// A method, a space, a path with holes.
    Request,
    /// A statement.
    Sql,
    /// A JSON pointer.
    Pointer,
    /// Minutes that recur.
    Cron,
    /// Text with holes for parameters.
    Template,
    /// The same, known before the source is asked.
    Tag,
    /// A number for a day.
    Quota,
    /// The name of a table.
    Identifier,
}

/// Longest text of every other form, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1024;
/// Longest description, statement or template, in bytes.
pub(super) const PROSE_BYTES_MAX: usize = 16 * 1024;
/// Most headers of one table.
pub(super) const HEADERS_MAX: usize = 32;

impl Format {
    /// Longest text of this form, in bytes.
    pub(super) const fn bytes_max(self) -> usize {
        match self {
            Format::Prose | Format::Request | Format::Sql | Format::Template | Format::Tag => PROSE_BYTES_MAX,
            _ => TEXT_BYTES_MAX,
        }
    }
}

impl Field {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: None, required: false, zero: "", only: "", doc }
    }

    /// Part of the design, and not built yet.
    const fn later(name: &'static str) -> Self {
        Self::new(name, Kind::Later, "")
    }

    /// Part of Alacena, and nothing that a configuration can say.
    const fn elsewhere(name: &'static str, message: &'static str, remedy: &'static str) -> Self {
        Self::new(name, Kind::Elsewhere { message, remedy }, "")
    }

    /// Whether it may be given.
    pub(super) const fn is_accepted(&self) -> bool {
        !matches!(self.kind, Kind::Later | Kind::Elsewhere { .. })
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn zero(mut self, meaning: &'static str) -> Self {
        self.zero = meaning;
        self
    }

    const fn only(mut self, kind: &'static str) -> Self {
        self.only = kind;
        self
    }
}

/// The field called `name`.
pub(super) fn find(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.name == name)
}

/// The section in which a field called `name` may stand, for who put it in the wrong one: `[classes.<name>]`.
pub(super) fn home_of(name: &str) -> Option<String> {
    ROOT.iter().find_map(|section| match &section.kind {
        Kind::Table(fields) if has(fields, name) => Some(format!("[{}]", section.name)),
        Kind::Named { fields, .. } if has(fields, name) => Some(format!("[{}.<name>]", section.name)),
        _ => None,
    })
}

fn has(fields: &'static [Field], name: &str) -> bool {
    find(fields, name).is_some_and(Field::is_accepted)
}
