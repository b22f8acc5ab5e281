//! The pages: written anew where they are generated, and checked for links that lead nowhere.

use std::{collections::HashSet, fs, path::Path};

use crate::command::{Result, cargo, program, read, root, run};

/// Writes the generated pages anew: the tests that compare them write them instead when `UPDATE` is set.
pub(crate) fn write() -> Result {
    run(cargo(&["test", "--locked", "--workspace", "--no-fail-fast", "--test", "*reference"])
        .env("UPDATE", "1"))
}

/// Checks that every link between our pages leads to a file, and to a heading where it names one.
pub(crate) fn check() -> Result {
    let listed =
        read(program("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]))?;
    let pages: Vec<&str> = listed.lines().filter(|page| root().join(page).is_file()).collect();
    let mut dead = 0;
    for page in &pages {
        let path = root().join(page);
        let text = fs::read_to_string(&path).map_err(|error| format!("{page}: {error}"))?;
        for link in links(&text) {
            if let Err(why) = follow(&path, &link) {
                println!("  {page}: {link}: {why}");
                dead += 1;
            }
        }
    }
    println!("  {} pages looked at", pages.len());
    if dead == 0 { Ok(()) } else { Err(format!("{dead} links lead nowhere")) }
}

fn follow(page: &Path, link: &str) -> Result {
    if link.starts_with("http://") || link.starts_with("https://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() { page.to_owned() } else { page.with_file_name(file) };
    if !path.exists() {
        return Err("no such file".to_owned());
    }
    let Some(heading) = heading else { return Ok(()) };
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    if headings(&text).contains(heading) { Ok(()) } else { Err("no such heading".to_owned()) }
}

/// The text of a page without its code, which may hold anything.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

fn links(text: &str) -> Vec<String> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned()))
        .collect()
}

/// The anchors of a page's headings, made as GitHub makes them.
fn headings(text: &str) -> HashSet<String> {
    let anchor = |heading: &str| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# The `path` of a read\nsee [a](b.md#c) and [d](e.md)\n```\n[x](y)\n# z\n```\n";

    #[test]
    fn links_are_found_outside_code() {
        assert_eq!(links(PAGE), ["b.md#c", "e.md"]);
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(headings(PAGE), HashSet::from(["the-path-of-a-read".to_owned()]));
    }
}
