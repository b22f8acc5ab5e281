//! The file of the store: where it lies, who may read it, and whether it is whole.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use alacena_core::error::{Error, catalogue};
use redb::{Database, DatabaseError, StorageError};

use super::owner;

/// The store's file in its folder.
pub(super) const FILE: &str = "store.redb";
/// A store that is being written anew, until it takes the place of [`FILE`].
pub(super) const FILE_DRAFT: &str = "store.redb.draft";

/// Memory for pages of the file; redb's own default is 1 GiB.
const PAGES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Creates the folder for its owner's eyes only, and keeps it out of version control: it holds a secret.
pub(super) fn make_folder(folder: &Path) -> Result<(), Error> {
    let make = || {
        if folder.is_dir() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        fs::write(folder.join(".gitignore"), "*\n")
    };
    make().map_err(|error: std::io::Error| {
        failed(folder, format!("the folder cannot be created: {error}")).caused_by(error)
    })
}

/// The file called `name`, for its owner only, which is made if it is not there.
pub(super) fn handle(folder: &Path, name: &str) -> Result<fs::File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(folder.join(name)).map_err(|error| {
        failed(folder, format!("{name} cannot be opened for writing: {error}")).caused_by(error)
    })
}

/// Opens the file called `name`, which is made if it is not there, and locks it.
pub(super) fn open(folder: &Path, name: &str) -> Result<Database, Error> {
    undamaged(handle(folder, name)?).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let first =
                owner::read_owner(folder).map_or("another process".to_owned(), |owner| owner.to_string());
            Error::new(&catalogue::STORE_OWNED, format!("it belongs to {first}"))
                .with("path", folder.display())
        }
        DatabaseError::Storage(StorageError::Corrupted(_)) => failed(
            folder,
            format!(
                "{name} is damaged: put a copy back, or move it away and its history with it, and start anew"
            ),
        )
        .caused_by(error),
        error => failed(folder, format!("{name} cannot be read: {error}")).caused_by(error),
    })
}

/// Puts the draft in the place of the file, so that a crash leaves one or the other.
pub(super) fn replace(folder: &Path) -> Result<(), Error> {
    let replace = || {
        fs::rename(folder.join(FILE_DRAFT), folder.join(FILE))?;
        // Not before the folder is on disk does the new name survive a loss of power.
        #[cfg(unix)]
        fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    replace().map_err(|error: std::io::Error| {
        failed(folder, format!("{FILE_DRAFT} cannot take the place of {FILE}: {error}")).caused_by(error)
    })
}

/// Removes what an earlier process began and did not finish.
pub(super) fn remove_draft(folder: &Path) {
    // Where it cannot be removed, it cannot be opened either, and that is told.
    let _ = fs::remove_file(folder.join(FILE_DRAFT));
}

/// The store in `folder` failed.
pub(super) fn failed(folder: &Path, detail: String) -> Error {
    Error::new(&catalogue::STORE_FAILED, detail).with("path", folder.display())
}

/// Opens the file and looks at every page of it (it is small: see [`HISTORY_MAX`](super::store::HISTORY_MAX)), because
/// redb trusts its pages later and panics over a damaged one. While it looks it may panic as well; that is an answer,
/// too.
fn undamaged(file: fs::File) -> Result<Database, DatabaseError> {
    let look = || {
        let mut database = Database::builder().set_cache_size(PAGES_BYTES_MAX).create_file(file)?;
        database.check_integrity()?;
        Ok(database)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(look))
        .unwrap_or_else(|_| Err(StorageError::Corrupted("redb panicked over it".to_owned()).into()))
}
