//! The folders behind `/scratch`: one a process, in it one a run. A folder is removed when its run ends; those
//! of a process that was killed are removed by the next one that starts.

use super::quota::Quota;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

const PREFIX: &str = "tollgate-scratch-";
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

    /// Makes the folder of one run.
    pub fn scratch(self: &Arc<Self>, quota: Quota) -> io::Result<Scratch> {
        let path = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(self.folder()?)?
            .keep();
        Ok(Scratch {
            path,
            quota: Arc::new(quota),
            root: Arc::clone(self),
        })
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(opened.folder.path().to_owned());
        }
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&self.parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        let path = folder.path().to_owned();
        *opened = Some(Opened {
            folder,
            _lock: lock,
        });
        Ok(path)
    }
}

/// Removes what dead processes left. A folder without a lock file is being made by a live one.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            remove_children(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn remove_children(root: &Path) {
    for run in fs::read_dir(root).into_iter().flatten().flatten() {
        if run.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = remove_flat(&run.path());
        }
    }
}

/// The folder of one run, with what it may still write. Dropping it removes it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    quota: Arc<Quota>,
    root: Arc<ScratchRoot>,
}

impl Scratch {
    /// Where the folder is on the host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What may still be written.
    pub fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }
}

impl Drop for Scratch {
    /// Removing a thousand entries takes a while: not on the thread that runs guests.
    fn drop(&mut self) {
        let (path, root) = (std::mem::take(&mut self.path), Arc::clone(&self.root));
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
/// and the ordinary removal holds one descriptor a level. Folders inside folders are moved to the top first.
fn remove_flat(top: &Path) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let folders = remove_files(top)?;
        if folders.is_empty() {
            return fs::remove_dir(top);
        }
        for folder in folders {
            for child in remove_files(&folder)? {
                moved += 1;
                fs::rename(
                    &child,
                    top.join(format!(".removed-{moved}-{}", std::process::id())),
                )?;
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
        Quota::new(1 << 20, 1 << 20, Budget::new("scratch", 1 << 20).lease())
    }

    #[test]
    fn a_run_s_folder_goes_with_the_run_however_deep() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        let scratch = root.scratch(quota()).expect("a scratch");
        let mut folder = scratch.path().to_owned();
        for level in 0..400 {
            folder.push(format!("{level}"));
            if folder.as_os_str().len() > 3500 {
                break;
            }
            fs::create_dir(&folder).expect("a level");
            fs::write(folder.with_extension("txt"), "x").expect("a file");
        }
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
        drop(root);
        assert_eq!(fs::read_dir(parent.path()).expect("still there").count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_alive_is_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir_all(dead.join("run-1/deep")).expect("folders");
        fs::write(dead.join(LOCK), "").expect("an unheld lock");
        let alive = Arc::new(ScratchRoot::new(parent.path()).expect("a root"));
        assert!(!dead.exists());
        let scratch = alive.scratch(quota()).expect("a scratch");
        ScratchRoot::new(parent.path()).expect("a second root");
        assert!(scratch.path().exists());
    }
}
