//! The data folder: one server's own, locked while it runs.

use crate::vault::MasterKey;
use secrecy::{ExposeSecret, SecretString};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A folder that is ours for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The lock is the open file's.
    _lock: File,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("the data folder {} is in use by another server: stop that one, or choose another folder with --data", .0.display())]
    InUse(PathBuf),
    /// A file of it cannot be made or read.
    #[error("{}: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others can read the key that protects every secret.
    #[error("{} can be read by others: `chmod 600` it, and think about who may have read it", .0.display())]
    KeyExposed(PathBuf),
    /// Not a key.
    #[error("{0} is not a master key: 64 hexadecimal digits are needed")]
    KeyMalformed(String),
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |error| FolderError::Unusable {
            path: path.to_owned(),
            error,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("tollgate.db")
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.path.join("tools")
    }

    /// The key given, else the folder's own, which is made where there is none.
    pub(crate) fn master_key(&self, given: Option<SecretString>) -> Result<MasterKey, FolderError> {
        if let Some(given) = given {
            return MasterKey::parse(given.expose_secret())
                .ok_or_else(|| FolderError::KeyMalformed("the key given".to_owned()));
        }
        let path = self.path.join("master.key");
        match File::open(&path) {
            Ok(file) => read_key(file, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path),
            Err(error) => Err(FolderError::Unusable { path, error }),
        }
    }
}

fn read_key(mut file: File, path: &Path) -> Result<MasterKey, FolderError> {
    let unusable = |error| FolderError::Unusable {
        path: path.to_owned(),
        error,
    };
    if file.metadata().map_err(unusable)?.permissions().mode() & 0o077 != 0 {
        return Err(FolderError::KeyExposed(path.to_owned()));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unusable)?;
    let key = MasterKey::parse(text.trim());
    key.ok_or_else(|| FolderError::KeyMalformed(path.display().to_string()))
}

/// Written whole under another name first: a crash never leaves half a key.
fn make_key(path: &Path) -> Result<MasterKey, FolderError> {
    let unusable = |error| FolderError::Unusable {
        path: path.to_owned(),
        error,
    };
    let key = MasterKey::new();
    let unfinished = path.with_extension("key.new");
    let _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(unusable)?;
    file.write_all(key.text().expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&unfinished, path))
        .and_then(|()| File::open(path.parent().unwrap_or(path))?.sync_all())
        .map_err(unusable)?;
    Ok(key)
}
