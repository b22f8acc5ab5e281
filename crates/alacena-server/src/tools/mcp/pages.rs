//! The list of tools in pages.
//!
//! A cursor says where the next page begins and what list that is a page of: once the list is another one, its cursors
//! are refused, and the client begins again instead of missing a tool or meeting one twice.

use alacena::error::{Error, catalogue};

use super::super::Tool;

/// Tools in one answer. Many clients ask for the first page only, so that few servers should need a second one.
pub(super) const PAGE: usize = 250;

/// The page of `tools` that begins at `cursor`, and the cursor of the one behind it.
///
/// # Errors
/// `Invalid` where the cursor is none of this list's.
pub(super) fn page(mut tools: Vec<Tool>, cursor: Option<&str>) -> Result<(Vec<Tool>, Option<String>), Error> {
    if cursor.is_none() && tools.len() <= PAGE {
        return Ok((tools, None));
    }
    let list = fingerprint(&tools);
    let start = match cursor {
        None => 0,
        Some(cursor) => position(cursor, &list).filter(|start| *start < tools.len()).ok_or_else(|| {
            let detail = "the cursor belongs to no list of today; list again without one";
            Error::new(&catalogue::PARAMETER_INVALID, detail)
        })?,
    };
    let mut page = tools.split_off(start);
    let rest = page.len() > PAGE;
    page.truncate(PAGE);
    Ok((page, rest.then(|| format!("{:x}-{list}", start + PAGE))))
}

fn position(cursor: &str, list: &str) -> Option<usize> {
    let (position, of) = cursor.split_once('-')?;
    (of == list).then(|| usize::from_str_radix(position, 16).ok()).flatten()
}

fn fingerprint(tools: &[Tool]) -> String {
    let mut hasher = blake3::Hasher::new();
    for tool in tools {
        hasher.update(tool.name.as_bytes()).update(b"\0");
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(count: usize) -> Vec<Tool> {
        let tool = |number| Tool { name: format!("tool-{number}"), ..Tool::default() };
        (0..count).map(tool).collect()
    }

    #[test]
    fn the_pages_together_are_the_list_in_its_order() {
        for count in [0, 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE + 7] {
            let (mut all, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
            loop {
                let (page, next) = page(tools(count), cursor.as_deref()).unwrap();
                all.extend(page);
                pages += 1;
                match next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(all, tools(count));
            assert_eq!(pages, count.div_ceil(PAGE).max(1), "{count}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let (_, cursor) = page(tools(PAGE + 2), None).unwrap();
        let cursor = cursor.unwrap();
        assert!(page(tools(PAGE + 2), Some(&cursor)).is_ok());
        for (count, cursor) in [(PAGE + 1, &*cursor), (PAGE + 2, "1"), (PAGE + 2, ""), (1, "0-0")] {
            assert_eq!(page(tools(count), Some(cursor)).unwrap_err().code(), &catalogue::PARAMETER_INVALID);
        }
        let beyond = format!("{:x}-{}", usize::MAX, fingerprint(&tools(2)));
        assert!(page(tools(2), Some(&beyond)).is_err());
    }
}
