//! A file that a command leaves behind: the whole of it or none.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that can be written, and is not there until it is.
pub(super) struct NewFile {
    path: PathBuf,
    target: Target,
}

enum Target {
    /// Takes the place of what is there, if anything.
    Replacing(NamedTempFile),
    /// A device or a pipe, which nothing must take the place of.
    Special(File),
}

impl NewFile {
    /// Makes sure that it can be written.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let opened = match path.metadata() {
            Ok(there) if !there.is_file() => OpenOptions::new()
                .write(true)
                .open(path)
                .map(Target::Special),
            _ => temporary(path).map(Target::Replacing),
        };
        let target = opened.with_context(|| cannot(path))?;
        let path = path.to_owned();
        Ok(Self { path, target })
    }

    /// Writes it.
    pub(super) fn write(
        self,
        content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> anyhow::Result<()> {
        let Self { path, target } = self;
        let written = match target {
            Target::Replacing(mut file) => buffered(&mut file, content)
                .and_then(|()| file.persist(&path).map_err(|failed| failed.error))
                .map(drop),
            Target::Special(file) => buffered(file, content),
        };
        written.with_context(|| cannot(&path))
    }
}

fn buffered(
    file: impl Write,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = BufWriter::new(file);
    content(&mut file)?;
    file.flush()
}

fn temporary(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // As any file is made; the umask takes away from it.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    tempfile::Builder::new()
        .permissions(readable)
        .tempfile_in(folder)
}

fn cannot(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
