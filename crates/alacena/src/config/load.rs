//! From a file, an environment and flags to a configuration, or to everything that is wrong with them.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    Config, Origin, Problems,
    check::Check,
    document::{self, TEXT_BYTES_MAX},
    layers, meaning,
    problem::Problem,
    schema::ROOT,
    tree::Table,
};

/// What a configuration is made of, lowest layer first: a file, the environment, flags.
#[derive(Clone, Default)]
pub struct Layers {
    /// The file; without one there are only defaults.
    pub file: Option<PathBuf>,
    /// The environment: names that hosts use, `ALACENA__SECTION__FIELD`, and what `${NAME}` names.
    pub environment: BTreeMap<String, String>,
    /// Paths with values, as flags set them: `("server.listen", "127.0.0.1:9000")`.
    pub flags: Vec<(String, String)>,
}

impl Layers {
    /// `file` with the environment of this process. What is no UTF-8 in it is left out.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, environment: std::env::vars_os().filter_map(text).collect(), flags: Vec::new() }
    }
}

impl fmt::Debug for Layers {
    /// Names, and no values: those of the environment are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<&str> = self.flags.iter().map(|(path, _)| path.as_str()).collect();
        f.debug_struct("Layers").field("file", &self.file).field("flags", &flags).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the file and lays environment and flags over it.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines.
    pub fn load(layers: &Layers) -> Result<Config, Problems> {
        read(layers).map(|(config, _)| config)
    }

    /// The configuration that `text` describes; problems call it `name`. `layers.file` is not read: its folder is
    /// what paths are relative to.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines.
    ///
    /// ```
    /// use alacena::config::{Config, Layers};
    ///
    /// let config = Config::parse("[classes.jobs]\nttl = \"30m\"\n", "alacena.toml", &Layers::default()).unwrap();
    /// assert_eq!(config.classes["jobs"].ttl.as_secs(), 1800);
    ///
    /// let problems = Config::parse("[classes.jobs]\ntll = \"30m\"\n", "alacena.toml", &Layers::default()).unwrap_err();
    /// assert!(problems.to_string().starts_with(
    ///     "alacena.toml:2:1: classes.jobs.tll: unknown key; did you mean `ttl`?"
    /// ));
    /// ```
    pub fn parse(text: &str, name: &str, layers: &Layers) -> Result<Config, Problems> {
        assemble(name, text, layers).map(|(config, _)| config)
    }
}

/// The configuration that the layers make, and what was written in them.
pub(super) fn read(layers: &Layers) -> Result<(Config, Table), Problems> {
    let Some(file) = &layers.file else { return assemble("alacena.toml", "", layers) };
    let name = file.display().to_string();
    match text_of(file, &name) {
        Ok(text) => assemble(&name, &text, layers),
        Err(problem) => Err(Problems::found(vec![problem]).expect("one problem is some")),
    }
}

fn assemble(name: &str, text: &str, layers: &Layers) -> Result<(Config, Table), Problems> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let tree = document::parse(name, text, &mut problems);
    // A text that is no TOML says nothing about its values; what lies above it is told when it is mended.
    let broken = tree.is_none();
    let mut tree: Table = tree.unwrap_or_default();
    let switches = layers::apply(&mut tree, &layers.environment, &layers.flags, &mut problems, &mut warnings);
    if broken {
        return Err(Problems::found(problems).expect("a text that is no TOML has a problem"));
    }
    let folder = layers.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let mut check =
        Check { environment: &layers.environment, folder, problems: Vec::new(), origins: BTreeMap::new() };
    let root = check.section(ROOT, &tree, "", &Origin::whole(name));
    let Check { problems: found, mut origins, .. } = check;
    problems.extend(found);
    for (path, name, switch) in switches.named() {
        if switch.is_some() {
            origins.insert(path.to_owned(), Origin::environment(name));
        }
    }
    let config = meaning::of(&root, layers.file.as_deref(), origins, switches, warnings, &mut problems);
    match Problems::found(problems) {
        Some(problems) => Err(problems),
        None => Ok((config, tree)),
    }
}

fn text_of(file: &Path, name: &str) -> Result<String, Problem> {
    let origin = Origin::whole(name);
    let problem = |message: String, remedy: &str| Problem::new(&origin, "", message, remedy);
    let unreadable = |error: std::io::Error| {
        problem(
            format!("cannot be read: {error}"),
            "Check the path and its rights; `alacena init` writes a first one.",
        )
    };
    let mut bytes = Vec::new();
    let limit = TEXT_BYTES_MAX as u64 + 1;
    fs::File::open(file).map_err(unreadable)?.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        problem(format!("is not UTF-8, first on line {line}"), "Save it as UTF-8.")
    })
}
