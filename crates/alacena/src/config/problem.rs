//! What is wrong with a configuration: all of it at once, each with its place and its remedy.

use std::fmt;

use alacena_core::error::{Code, Error, catalogue};

use super::Origin;

/// Most problems shown; a file that has more is not a configuration.
const SHOWN_MAX: usize = 100;

/// What to do about something that is not built yet.
pub(super) const NOT_BUILT_REMEDY: &str =
    "Remove it, or use a version that has it; CHANGELOG.md says what each version has.";

/// One thing that is wrong. Its text names keys and places, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    origin: Origin,
    path: String,
    message: String,
    remedy: String,
    code: &'static Code,
}

impl Problem {
    /// Something that is not accepted.
    pub(super) fn new(
        origin: &Origin,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            origin: origin.clone(),
            path: path.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
            code: &catalogue::CONFIGURATION_INVALID,
        }
    }

    /// Something that Alacena is to have and does not have yet.
    pub(super) fn not_built(origin: &Origin, path: &str, remedy: impl Into<String>) -> Self {
        let mut problem = Self::new(origin, path, "not built yet", remedy);
        problem.code = &catalogue::NOT_BUILT_YET;
        problem
    }

    /// The file and place, the environment name or the flag that says it.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What it is about: `classes.jobs.ttl`. Empty where it is about the file as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// Its entry in the catalogue: not accepted, or not built yet.
    #[must_use]
    pub fn code(&self) -> &'static Code {
        self.code
    }
}

impl fmt::Display for Problem {
    /// `alacena.toml:12:3: classes.jobs.tll: unknown key; did you mean `ttl`?`, and the remedy on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}\n    {}", self.message, self.remedy)
    }
}

/// Everything that is wrong with a configuration, in the order of its lines; at least one problem.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts what was found in order; none found is no `Problems`.
    pub(super) fn found(mut problems: Vec<Problem>) -> Option<Self> {
        // Stable: problems of one place stay in the order in which they were found.
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// The problems, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().take(SHOWN_MAX).enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    /// One error with every problem in its detail.
    fn from(problems: Problems) -> Error {
        let missing_only = problems.0.iter().all(|problem| *problem.code == catalogue::NOT_BUILT_YET);
        let code = if missing_only { &catalogue::NOT_BUILT_YET } else { &catalogue::CONFIGURATION_INVALID };
        Error::new(code, format!("\n{problems}"))
    }
}
