//! What makes a file believable: behind the engine's code, which is left as the engine wrote it, the facts, what they
//! are of, and a keyed hash over everything before it.
//!
//! ```text
//! code | facts | magic, bytes of code, bytes of facts, digest, set | keyed BLAKE3
//! ```

use super::{ArtifactRefusal, unusable};
use crate::digest::ToolDigest;
use rustix::fs::Stat;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

const MAGIC: [u8; 8] = *b"tollgate";
const HASH_BYTES: usize = blake3::OUT_LEN;
const LABEL_BYTES: usize = MAGIC.len() + 8 + 8 + 32 + 32;
const END_BYTES: u64 = (LABEL_BYTES + HASH_BYTES) as u64;
/// What keys are derived for: a key that is used for something else too gives nothing away.
const CONTEXT: &str = "tollgate 2026 compiled tools, keyed hash";
/// Bytes read at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// Seals files, and knows those it has looked at.
pub(super) struct Seal {
    key: [u8; 32],
    set: [u8; 32],
    /// Files whose hash was right when this process looked; each is looked at once.
    checked: Mutex<HashMap<ToolDigest, Version>>,
}

/// Which file it was, as the file system tells: one that is written to is another.
type Version = (u64, u64, i64, i64, u64);

/// What a believable file holds beside its code.
pub(super) struct Sealed {
    pub(super) facts: Vec<u8>,
    pub(super) code_bytes: u64,
}

struct Label {
    code_bytes: u64,
    facts_bytes: u64,
    digest: [u8; 32],
    set: [u8; 32],
}

impl Seal {
    pub(super) fn new(key: &[u8; 32], set: [u8; 32]) -> Self {
        Self {
            key: blake3::derive_key(CONTEXT, key),
            set,
            checked: Mutex::default(),
        }
    }

    /// Copies code into an empty file and seals it there, on the disk when this returns.
    pub(super) fn write(
        &self,
        mut to: &File,
        digest: &ToolDigest,
        mut code: &File,
        facts: &[u8],
    ) -> io::Result<()> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        code.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut code_bytes = 0;
        loop {
            let part = match code.read(&mut buffer)? {
                0 => break,
                bytes => &buffer[..bytes],
            };
            hasher.update(part);
            to.write_all(part)?;
            code_bytes += part.len() as u64;
        }
        let label = Label {
            code_bytes,
            facts_bytes: facts.len() as u64,
            digest: *digest.as_bytes(),
            set: self.set,
        };
        let label = label.bytes();
        hasher.update(facts).update(&label);
        to.write_all(facts)?;
        to.write_all(&label)?;
        to.write_all(hasher.finalize().as_bytes())?;
        to.sync_all()
    }

    /// Looks at a file, and reads its facts.
    pub(super) fn check(
        &self,
        file: &File,
        digest: &ToolDigest,
    ) -> Result<Sealed, ArtifactRefusal> {
        let about = file.metadata().map_err(unusable)?;
        if !about.is_file() {
            return Err(ArtifactRefusal::Cut);
        }
        let bytes = about.len();
        let hashed_bytes = bytes.checked_sub(HASH_BYTES as u64);
        let label_at = bytes.checked_sub(END_BYTES);
        let (Some(hashed_bytes), Some(label_at)) = (hashed_bytes, label_at) else {
            return Err(ArtifactRefusal::Cut);
        };
        let mut end = [0; LABEL_BYTES + HASH_BYTES];
        file.read_exact_at(&mut end, label_at).map_err(unusable)?;
        let (label, hash) = end.split_at(LABEL_BYTES);
        let label = Label::read(label).ok_or(ArtifactRefusal::Cut)?;
        if label.code_bytes.checked_add(label.facts_bytes) != Some(label_at) {
            return Err(ArtifactRefusal::Cut);
        }
        if label.digest != *digest.as_bytes() || label.set != self.set {
            return Err(ArtifactRefusal::Foreign);
        }
        let version = version(file).map_err(unusable)?;
        if self.lock().get(digest) != Some(&version) {
            let expected = self.hash(file, hashed_bytes).map_err(unusable)?;
            let found = <[u8; HASH_BYTES]>::try_from(hash).map_err(|_| ArtifactRefusal::Cut)?;
            // `blake3::Hash` compares in constant time.
            if expected != found {
                return Err(ArtifactRefusal::Altered);
            }
            self.lock().insert(*digest, version);
        }
        let mut facts = vec![0; usize::try_from(label.facts_bytes).unwrap_or(0)];
        file.read_exact_at(&mut facts, label.code_bytes)
            .map_err(unusable)?;
        Ok(Sealed {
            facts,
            code_bytes: label.code_bytes,
        })
    }

    /// A file that this process sealed needs no look.
    pub(super) fn remember(&self, file: &File, digest: &ToolDigest) -> io::Result<()> {
        let version = version(file)?;
        self.lock().insert(*digest, version);
        Ok(())
    }

    fn hash(&self, mut file: &File, bytes: u64) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        file.seek(SeekFrom::Start(0))?;
        let mut left = file.take(bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match left.read(&mut buffer)? {
                0 => return Ok(hasher.finalize()),
                bytes => hasher.update(&buffer[..bytes]),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ToolDigest, Version>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Label {
    fn bytes(&self) -> Vec<u8> {
        let numbers = [self.code_bytes, self.facts_bytes].map(u64::to_le_bytes);
        [&MAGIC[..], &numbers.concat(), &self.digest, &self.set].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut left = bytes.strip_prefix(&MAGIC)?;
        Some(Self {
            code_bytes: u64::from_le_bytes(*take(&mut left)?),
            facts_bytes: u64::from_le_bytes(*take(&mut left)?),
            digest: *take(&mut left)?,
            set: *take(&mut left)?,
        })
    }
}

fn take<'a, const N: usize>(left: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(taken)
}

fn version(file: &File) -> io::Result<Version> {
    let Stat {
        st_dev,
        st_ino,
        st_mtime,
        st_mtime_nsec,
        st_size,
        ..
    } = rustix::fs::fstat(file)?;
    let size = u64::try_from(st_size).unwrap_or(0);
    Ok((st_dev, st_ino, st_mtime, st_mtime_nsec as i64, size))
}
