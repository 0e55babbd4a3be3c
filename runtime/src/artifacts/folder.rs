//! The files' names, their number, and that each appears whole or not at all.

use crate::digest::{ToolDigest, hexadecimal};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const SUFFIX: &str = "compiled";
const UNFINISHED: &str = "unfinished";
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
            let used = (about.atime(), about.atime_nsec());
            files.push((rank, used, about.len(), path));
        }
        let mut bytes: u64 = files.iter().map(|(_, _, bytes, _)| bytes).sum();
        files.sort();
        for (_, _, file_bytes, path) in files {
            if bytes <= bytes_max {
                break;
            }
            if path != just_kept {
                self.remove(&path);
                bytes -= file_bytes;
            }
        }
        Ok(())
    }
}

impl Unnamed {
    pub(crate) fn file(&self) -> &File {
        &self.file
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
