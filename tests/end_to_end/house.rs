//! The house's arrows, held by reading `cargo metadata`.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What each crate of ours may use of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("tollgate-host-api", &[]),
    ("tollgate-runtime", &["tollgate-host-api"]),
    ("tollgate-validator", &["tollgate-runtime"]),
    (
        "tollgate",
        &["tollgate-runtime", "tollgate-store", "tollgate-validator"],
    ),
    ("tollgate-store", &[]),
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
    ("sqlx", &["tollgate-store", "tollgate-benchmarks"]),
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
