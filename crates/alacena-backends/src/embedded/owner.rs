//! Who has the store: a small file beside it, for people and for the command line.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

const FILE: &str = "owner.json";
const FILE_DRAFT: &str = "owner.json.draft";

/// The process that has a store open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Its process number.
    pub pid: u32,
    /// Where it can be reached over HTTP, if it can.
    pub listen: Option<String>,
    /// When it opened the store, in milliseconds since 1970.
    pub started_at: u64,
}

/// The process that opened the store in `folder` last and has not closed it; it may have been killed since, so
/// connect to it to find out.
#[must_use]
pub fn read_owner(folder: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
}

/// Writes the owner file, whole or not at all. Only for the process that holds the lock.
pub(super) fn write(folder: &Path, owner: &Owner) -> io::Result<()> {
    let draft = folder.join(FILE_DRAFT);
    fs::write(&draft, serde_json::to_vec(owner)?)?;
    fs::rename(draft, folder.join(FILE))
}

/// Removes the owner file. Only for the process that holds the lock.
pub(super) fn remove(folder: &Path) {
    // A file that stays names a process that is gone: harmless.
    let _ = fs::remove_file(folder.join(FILE));
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)?;
        match &self.listen {
            Some(listen) => write!(f, " at {listen}"),
            None => Ok(()),
        }
    }
}
