//! The configuration: one file, read once, every problem named at once.

mod model;
mod origin;

pub use model::{
    Config, EmbeddedConfig, GuardConfig, HttpConfig, HttpQuestion, LogFormat, MemoryConfig, Question,
    ReadConfig, Role, ServerConfig, Shape, SourceConfig, SourceKind, SqliteConfig, TargetTemplate,
    TokenConfig, TokenHash, WriteConfig,
};
pub use origin::Origin;
