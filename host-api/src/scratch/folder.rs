//! The folders behind `/scratch`: one a process, in it one a run. A folder is removed when its run ends; those
//! of a process that was killed are removed by the next one that starts.

use super::quota::Quota;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const PREFIX: &str = "tollgate-scratch-";
/// A folder of which the lock is not held yet.
const UNFINISHED_PREFIX: &str = "tollgate-unfinished-";
/// Nobody takes as long as this between making a folder and locking it.
const UNFINISHED_FOR: Duration = Duration::from_secs(3600);
const LOCK: &str = "lock";

/// The process's folder, made when the first run needs it. Dropping it removes it and all below.
#[derive(Debug)]
pub struct ScratchRoot {
    parent: PathBuf,
    opened: Mutex<Option<Opened>>,
}

#[derive(Debug)]
struct Opened {
    folder: TempDir,
    /// Held as long as this process lives: who cannot take it leaves the folder alone.
    _lock: File,
}

impl ScratchRoot {
    /// A root under `parent`, from which the folders of processes that died are removed.
    pub fn new(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent)?;
        Ok(Self {
            parent: parent.to_owned(),
            opened: Mutex::new(None),
        })
    }

    /// The folder of one run, to be made when it is asked for.
    pub fn scratch(self: &Arc<Self>, quota: Quota) -> Scratch {
        Scratch {
            path: None,
            quota: Arc::new(quota),
            root: Arc::clone(self),
        }
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(opened.folder.path().to_owned());
        }
        let made = Opened::new(&self.parent)?;
        let path = made.folder.path().to_owned();
        *opened = Some(made);
        Ok(path)
    }
}

impl Opened {
    /// The folder gets the name that others sweep by only once its lock is held.
    fn new(parent: &Path) -> io::Result<Self> {
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempdir_in(parent)?;
        let lock = File::create(unfinished.path().join(LOCK))?;
        lock.lock()?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        fs::rename(unfinished.path(), folder.path())?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }
}

/// Removes what dead processes of this user left. Where `parent` is for everybody, others may have put anything
/// there: only real folders of our own are touched.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            continue;
        }
        let is_dead = if name.starts_with(PREFIX) {
            let lock = File::open(entry.path().join(LOCK));
            lock.is_ok_and(|lock| lock.try_lock().is_ok())
        } else {
            let age = metadata.modified().ok().and_then(|it| it.elapsed().ok());
            name.starts_with(UNFINISHED_PREFIX) && age.is_some_and(|age| age > UNFINISHED_FOR)
        };
        if is_dead {
            let _ = remove_flat(&entry.path());
        }
    }
    Ok(())
}

/// The folder of one run, with what it may still write. Most runs that may have one never ask for it. Dropping it
/// removes it.
#[derive(Debug)]
pub struct Scratch {
    path: Option<PathBuf>,
    quota: Arc<Quota>,
    root: Arc<ScratchRoot>,
}

impl Scratch {
    /// Where the folder is on the host, once it was made.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Makes the folder, unless it is there.
    pub fn make(&mut self) -> io::Result<&Path> {
        let path = match self.path.take() {
            Some(path) => path,
            None => tempfile::Builder::new()
                .prefix("run-")
                .tempdir_in(self.root.folder()?)?
                .keep(),
        };
        Ok(self.path.insert(path))
    }

    /// What may still be written.
    pub fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }
}

impl Drop for Scratch {
    /// Removing a thousand entries takes a while: not on the thread that runs guests. An empty folder is gone at once.
    fn drop(&mut self) {
        let Some(path) = self.path.take() else {
            return;
        };
        let root = Arc::clone(&self.root);
        // Many that ask for it put nothing into it.
        if self.quota.is_untouched() && fs::remove_dir(&path).is_ok() {
            return;
        }
        let remove = move || {
            let _ = remove_flat(&path);
            drop(root);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(tokio) => drop(tokio.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes a folder however deep it is, with two descriptors open at most: a guest may nest a thousand folders,
/// and the ordinary removal holds one descriptor a level. All folders are moved into a pit beside it, which no guest
/// can name, until none has another in it.
fn remove_flat(top: &Path) -> io::Result<()> {
    let beside = top.parent().unwrap_or(top);
    let pit = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .tempdir_in(beside)?;
    let mut moved = 0_u64;
    let mut into_pit = |folder: &Path| {
        moved += 1;
        fs::rename(folder, pit.path().join(moved.to_string()))
    };
    into_pit(top)?;
    loop {
        let folders = remove_files(pit.path())?;
        if folders.is_empty() {
            return pit.close();
        }
        for folder in folders {
            for child in remove_files(&folder)? {
                into_pit(&child)?;
            }
            fs::remove_dir(&folder)?;
        }
    }
}

/// Removes the files of a folder and names the folders in it.
fn remove_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn quota() -> Quota {
        Quota::new(
            1 << 20,
            1 << 20,
            Budget::new("scratch", 1 << 20).lease(&std::sync::Arc::from("")),
        )
    }

    #[test]
    fn a_run_s_folder_goes_with_the_run_however_deep() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        let mut scratch = root.scratch(quota());
        let mut folder = scratch.make().expect("a folder").to_owned();
        for level in 0..1000 {
            folder.push((level % 10).to_string());
            fs::create_dir(&folder).expect("a level");
            fs::write(folder.with_extension("txt"), "x").expect("a file");
        }
        let path = scratch.path().expect("made").to_owned();
        drop(scratch);
        assert!(!path.exists());
        drop(root);
        assert_eq!(fs::read_dir(parent.path()).expect("still there").count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_nothing_was_put_into_is_gone_at_once() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        let mut scratch = root.scratch(quota());
        let path = scratch.make().expect("a folder").to_owned();
        assert_eq!(scratch.make().expect("the same"), path);
        drop(scratch);
        assert!(!path.exists(), "without a thread for it");
    }

    #[test]
    fn a_folder_that_nobody_asks_for_is_never_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        let scratch = root.scratch(quota());
        assert_eq!(scratch.path(), None);
        assert_eq!(fs::read_dir(parent.path()).expect("there").count(), 0);
    }

    #[test]
    fn others_folders_and_links_to_them_are_left_alone() {
        let (parent, victim) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        fs::write(victim.path().join(LOCK), "").expect("a lock");
        fs::create_dir(victim.path().join("inner")).expect("a folder");
        std::os::unix::fs::symlink(victim.path(), parent.path().join(format!("{PREFIX}evil")))
            .expect("a link");
        ScratchRoot::new(parent.path()).expect("a root");
        assert!(victim.path().join("inner").exists());
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_alive_is_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir_all(dead.join("run-1/deep")).expect("folders");
        fs::write(dead.join(LOCK), "").expect("an unheld lock");
        let alive = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        assert!(!dead.exists());
        let mut scratch = alive.scratch(quota());
        let path = scratch.make().expect("a folder").to_owned();
        ScratchRoot::new(parent.path()).expect("a second root");
        assert!(path.exists());
    }
}
