//! Compiled tools, kept as files: compiled once, loaded by every process after it.
//!
//! Loading foreign native code is running it, and most single flipped bits load without complaint. So a file carries
//! what it is of and a keyed hash over all of it ([`seal`]), is looked at before it is used, and is replaced when it
//! is not what it was.

mod folder;
#[cfg(fuzzing)]
pub mod fuzzing;
mod identity;
mod seal;

pub(crate) use identity::{engine_identity, set_identity};

use crate::digest::ToolDigest;
use crate::tool::checks::{Admissible, Facts};
use folder::{Folder, Unnamed};
use seal::{Seal, Sealed};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// Where compiled tools are kept.
#[derive(Debug, Clone)]
pub struct ArtifactCache {
    /// A folder of the runtime's own, made where it is missing. Processes may share it.
    pub folder: PathBuf,
    /// The most bytes of files. Those of other engines go first, then what was not used for longest.
    pub bytes_max: u64,
    /// What files are sealed with. Files sealed with another key are not believed.
    pub key: ArtifactKey,
}

/// A secret by which a runtime knows its own files: whoever has it can make files that are run as native code.
#[derive(Clone)]
pub struct ArtifactKey([u8; 32]);

impl ArtifactKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArtifactKey")
    }
}

/// Why a kept file is not believed. It is removed, and its tool compiled again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactRefusal {
    /// Not a file, or not one of the length it says.
    #[error("it is cut short, or no file at all")]
    Cut,
    /// Its name says something else than it does.
    #[error("it is of another tool or another engine than its name says")]
    Foreign,
    /// Its hash is another: a bit has flipped, somebody wrote to it, or the key is another.
    #[error("it was altered, or sealed with another key")]
    Altered,
    /// It cannot be read, or the engine does not take it.
    #[error("it cannot be used: {0}")]
    Unusable(String),
}

/// A file that is what it was when it was kept.
pub(crate) struct Kept {
    pub(crate) file: File,
    pub(crate) admissible: Admissible,
    pub(crate) code_bytes: u64,
}

/// The files of one engine and one set of rules, in a folder that others may use too.
pub(crate) struct Artifacts {
    folder: Folder,
    bytes_max: u64,
    seal: Seal,
}

impl Artifacts {
    /// `set`: what all of this runtime's files have in common.
    pub(crate) fn new(cache: ArtifactCache, set: [u8; 32]) -> Self {
        Self {
            folder: Folder::new(cache.folder, &set),
            bytes_max: cache.bytes_max,
            seal: Seal::new(&cache.key.0, set),
        }
    }

    pub(crate) fn path(&self, digest: &ToolDigest) -> PathBuf {
        self.folder.path(digest)
    }

    /// What is kept of a tool, if anything.
    pub(crate) fn open(&self, digest: &ToolDigest) -> Result<Option<Kept>, ArtifactRefusal> {
        let Some(file) = self.folder.open(digest).map_err(unusable)? else {
            return Ok(None);
        };
        let Sealed { facts, code_bytes } = self.seal.check(&file, digest)?;
        let facts = Facts::read(&facts).map_err(|why| ArtifactRefusal::Unusable(why.to_owned()))?;
        let admissible = facts
            .admissible()
            .ok_or_else(|| ArtifactRefusal::Unusable("its facts are not ours".to_owned()))?;
        self.folder.mark_used(&file);
        Ok(Some(Kept {
            file,
            admissible,
            code_bytes,
        }))
    }

    /// Takes away what was refused.
    pub(crate) fn remove(&self, digest: &ToolDigest) {
        self.folder.remove(&self.folder.path(digest));
    }

    /// Writes a sealed file that has no name yet.
    pub(crate) fn write(
        &self,
        digest: &ToolDigest,
        admissible: &Admissible,
        code: &File,
    ) -> io::Result<Unnamed> {
        let facts = Facts::of(admissible).write()?;
        let room = facts.len() as u64 + code.metadata()?.len();
        if room > self.bytes_max {
            return Err(io::Error::other(format!(
                "it has {room} bytes, and {} are all that is kept",
                self.bytes_max
            )));
        }
        let unnamed = self.folder.unnamed()?;
        self.seal.write(unnamed.file(), digest, code, &facts)?;
        Ok(unnamed)
    }

    /// Gives a file its name, and takes others away where all are too many: those of an owner that has more than half go
    /// first, and those `in_use` are not old, whenever they were read last.
    pub(crate) fn keep(
        &self,
        digest: &ToolDigest,
        owner: &str,
        unnamed: Unnamed,
        in_use: impl Fn(&str) -> bool,
    ) -> io::Result<()> {
        self.seal.remember(unnamed.file(), digest)?;
        let path = self.folder.path(digest);
        unnamed.belongs_to(owner);
        unnamed.name(&path)?;
        self.folder.shrink(self.bytes_max, &path, in_use)
    }
}

fn unusable(error: io::Error) -> ArtifactRefusal {
    ArtifactRefusal::Unusable(error.to_string())
}
