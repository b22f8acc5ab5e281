//! The configuration: one file, everything above it, and all that is wrong named at once.
//!
//! The path of a configuration, one file a step: `load` → `document` (TOML → tree, with lines and columns) → `layers`
//! (environment and flags over it) → `check` (tree against `schema`: types, units, limits, defaults, secrets) →
//! `meaning` (what must hold between values) → [`Config`].
//!
//! Lowest layer first: defaults, the file, environment names that hosts already use, `ALACENA__SECTION__FIELD`, flags.
//! Every step goes on after a problem, so that one look at the answer is enough. No problem repeats a value: what
//! stands in the file may be a secret in the wrong place.

mod load;
mod document;
mod tree;
mod secrets;
mod layers;
mod schema;
mod check;
mod forms;
mod units;
mod setting;
mod meaning;
mod model;
mod origin;
mod problem;
mod reference;
mod explain;
mod json_schema;

pub use explain::Explained;
pub use json_schema::json_schema;
pub use load::Layers;
pub use model::{
    BreakerConfig, Config, EmbeddedConfig, GuardConfig, HttpConfig, HttpQuestion, JournalConfig, LogFormat,
    MemoryConfig, ParentConfig, PushConfig, Question, ReadConfig, RedisConfig, Role, ServerConfig, Shape,
    SourceConfig, SourceKind, SqlQuery, SqliteConfig, TargetTemplate, TokenConfig, TokenHash, TtlFrom,
    WarmConfig, WriteConfig,
};
#[cfg(feature = "redis")]
pub use model::{RedisAddress, RedisCredentials, RedisPlace};
pub use origin::Origin;
pub use problem::{Problem, Problems};
pub use reference::reference;
