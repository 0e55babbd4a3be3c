//! The data folder: one server's own, locked while it runs.

pub(crate) mod files;

use crate::tenancy::vault::MasterKey;
use secrecy::{ExposeSecret, SecretString};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The master key, and the one that a rotation puts in its place.
const KEY: &str = "master.key";
const NEXT_KEY: &str = "master.key.next";
/// The database, and the folder of tools.
pub(crate) const DATABASE: &str = "tollgate.db";
pub(crate) const TOOLS: &str = "tools";

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
        database_in(&self.path)
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.path.join(TOOLS)
    }

    /// The key given, else the folder's own, which is made where there is none.
    pub(crate) fn master_key(&self, given: Option<SecretString>) -> Result<MasterKey, FolderError> {
        if let Some(given) = given {
            return MasterKey::parse(given.expose_secret())
                .ok_or_else(|| FolderError::KeyMalformed("the key given".to_owned()));
        }
        match self.own_key()? {
            Some(key) => Ok(key),
            None => {
                let key = MasterKey::new();
                self.keep_next_key(&key)?;
                self.take_next_key()?;
                Ok(key)
            }
        }
    }

    /// The folder's own key, if it has one.
    pub(crate) fn own_key(&self) -> Result<Option<MasterKey>, FolderError> {
        self.key_in(KEY)
    }

    /// The key that a rotation was about to put in place, if it was broken off.
    pub(crate) fn next_key(&self) -> Result<Option<MasterKey>, FolderError> {
        self.key_in(NEXT_KEY)
    }

    /// Keeps a key beside the one in use, whole and on the disk.
    pub(crate) fn keep_next_key(&self, key: &MasterKey) -> Result<(), FolderError> {
        let path = self.path.join(NEXT_KEY);
        let unusable = |error| FolderError::Unusable {
            path: path.clone(),
            error,
        };
        let _ = std::fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        file.write_all(key.text().expose_secret().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(unusable)?;
        self.flush()
    }

    /// Puts that key in place of the one in use.
    pub(crate) fn take_next_key(&self) -> Result<(), FolderError> {
        let path = self.path.join(NEXT_KEY);
        std::fs::rename(&path, self.path.join(KEY))
            .map_err(|error| FolderError::Unusable { path, error })?;
        self.flush()
    }

    /// Removes that key: the one in use is good.
    pub(crate) fn drop_next_key(&self) {
        let _ = std::fs::remove_file(self.path.join(NEXT_KEY));
    }

    /// Removes the folder's own key: another is given from outside. Where it was, if there was one.
    pub(crate) fn drop_key(&self) -> Option<PathBuf> {
        let path = self.path.join(KEY);
        std::fs::remove_file(&path).ok().map(|()| path)
    }

    /// The path of the folder's own key.
    pub(crate) fn key_path(&self) -> PathBuf {
        self.path.join(KEY)
    }

    fn key_in(&self, name: &str) -> Result<Option<MasterKey>, FolderError> {
        key_at(self.path.join(name))
    }

    /// Names are on the disk once the folder is.
    fn flush(&self) -> Result<(), FolderError> {
        let path = self.path.clone();
        File::open(&path)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| FolderError::Unusable { path, error })
    }
}

/// The keys that a folder has, which may be somebody else's: its own, and the one that a rotation leaves beside it.
pub(crate) fn keys_in(folder: &Path) -> Result<Vec<MasterKey>, FolderError> {
    let keys = [KEY, NEXT_KEY].map(|name| key_at(folder.join(name)).transpose());
    keys.into_iter().flatten().collect()
}

fn key_at(path: PathBuf) -> Result<Option<MasterKey>, FolderError> {
    match File::open(&path) {
        Ok(file) => read_key(file, &path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::Unusable { path, error }),
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
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unusable)?;
    let key = MasterKey::parse(text.trim());
    key.ok_or_else(|| FolderError::KeyMalformed(path.display().to_string()))
}

/// The database of a data folder.
pub(crate) fn database_in(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}
