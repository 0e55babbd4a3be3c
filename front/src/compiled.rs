//! Where tools are compiled, and where the results are kept.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tollgate_runtime::{ArtifactCache, ArtifactKey, CompileChild, CompileLimits, Compiler};

/// Bytes of compiled tools that commands keep for a user. A typed tool has some 500 KiB, an interpreter 30 MiB.
const USER_BYTES_MAX: u64 = 2 << 30;
const KEY_BYTES: usize = 32;

/// This program again, as a child with limits.
pub(crate) fn compiler() -> Compiler {
    Compiler::Child(CompileChild {
        // The very file that runs, also where another was installed in its place meanwhile.
        program: PathBuf::from("/proc/self/exe"),
        arguments: vec![OsString::from("compile-tool")],
        limits: CompileLimits::default(),
    })
}

/// A cache in a folder, with its key in a file beside it, which is made where there is none that can be trusted.
pub(crate) fn cache(folder: PathBuf, key_file: &Path, bytes_max: u64) -> io::Result<ArtifactCache> {
    let key = match read_key(key_file) {
        Some(key) => key,
        None => make_key(key_file)?,
    };
    Ok(ArtifactCache {
        folder,
        bytes_max,
        key: ArtifactKey::new(key),
    })
}

/// The user's own cache. Where there is no place for one, there is none.
pub(crate) fn user_cache() -> Option<ArtifactCache> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let folder = caches.join("tollgate");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .ok()?;
    let key_file = folder.join("compiled.key");
    cache(folder.join("compiled"), &key_file, USER_BYTES_MAX).ok()
}

/// A key that only we can read. Any other is as good as none: what it sealed is compiled again.
fn read_key(path: &Path) -> Option<[u8; KEY_BYTES]> {
    let mut file = File::open(path).ok()?;
    let about = file.metadata().ok()?;
    if about.permissions().mode() & 0o077 != 0 || about.len() != KEY_BYTES as u64 {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).ok()?;
    Some(key)
}

/// Written whole under another name first. Where two processes make one at once, the first one's is both's.
fn make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let unfinished = path.with_extension(format!("key.{}", std::process::id()));
    let _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)?;
    let made = file
        .write_all(&key)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&unfinished, path))
        .or_else(|_| match read_key(path) {
            Some(first) => {
                key = first;
                Ok(())
            }
            // What is there is no key.
            None => std::fs::rename(&unfinished, path),
        });
    let _ = std::fs::remove_file(&unfinished);
    made.map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn a_key_is_made_once_and_again_where_it_was_exposed_or_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("compiled.key");
        let key = || {
            cache(folder.path().join("compiled"), &path, 1).expect("a cache");
            let mode = std::fs::metadata(&path).expect("a file").permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
            std::fs::read(&path).expect("a key")
        };
        let first = key();
        assert_eq!(first.len(), KEY_BYTES);
        assert_eq!(key(), first);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("ours");
        let second = key();
        assert_ne!(second, first);
        std::fs::write(&path, "short").expect("ours");
        assert_ne!(key(), second);
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "nothing unfinished is left");
    }
}
