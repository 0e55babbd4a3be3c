//! The files' names, their number, and that each appears whole or not at all.

use crate::digest::{ToolDigest, hexadecimal};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, XattrFlags};
use std::collections::HashMap;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const SUFFIX: &str = "compiled";
const UNFINISHED: &str = "unfinished";
/// The extended attribute that says for whom a file was made.
const OWNER: &str = "user.tollgate.owner";
/// Bytes of that; an owner's name is as long as its id.
const OWNER_BYTES_MAX: usize = 64;
/// A file without a name is a crash's after this time.
const UNFINISHED_KEPT: Duration = Duration::from_secs(60 * 60);

/// A folder of files named by their tool and their set.
pub(super) struct Folder {
    path: PathBuf,
    set: String,
}

/// A file on its way, removed unless it is given its name.
pub(crate) struct Unnamed {
    path: PathBuf,
    file: File,
    is_named: bool,
}

struct Set<'a>(&'a [u8]);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(self.0, f)
    }
}

impl Folder {
    /// Names carry as much of the set as tells one from another.
    pub(super) fn new(path: PathBuf, set: &[u8; 32]) -> Self {
        let set = Set(&set[..8]).to_string();
        Self { path, set }
    }

    pub(super) fn path(&self, digest: &ToolDigest) -> PathBuf {
        self.path.join(format!("{digest}.{}.{SUFFIX}", self.set))
    }

    pub(super) fn open(&self, digest: &ToolDigest) -> io::Result<Option<File>> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(self.path(digest));
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The time of the last access is when a tool was loaded, whatever the file system does by itself.
    pub(super) fn mark_used(&self, file: &File) {
        let time = |nanoseconds| Timespec {
            tv_sec: 0,
            tv_nsec: nanoseconds,
        };
        let times = Timestamps {
            last_access: time(UTIME_NOW),
            last_modification: time(UTIME_OMIT),
        };
        // Where that fails, the file goes earlier than others.
        let _ = rustix::fs::futimens(file, &times);
    }

    /// A new file that only we can read.
    pub(super) fn unnamed(&self) -> io::Result<Unnamed> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.make()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}.{UNFINISHED}", std::process::id());
        let path = self.path.join(name);
        // One of a process that had our number before us.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Unnamed {
            path,
            file,
            is_named: false,
        })
    }

    fn make(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return std::fs::set_permissions(&self.path, Permissions::from_mode(0o700));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
    }

    /// Removes whatever has that name.
    pub(super) fn remove(&self, path: &Path) {
        // One that cannot be removed is refused again, and compiled again.
        if std::fs::remove_file(path).is_err() {
            let _ = std::fs::remove_dir_all(path);
        }
    }

    /// Removes files until all are at most so many bytes: first what crashes left, then other sets' files, then those
    /// not in use, the one used longest ago first. What was just kept stays.
    pub(super) fn shrink(
        &self,
        bytes_max: u64,
        just_kept: &Path,
        in_use: impl Fn(&str) -> bool,
    ) -> io::Result<()> {
        let mut files = Vec::new();
        let now = SystemTime::now();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // Another process may have removed it meanwhile.
            let Ok(about) = entry.metadata() else {
                continue;
            };
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(UNFINISHED) {
                let age = about
                    .modified()
                    .ok()
                    .and_then(|it| now.duration_since(it).ok());
                if age.is_some_and(|age| age > UNFINISHED_KEPT) {
                    self.remove(&path);
                }
                continue;
            }
            let Some(digest) = name.strip_suffix(&format!(".{SUFFIX}")) else {
                continue;
            };
            let ours = digest.strip_suffix(&format!(".{}", self.set));
            let rank = match ours {
                None => 0,
                Some(digest) if !in_use(digest) => 1,
                Some(_) => 2,
            };
            files.push(Old {
                rank,
                used: (about.atime(), about.atime_nsec()),
                bytes: about.len(),
                owner: owner_of(&path),
                path,
            });
        }
        self.shrink_to(bytes_max, just_kept, files);
        Ok(())
    }

    fn shrink_to(&self, bytes_max: u64, just_kept: &Path, mut files: Vec<Old>) {
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut by_owner: HashMap<Vec<u8>, u64> = HashMap::new();
        for file in files.iter().filter(|file| file.rank > 0) {
            *by_owner.entry(file.owner.clone()).or_default() += file.bytes;
        }
        files.sort();
        files.retain(|file| file.path != just_kept);
        // Other engines' files, then those of owners that have more than half, then whatever is oldest.
        for round in [Round::Foreign, Round::OverShare, Round::Any] {
            files.retain(|file| {
                let owned = by_owner.get(&file.owner).copied().unwrap_or(0);
                let is_meant = match round {
                    Round::Foreign => file.rank == 0,
                    Round::OverShare => !file.owner.is_empty() && owned > bytes_max / 2,
                    Round::Any => true,
                };
                if bytes <= bytes_max || !is_meant {
                    return true;
                }
                self.remove(&file.path);
                bytes -= file.bytes;
                if let Some(owned) = by_owner.get_mut(&file.owner) {
                    *owned = owned.saturating_sub(file.bytes);
                }
                false
            });
        }
    }
}

/// Which files go.
#[derive(Debug, Clone, Copy)]
enum Round {
    Foreign,
    OverShare,
    Any,
}

/// A file that may go, in the order in which files do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Old {
    rank: u8,
    used: (i64, i64),
    bytes: u64,
    path: PathBuf,
    /// Empty where it is not known.
    owner: Vec<u8>,
}

/// For whom a file was made. It is asked for when files have to go only, and decides nothing else.
fn owner_of(path: &Path) -> Vec<u8> {
    let mut owner = vec![0; OWNER_BYTES_MAX];
    let length = rustix::fs::getxattr(path, OWNER, &mut owner);
    owner.truncate(length.unwrap_or(0));
    owner
}

impl Unnamed {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Notes for whom it was made, where the file system takes notes.
    pub(super) fn belongs_to(&self, owner: &str) {
        let owner = &owner.as_bytes()[..owner.len().min(OWNER_BYTES_MAX)];
        // Without it the file is nobody's, and goes by its age.
        let _ = rustix::fs::fsetxattr(&self.file, OWNER, owner, XattrFlags::empty());
    }

    /// Gives it its name, in place of whatever had it.
    pub(super) fn name(mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, path)?;
        self.is_named = true;
        let folder = path.parent().unwrap_or(path);
        File::open(folder)?.sync_all()
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
