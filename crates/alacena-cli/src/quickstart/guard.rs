//! When the example may be shown: a configuration that was lost must not look healthy.

use alacena::error::{Error, catalogue};

/// Names in the environment that only somebody sets who means to run a service of their own.
fn means_business(name: &str) -> bool {
    const LISTEN: &str = "ALACENA__SERVER__LISTEN";
    name == "PORT" || name.starts_with("REDIS") || (name.starts_with("ALACENA__") && name != LISTEN)
}

/// Refuses to stand in for a configuration that seems to have been lost.
///
/// # Errors
/// `Invalid`, naming what speaks against it and how to go on.
pub(super) fn check(names: impl Iterator<Item = String>) -> Result<(), Error> {
    let mut found: Vec<String> = names.filter(|name| means_business(name)).collect();
    if found.is_empty() {
        return Ok(());
    }
    found.sort_unstable();
    let (names, verb) = (found.join(", "), if found.len() == 1 { "is" } else { "are" });
    let detail = format!(
        "there is no alacena.toml here, but {names} {verb} set: the configuration seems to be lost, and the example \
         does not stand in for it; to see the example, unset {names}"
    );
    Err(Error::new(&catalogue::CONFIGURATION_ABSENT, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(names: &[&str]) -> Option<String> {
        let names = names.iter().map(|name| (*name).to_owned());
        check(names).err().map(|error| error.detail().to_owned())
    }

    #[test]
    fn a_lost_configuration_does_not_look_healthy() {
        for name in ["PORT", "REDIS_URL", "REDISHOST", "ALACENA__MEMORY__MAX"] {
            let refusal = refusal(&["HOME", name]).unwrap();
            assert!(refusal.contains(&format!("unset {name}")), "{refusal}");
        }
    }

    #[test]
    fn with_nothing_of_ones_own_it_may_be_shown() {
        assert_eq!(refusal(&["HOME", "ALACENA__SERVER__LISTEN", "ALACENA_TOKEN", "SUPPORT", "PORTAL"]), None);
    }
}
