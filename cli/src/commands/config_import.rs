//! `config import`: `litestream.yml` to `walsync.toml`.

use crate::args::ImportRequest;
use crate::config::Surroundings;
use crate::exit::{Failure, Kind};
use crate::litestream::{Imported, LeftOut, import};
use crate::output::Printer;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Prints the configuration, or writes it to a file, and says what has no equivalent.
///
/// # Errors
/// Exit 2: the file cannot be read, is none of Litestream's, or the output exists or cannot be written; 3: its disk is full.
pub(super) fn run(
    request: &ImportRequest,
    surroundings: &Surroundings,
    printer: &Printer,
) -> Result<(), Failure> {
    let file = request.file.display();
    let text = read(&surroundings.working_dir.join(&request.file)).map_err(|error| {
        Failure::usage(format!("cannot read {file}"))
            .because(&error)
            .hint("walsync config import /etc/litestream.yml")
    })?;
    let imported = import(&text, &file.to_string()).map_err(|error| {
        Failure::usage(format!("{file} is no configuration of Litestream's"))
            .because(&error)
            .hint("walsync config import /etc/litestream.yml")
    })?;
    if let Some(output) = &request.output {
        write(&surroundings.working_dir.join(output), &imported.toml, request.force).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Unavailable,
                _ => Kind::Usage,
            };
            let failure = Failure::new(kind, format!("cannot write {}", output.display())).because(&error);
            match error.kind() {
                io::ErrorKind::AlreadyExists => failure.hint("replace it with: --force"),
                _ => failure.hint("name another file with: -o FILE"),
            }
        })?;
    }
    tell(&imported, request, printer)
}

fn tell(imported: &Imported, request: &ImportRequest, printer: &Printer) -> Result<(), Failure> {
    let Imported { toml, left_out, variables } = imported;
    let file = request.file.display();
    if printer.is_json() {
        return printer.document(&json!({
            "file": file.to_string(),
            "output": request.output.as_ref().map(|output| output.display().to_string()),
            "toml": toml,
            "left_out": left_out,
            "variables": variables,
        }));
    }
    for LeftOut { line, key, reason } in left_out {
        printer.warn(format!("{file}:{line}: {key}: {reason}"), None);
    }
    if !variables.is_empty() {
        printer.note(format!("environment variables that must be set: {}", variables.join(", ")));
    }
    match &request.output {
        None => printer.data(toml.trim_end()),
        Some(output) => {
            printer.note(format!("look at it with: walsync config check {}", output.display()));
            Ok(())
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB")),
        false => Ok(text),
    }
}

/// A new file, whole or not at all.
fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".walsync-import-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match force {
        true => file.persist(path).map_err(|error| error.error)?,
        false => file.persist_noclobber(path).map_err(|error| error.error)?,
    };
    File::open(folder)?.sync_all()
}

const BYTES_MAX: u64 = 1 << 20;
