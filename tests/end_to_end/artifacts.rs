//! Compiled tools that are kept: loaded by whoever comes later, believed only as long as they are what they were.

mod damage;
mod keeping;

use serde_json::json;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tollgate_runtime::{
    ArtifactCache, ArtifactKey, ArtifactRefusal, Limits, LoadError, Observed, Observer,
    ProcessLimits, Run, Runtime, RuntimeConfig, Tool, ToolDigest,
};
use tollgate_tests::{output, wat_bytes};

const KEY: [u8; 32] = [7; 32];

/// A folder of compiled tools, and the runtimes that use it one after another.
struct Kept {
    folder: TempDir,
}

/// A runtime with what it says of its compiling and loading.
struct Watched {
    runtime: Runtime,
    seen: Arc<Mutex<Vec<Observed>>>,
}

/// What was seen, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    compiled: usize,
    loaded: usize,
    refused: usize,
    not_kept: usize,
}

const COMPILED: Seen = seen(1, 0, 0, 0);
const LOADED: Seen = seen(0, 1, 0, 0);

const fn seen(compiled: usize, loaded: usize, refused: usize, not_kept: usize) -> Seen {
    Seen {
        compiled,
        loaded,
        refused,
        not_kept,
    }
}

impl Kept {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
        }
    }

    fn compiled(&self) -> PathBuf {
        self.folder.path().join("compiled")
    }

    fn cache(&self) -> ArtifactCache {
        ArtifactCache {
            folder: self.compiled(),
            bytes_max: 1 << 30,
            key: ArtifactKey::new(KEY),
        }
    }

    /// A runtime as the next process would have it.
    fn runtime(&self) -> Watched {
        watched(config(Some(self.cache())))
    }

    /// The files there are.
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.compiled()) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries.map(|it| it.expect("an entry").path()).collect();
        files.sort();
        files
    }

    fn file(&self, wasm: &[u8]) -> PathBuf {
        let digest = ToolDigest::of(wasm).to_string();
        let is_meant = |path: &&PathBuf| path.to_string_lossy().contains(&digest);
        let files = self.files();
        let file = files.iter().find(is_meant);
        file.unwrap_or_else(|| panic!("no file of {digest}: {files:?}"))
            .clone()
    }
}

fn config(artifacts: Option<ArtifactCache>) -> RuntimeConfig {
    RuntimeConfig {
        process: ProcessLimits {
            runs: 4,
            ..ProcessLimits::default()
        },
        artifacts,
        ..RuntimeConfig::default()
    }
}

fn watched(config: RuntimeConfig) -> Watched {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let here = Arc::clone(&seen);
    let observer = Observer::new(move |it| here.lock().expect("unpoisoned").push(it.clone()));
    let config = RuntimeConfig {
        observer: Some(observer),
        ..config
    };
    let runtime = Runtime::new(config).expect("a runtime");
    Watched { runtime, seen }
}

impl Watched {
    fn seen(&self) -> Seen {
        let mut counts = Seen::default();
        for observed in self.seen.lock().expect("unpoisoned").iter() {
            match observed {
                Observed::Compiled { .. } => counts.compiled += 1,
                Observed::Loaded { .. } => counts.loaded += 1,
                Observed::Refused { .. } => counts.refused += 1,
                Observed::NotKept { .. } => counts.not_kept += 1,
            }
        }
        counts
    }

    fn refusal(&self) -> ArtifactRefusal {
        let seen = self.seen.lock().expect("unpoisoned");
        let reason = seen.iter().find_map(|observed| match observed {
            Observed::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        reason.expect("a refusal")
    }

    /// Loads a tool and runs it, with the answer it must give.
    async fn runs(&self, tool: &Guest) {
        let loaded = self.runtime.load(&tool.wasm).await.expect("admitted");
        tool.check(&loaded).await;
    }

    /// The same by its digest, where its bytes must not be asked for.
    async fn runs_unread(&self, tool: &Guest) {
        let digest = ToolDigest::of(&tool.wasm);
        let fetch = async { panic!("its bytes are asked for") };
        let loaded = self.runtime.load_known::<Infallible>(digest, "org", fetch);
        tool.check(&loaded.await.expect("kept")).await;
    }
}

/// A tool with its own answer.
struct Guest {
    wasm: Vec<u8>,
    adds: u32,
}

impl Guest {
    fn new(adds: u32) -> Self {
        let text = format!(
            r#"(component
                (core module $m (func (export "add") (param i32) (result i32)
                    (i32.add (local.get 0) (i32.const {adds}))))
                (core instance $m (instantiate $m))
                (func (export "add") (param "to" u32) (result u32)
                    (canon lift (core func $m "add"))))"#
        );
        let wasm = wat_bytes(&text);
        Self { wasm, adds }
    }

    async fn check(&self, tool: &Tool) {
        let run = Run::new("add", json!({"to": 1000}));
        assert_eq!(output(tool.run(run).await), json!(1000 + self.adds));
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).expect("a file").len()
}
