//! `tollgate run --watch`: builds and runs a folder's tool again whenever one of its files changes.

use super::once::once;
use crate::exit::{End, interruptible};
use crate::options::RunOptions;
use crate::terminal;
use anyhow::{Context, bail};
use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Editors write a file in more than one step, and more than one file at once.
const SETTLED: Duration = Duration::from_millis(100);
/// What builds write beside the sources.
const BUILT: [&str; 6] = [
    "target",
    "node_modules",
    "__pycache__",
    "dist",
    "Cargo.lock",
    "package-lock.json",
];

pub(super) async fn watch(options: &RunOptions) -> anyhow::Result<End> {
    let folder = options.tool.as_path();
    if !folder.is_dir() {
        bail!(
            "--watch: {} is no folder; give the one with the tool.toml",
            folder.display()
        );
    }
    if options.input.as_deref() == Some("-") {
        bail!("--watch: standard input can be read once only; give the input as JSON or @FILE");
    }
    let mut changes = Changes::of(folder)?;
    loop {
        changes.forget();
        terminal::heading(&folder.display().to_string());
        match once(options).await {
            Ok(End::Interrupted) => return Ok(End::Interrupted),
            Ok(_) => {}
            // A build that fails is mended by the next change.
            Err(error) => terminal::error(&format!("{error:#}")),
        }
        terminal::heading("waiting for a change; Ctrl-C ends");
        match interruptible(changes.next()).await? {
            Some(changed) => changed?,
            None => return Ok(End::Interrupted),
        }
    }
}

/// The changes of a folder's own files, without what is built there.
struct Changes {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    changed: mpsc::UnboundedReceiver<()>,
}

impl Changes {
    fn of(folder: &Path) -> anyhow::Result<Self> {
        let (sender, changed) = mpsc::unbounded_channel();
        let tell = move |event: notify::Result<notify::Event>| {
            let is_change = event.is_ok_and(|event| {
                let is_written = matches!(
                    event.kind,
                    EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
                );
                is_written && event.paths.iter().any(|path| is_source(path))
            });
            if is_change {
                let _ = sender.send(());
            }
        };
        let watcher = RecommendedWatcher::new(tell, Config::default());
        let mut changes = Self {
            folder: folder.to_owned(),
            watcher: watcher.context("--watch: cannot watch files")?,
            watched: HashSet::new(),
            changed,
        };
        changes.watch_folders()?;
        Ok(changes)
    }

    /// Waits for one, and for those that come with it.
    async fn next(&mut self) -> anyhow::Result<()> {
        self.changed
            .recv()
            .await
            .context("--watch: files are not watched any more")?;
        tokio::time::sleep(SETTLED).await;
        // There may be new folders.
        self.watch_folders()
    }

    fn forget(&mut self) {
        while self.changed.try_recv().is_ok() {}
    }

    fn watch_folders(&mut self) -> anyhow::Result<()> {
        self.watched.retain(|folder| folder.is_dir());
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let inside = entries.filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
            folders.extend(inside.map(|it| it.path()).filter(|path| is_source(path)));
            if !self.watched.contains(&folder) {
                let watched = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
                watched.with_context(|| format!("--watch: cannot watch {}", folder.display()))?;
                self.watched.insert(folder);
            }
        }
        Ok(())
    }
}

/// Whether somebody writes it by hand, as far as its name says.
fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_built = path.extension() == Some(OsStr::new("wasm")) || BUILT.contains(&&*name);
    !is_built && !name.starts_with('.') && !name.ends_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_no_source() {
        for (path, expected) in [
            ("src/lib.rs", true),
            ("tool.toml", true),
            ("tool.wat", true),
            ("tool.wasm", false),
            ("target", false),
            (".git", false),
            ("src/.lib.rs.swp", false),
            ("app.py~", false),
        ] {
            assert_eq!(is_source(Path::new(path)), expected, "{path}");
        }
    }
}
