//! The gate's codes: each that the code can say stands in the catalogue, and the page is made from it.

use std::fs;
use std::path::{Path, PathBuf};
use tollgate_tests::repository;
use tollgate_validator::catalogue::{NOTES, VIOLATIONS, entry_of, page};

/// What is said of an input, not of a tool.
const OF_INPUT: [&str; 2] = ["input_invalid", "type_mismatch"];

/// The Rust sources of both crates that judge, but for the catalogue itself.
fn sources() -> Vec<String> {
    let crates = ["runtime/src", "validator/src"];
    let texts = crates.map(|path| texts(repository().join(path)));
    texts.concat()
}

/// The sources at a path, but for the catalogue.
fn texts(path: PathBuf) -> Vec<String> {
    let mut paths = vec![path];
    let mut texts = Vec::new();
    while let Some(path) = paths.pop() {
        let is_catalogue = path.file_name().is_some_and(|name| name == "catalogue.rs");
        if path.is_dir() {
            let entries = fs::read_dir(path).expect("a folder");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if !is_catalogue {
            texts.push(fs::read_to_string(path).expect("UTF-8"));
        }
    }
    texts
}

fn first_literals<'t>(text: &'t str, call: &str) -> Vec<&'t str> {
    let after = text.split(call).skip(1);
    let literals = after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    literals.collect()
}

#[test]
fn every_code_has_its_entry_and_every_entry_is_used() {
    let sources = sources();
    let mut said = Vec::new();
    for text in &sources {
        for call in ["Violation::new(", "in_manifest("] {
            said.extend(first_literals(text, call));
        }
    }
    assert!(said.len() > 40, "{said:?}");
    for code in said {
        let is_known = entry_of(code).is_some() || OF_INPUT.contains(&code);
        assert!(is_known, "{code} is not in validator/src/catalogue.rs");
    }
    for entry in VIOLATIONS.iter().chain(NOTES) {
        let literal = format!("\"{}\"", entry.code);
        let is_used = sources.iter().any(|text| text.contains(&literal));
        assert!(is_used, "nothing says {}", entry.code);
    }
}

/// A violation of a child is accepted only with a known code.
#[test]
fn the_checks_know_each_code_that_they_say() {
    let known = tollgate_runtime::checks::CODES;
    assert!(known.is_sorted(), "in order");
    let places = [
        "tool/checks",
        "tool/manifest",
        "tool/seller_schema",
        "tool/command",
        "value",
    ];
    let root = repository().join("runtime/src");
    let mut said = 0;
    for text in places.into_iter().flat_map(|place| texts(root.join(place))) {
        for call in ["Violation::new(", "in_manifest("] {
            for code in first_literals(&text, call) {
                let is_known = known.contains(&code) || OF_INPUT.contains(&code);
                assert!(is_known, "{code} is not in checks::CODES");
                said += 1;
            }
        }
    }
    assert!(said > 30, "{said}");
}

/// With WRITE_DOCS=1 the page is written.
#[test]
fn the_page_is_the_catalogue_s() {
    let path = repository().join("docs/violations.md");
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, page()).expect("written");
    }
    let written = read(&path);
    assert_eq!(written, page(), "WRITE_DOCS=1 cargo test writes it");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
