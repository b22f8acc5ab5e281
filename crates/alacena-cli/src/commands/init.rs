//! `alacena init`.

use std::{fs, io, path::Path};

use alacena::error::{Error, catalogue};
use serde_json::json;

use crate::{
    args::Init,
    failure::Failure,
    init::{CONFIGURATION, CONFIGURATION_FILE, DATABASE_FILE, create_database},
    say::{self, Paint},
};

pub(super) async fn run(arguments: Init) -> Result<(), Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).map_err(|cause| unwritable(folder, cause))?;
    let (configuration, database) = (folder.join(CONFIGURATION_FILE), folder.join(DATABASE_FILE));
    for file in [&configuration, &database] {
        if file.exists() && !arguments.force {
            let detail = format!("{} is there already; --force writes over it", file.display());
            return Err(Error::new(&catalogue::CONFIGURATION_INVALID, detail).into());
        }
    }
    create_database(&database).map_err(|cause| unwritable(&database, cause))?;
    fs::write(&configuration, CONFIGURATION).map_err(|cause| unwritable(&configuration, cause))?;

    let (configuration, database) = (configuration.display().to_string(), database.display().to_string());
    if arguments.output.json {
        say::json(&json!({ "written": [configuration, database] }));
        return Ok(());
    }
    let paint = Paint::stdout();
    let named = if folder == Path::new(".") { String::new() } else { format!(" --config {configuration}") };
    say::answer(&format!(
        "{} {configuration}, with comments, and {database}, a small shop to ask\n\n  {}\n  {}\n  {}",
        paint.good("written:"),
        paint.command(&format!("alacena check{named}")),
        paint.command(&format!("alacena serve{named}")),
        paint.command("curl -i http://127.0.0.1:8080/reads/products"),
    ));
    Ok(())
}

fn unwritable(path: &Path, cause: io::Error) -> Error {
    Error::new(&catalogue::STORE_FAILED, format!("{} cannot be written: {}", path.display(), cause.kind()))
        .caused_by(cause)
}
