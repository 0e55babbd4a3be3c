//! The directions of dependencies between crates, by `cargo metadata`, and between folders, by the paths that sources name.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate of ours may use of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("tollgate-fair", &[]),
    ("tollgate-host-api", &["tollgate-fair"]),
    ("tollgate-runtime", &["tollgate-fair", "tollgate-host-api"]),
    ("tollgate-validator", &["tollgate-runtime"]),
    (
        "tollgate",
        &[
            "tollgate-fair",
            "tollgate-runtime",
            "tollgate-store",
            "tollgate-validator",
        ],
    ),
    ("tollgate-store", &["tollgate-fair"]),
    ("tollgate-fixtures", &["tollgate-validator"]),
    (
        // One piece of the doors is measured by itself: how fast answers are searched.
        "tollgate-benchmarks",
        &[
            "tollgate-fixtures",
            "tollgate-host-api",
            "tollgate-runtime",
            "tollgate-validator",
        ],
    ),
    (
        "tollgate-tests",
        &[
            "tollgate-fixtures",
            "tollgate-runtime",
            "tollgate-validator",
        ],
    ),
];

/// Crates that only these of ours may name.
const KEPT_APART: &[(&str, &[&str])] = &[
    ("axum", &["tollgate", "tollgate-benchmarks"]),
    (
        "hyper",
        &["tollgate", "tollgate-benchmarks", "tollgate-host-api"],
    ),
    ("hickory-resolver", &["tollgate-host-api"]),
    ("rustls", &["tollgate-host-api"]),
    ("clap", &["tollgate", "tollgate-benchmarks"]),
    ("indicatif", &["tollgate"]),
    ("anyhow", &["tollgate", "tollgate-benchmarks"]),
    ("rusqlite", &["tollgate-store", "tollgate-benchmarks"]),
    ("object_store", &["tollgate-store"]),
    (
        "wasmtime",
        &[
            "tollgate-benchmarks",
            "tollgate-host-api",
            "tollgate-runtime",
        ],
    ),
    (
        "wasmtime-wasi",
        &["tollgate-benchmarks", "tollgate-host-api"],
    ),
    (
        "wasmtime-wasi-http",
        &["tollgate-benchmarks", "tollgate-host-api"],
    ),
];

fn packages() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .expect("cargo metadata");
    metadata.packages
}

fn uses(package: &Package) -> Vec<&str> {
    let uses = package
        .dependencies
        .iter()
        .filter(|it| it.kind != DependencyKind::Development);
    uses.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn every_crate_uses_only_what_the_house_allows() {
    let packages = packages();
    assert_eq!(
        packages.len(),
        ARROWS.len(),
        "a crate came or went: draw its arrows here"
    );
    for package in &packages {
        let name = package.name.as_str();
        let (_, allowed) = ARROWS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} is not drawn"));
        for used in uses(package)
            .into_iter()
            .filter(|used| used.starts_with("tollgate"))
        {
            assert!(allowed.contains(&used), "{name} must not use {used}");
        }
    }
}

#[test]
fn crates_kept_apart_are_named_where_they_belong_only() {
    for package in &packages() {
        let name = package.name.as_str();
        for (kept, by) in KEPT_APART {
            assert!(
                !uses(package).contains(kept) || by.contains(&name),
                "{name} must not name {kept}"
            );
        }
    }
}

/// Folders whose parts depend one way: each subfolder, and each file that is named here, may use itself and those before
/// it. Other files are above all of them.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "front/src/server",
        &[
            "edge",
            "state",
            "access",
            "repeated",
            "money",
            "catalogue",
            "tenancy",
            "runs",
        ],
    ),
    (
        "host-api/src",
        &[
            "budget",
            "clock",
            "host",
            "limit",
            "logs",
            "random",
            "spans",
            "environment",
            "exchange",
            "scratch",
            "stdio",
            "egress",
            "guest",
            "linker",
        ],
    ),
    (
        "runtime/src",
        &[
            "violation",
            "digest",
            "usage",
            "limits",
            "engine",
            "value",
            "scheduler",
            "guest",
            "tool",
            "run",
            "runtime",
        ],
    ),
    (
        "store/src",
        &[
            "sql",
            "number",
            "time",
            "day",
            "id",
            "owner",
            "digest",
            "error",
            "page",
            "connections",
            "tenancy",
            "folder",
            "catalogue",
            "money",
            "runs",
            "remembered",
            "database",
            "upkeep",
        ],
    ),
    (
        "validator/src",
        &[
            "in_manifest",
            "pack",
            "source",
            "upload",
            "examples",
            "checks",
        ],
    ),
    (
        "front/src",
        &[
            "about",
            "certificates",
            "compiled",
            "failure_help",
            "filled_in",
            "problem",
            "terminal",
            "terms",
            "config",
            "exit",
            "outline",
            "report",
            "hardening",
            "options",
            "commands",
            "server",
        ],
    ),
];
/// The most source files of a folder.
const FILES_MAX: usize = 15;
/// The most lines of a source file.
const LINES_MAX: usize = 400;
/// The folders of all crates but the tests.
const CRATES: &[&str] = &[
    "benchmarks",
    "fixtures",
    "front",
    "host-api",
    "runtime",
    "store",
    "validator",
];

/// The path of a folder of the workspace.
fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = paths.flat_map(|path| match path.is_dir() {
        // Tests may use everything.
        true if path.ends_with("tests") => Vec::new(),
        true => sources(&path),
        false => vec![path],
    });
    below
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

#[test]
fn folders_use_only_those_below_them() {
    for (path, floors) in FLOORS {
        let root = folder(path);
        let (_, module) = path.split_once("/src").expect("a crate's folder");
        let prefix = format!("crate{}::", module.replace('/', "::"));
        let floor = |name: &str| floors.iter().position(|floor| *floor == name);
        for file in sources(&root) {
            let within = file.strip_prefix(&root).expect("below it");
            let mut parts = within.iter().map(|part| part.to_str().expect("a name"));
            let first = parts.next().expect("a name");
            let own = match first.strip_suffix(".rs") {
                None => {
                    floor(first).unwrap_or_else(|| panic!("{first} has no floor: draw it here"))
                }
                Some(file) => floor(file).unwrap_or(floors.len()),
            };
            let text = fs::read_to_string(&file).expect("text");
            for (_, used) in text
                .match_indices(&prefix)
                .map(|(at, _)| text[at..].split_at(prefix.len()))
            {
                let end = used.find(|it: char| !it.is_alphanumeric() && it != '_');
                let used = &used[..end.unwrap_or(used.len())];
                let is_item = used.starts_with(char::is_uppercase);
                let is_below = is_item || floor(used).is_some_and(|it| it <= own);
                assert!(is_below, "{} must not use {prefix}{used}", file.display());
            }
        }
    }
}

#[test]
fn folders_and_files_are_small() {
    for root in CRATES {
        let mut counts: HashMap<PathBuf, usize> = HashMap::new();
        for file in sources(&folder(&format!("{root}/src"))) {
            let lines = fs::read_to_string(&file).expect("text").lines().count();
            let is_tests = file.ends_with("tests.rs");
            assert!(
                lines <= LINES_MAX || is_tests,
                "{}: {lines} lines",
                file.display()
            );
            let folder = file.parent().expect("a folder").to_owned();
            *counts.entry(folder).or_default() += 1;
        }
        assert!(!counts.is_empty(), "{root} has no sources");
        for (folder, count) in counts {
            // One file for each measurement.
            let is_small = count <= FILES_MAX || folder.ends_with("benchmarks/src/rows");
            assert!(is_small, "{}: {count} files", folder.display());
        }
    }
}
