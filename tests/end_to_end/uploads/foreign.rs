//! Files that are no tool at all, one no longer, or one of another host.

use super::{has_place, judged, violations, within};
use crate::bytes::{COMPONENT, MODULE, custom};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use tollgate_fixtures::{fixture, packed_bytes};
use tollgate_runtime::{Run, Tool};
use tollgate_tests::{refusal, seconds, tollgate, wat_bytes};

const MIB: usize = 1 << 20;
/// An engine and a gate that are not optimised, the rest of the suite beside them.
const SOON: Duration = Duration::from_secs(5);

pub(super) fn foreign() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeroed = |start: &[u8]| [start, &[0; 4096]].concat();
    let largest = |over: usize| {
        let padding = 20 * MIB - MODULE.len() - custom("padding", &[]).len() - 3 + over;
        [MODULE, &custom("padding", &vec![0; padding])].concat()
    };
    assert_eq!(largest(0).len(), 20 * MIB);
    let mut rows = vec![
        ("empty", Vec::new(), "file_empty"),
        ("seven bytes", MODULE[..7].to_vec(), "format_unknown"),
        (
            "an ELF program",
            zeroed(b"\x7fELF\x02\x01\x01\0"),
            "format_unknown",
        ),
        (
            "a precompiled tool",
            zeroed(b"\x7fELF\x02\x01\x01\xc8"),
            "format_unknown",
        ),
        ("a ZIP archive", zeroed(b"PK\x03\x04"), "format_unknown"),
        ("gzip", zeroed(b"\x1f\x8b\x08"), "format_unknown"),
        (
            "HTML",
            b"<!doctype html><title>Tool</title>".to_vec(),
            "format_unknown",
        ),
        ("text", b"(module)".to_vec(), "format_unknown"),
        ("JSON", b"{}".to_vec(), "format_unknown"),
        ("version 2", b"\0asm\x02\0\0\0".to_vec(), "format_unknown"),
        (
            "another layer",
            b"\0asm\x0d\0\x02\0".to_vec(),
            "format_unknown",
        ),
        (
            "an unknown section",
            [MODULE, &[99, 1, 0]].concat(),
            "format_malformed",
        ),
        (
            "a section too long",
            [MODULE, &[1, 100, 0]].concat(),
            "format_malformed",
        ),
        (
            "an endless number",
            [MODULE, &[1], &[0x80; 32]].concat(),
            "format_malformed",
        ),
        ("a byte too large", largest(1), "file_too_large"),
        (
            "forty times too large",
            vec![0; 40 * 20 * MIB],
            "file_too_large",
        ),
        ("exactly as large as may be", largest(0), "kind_unknown"),
        ("a module of nothing", MODULE.to_vec(), "kind_unknown"),
        ("a component of nothing", COMPONENT.to_vec(), "kind_unknown"),
    ];
    let unlinkable = unlinkable().map(|(label, bytes)| (label, bytes, "import_unknown"));
    rows.extend(unlinkable);
    rows
}

/// Tools of interfaces that there are, which lack what is imported or have it with another type: seen only once the
/// tool is compiled and linked.
fn unlinkable() -> [(&'static str, Vec<u8>); 5] {
    let module = |import: &str| {
        wat_bytes(&format!(
            r#"(module
              (import "wasi_snapshot_preview1" {import})
              (memory (export "memory") 1)
              (func (export "_start")))"#
        ))
    };
    let component = |export: &str| {
        wat_bytes(&format!(
            r#"(component
              (import "wasi:cli/environment@0.2.0" (instance (export {export})))
              (core module $guest (func (export "go")))
              (core instance $guest (instantiate $guest))
              (func (export "go") (canon lift (core func $guest "go"))))"#
        ))
    };
    [
        ("a function WASI 0.1 lacks", module(r#""nope" (func)"#)),
        (
            "a function of WASI 0.1 with another type",
            module(r#""fd_write" (func (param i32) (result i32))"#),
        ),
        ("a memory of WASI 0.1", module(r#""memory" (memory 1)"#)),
        ("a function WASI 0.2 lacks", component(r#""nope" (func)"#)),
        (
            "a function of WASI 0.2 with another type",
            component(r#""get-arguments" (func (result u32))"#),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_its_violation_with_code_and_place() {
    for (label, bytes, code) in foreign() {
        let violations = violations(label, &bytes).await;
        assert_eq!(violations[0].code, code, "{label}: {}", violations[0]);
        let place = &violations[0].place;
        let is_placed = match code {
            // What is not there has no offset, and the engine links a tool without saying where an import stands.
            "kind_unknown" => place.section.as_deref() == Some("export"),
            "import_unknown" => place.section.as_deref() == Some("import"),
            _ => has_place(place),
        };
        assert!(is_placed, "{label}: {}", violations[0]);
    }
}

#[test]
fn the_program_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool.wasm");
    for (label, bytes, code) in foreign() {
        fs::write(&path, &bytes).expect("a file");
        let path = path.to_string_lossy();
        let validated = tollgate(&["validate", &path, "--json"]);
        assert_eq!(validated.code, Some(1), "{label}: {validated:?}");
        let verdict = tollgate_tests::json(&validated.stdout);
        assert_eq!(verdict["violations"][0]["code"], code, "{label}: {verdict}");
        let run = tollgate(&["run", &path]);
        assert_eq!(run.code, Some(3), "{label}: {run:?}");
        assert!(
            run.stdout.is_empty() && run.stderr.contains(code),
            "{label}: {run:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_tool_is_malformed_where_it_ends_or_a_lesser_tool() {
    let (mut malformed, mut lesser) = (0, 0);
    for name in [
        "markdown",
        "wordcount",
        "roundtrip",
        "hostile-files-component",
    ] {
        let whole = packed_bytes(name);
        for length in (0..whole.len()).step_by(97) {
            let verdict = judged(&whole[..length]).await;
            let Some(first) = verdict.violations.first() else {
                lesser += 1;
                continue;
            };
            assert!(!verdict.is_admitted());
            if first.code.starts_with("format_") {
                assert!(has_place(&first.place), "{name} cut at {length}: {first}");
                malformed += 1;
            }
        }
    }
    assert!(malformed > 1000, "only {malformed} were malformed");
    assert!(lesser < malformed / 100, "{lesser} cut files were admitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_refused_with_a_place_or_is_another_tool() {
    let (mut refused, mut admitted) = (0, 0);
    for name in ["exit-with-code", "abi-liar", "poll-never"] {
        let whole = packed_bytes(name);
        let input = tollgate_tests::json(fixture(name).runs[0].input);
        for bit in (0..8 * whole.len()).step_by(5) {
            let label = format!("{name}, bit {bit}");
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let verdict = within(&label, SOON, judged(&flipped)).await;
            if let Some(tool) = &verdict.tool {
                within(&label, SOON, fails_for_itself(&label, tool, &input)).await;
                admitted += 1;
                continue;
            }
            refused += 1;
            for violation in &verdict.violations {
                assert!(!violation.code.is_empty() && !violation.message.is_empty());
                assert!(
                    has_place(&violation.place) || !violation.code.starts_with("format_"),
                    "{label}: {violation}"
                );
            }
        }
    }
    assert!(
        refused > 500 && admitted > 100,
        "{refused} refused, {admitted} admitted"
    );
}

/// Runs a tool that nobody wrote: however that ends, it is no fault of ours.
async fn fails_for_itself(label: &str, tool: &Tool, input: &Value) {
    let run = match tool.interface().functions().first() {
        Some(function) => Run::new(&function.name, input.clone()),
        None => Run::only(input.clone()),
    };
    let ended = tool.run(run.limits(seconds(0.05))).await;
    let is_ours = match &ended {
        Ok(outcome) => {
            let failure = outcome.result.as_ref().err();
            failure.is_some_and(|failure| failure.kind.name() == "internal")
        }
        Err(refused) => refusal(refused) == "internal",
    };
    assert!(!is_ours, "{label}: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_is_reported_at_once() {
    let tool = wat_bytes(
        r#"(module
          (import "env" "one" (func))
          (import "wasi_unstable" "two" (func))
          (memory 3000) (table 200000 funcref))"#,
    );
    let tool = [&tool[..], &custom("tollgate.manifest", b"name = 5")].concat();
    let violations = violations("all of it", &tool).await;
    let codes: Vec<_> = violations.iter().map(|violation| violation.code).collect();
    for code in [
        "import_unknown",
        "kind_unknown",
        "memory_too_large",
        "table_too_large",
        "manifest_invalid",
    ] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    let imports = codes.iter().filter(|code| **code == "import_unknown");
    assert_eq!(imports.count(), 2);
}
