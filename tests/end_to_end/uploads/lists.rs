//! Lists without end: files of which each few bytes would become a record, a message or a comparison. Refused soon, with
//! few violations, on a thread where nobody waits for it.

use super::{has_code, judged_beside_a_neighbour, violations_beside_a_neighbour};
use crate::bytes::{COMPONENT, MODULE, custom, leb, section};
use std::time::Duration;
use tollgate_runtime::manifest::SECTION;
use tollgate_runtime::{VIOLATIONS_MAX, docs};
use tollgate_tests::wat_bytes;

/// An engine and a gate that are not optimised, the rest of the suite beside them.
const SOON: Duration = Duration::from_secs(5);
const TOOL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// What the gate may say, however much there is: each of its checks so many.
const SAID_MAX: usize = 3 * VIOLATIONS_MAX;

/// A section of so many equal entries.
fn entries(id: u8, count: usize, entry: &[u8]) -> Vec<u8> {
    let content = [&leb(count)[..], &entry.repeat(count)].concat();
    [MODULE, &section(id, &content)].concat()
}

/// Imports of functions, each from a module of its own name.
fn imports(count: u32) -> Vec<u8> {
    let import = |at: u32| {
        let name = at.to_le_bytes().map(|byte| b'a' + byte % 26);
        [&[4][..], &name, &[0, 0, 0]].concat()
    };
    let types = section(1, b"\x01\x60\0\0");
    let content = [
        &leb(count as usize)[..],
        &(0..count).flat_map(import).collect::<Vec<_>>(),
    ];
    [MODULE, &types, &section(2, &content.concat())].concat()
}

/// A component with one function.
fn function(name: &str, parameter: &str) -> Vec<u8> {
    wat_bytes(&format!(
        r#"(component
            (core module $m (func (export "f") (param i32)))
            (core instance $i (instantiate $m))
            (func $f (param "{parameter}" u8) (canon lift (core func $i "f")))
            (export "{name}" (func $f)))"#
    ))
}

/// A component with one function, in an interface.
fn interface(name: &str) -> Vec<u8> {
    wat_bytes(&format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $of (export "f" (func $f)))
            (export "a:b/{name}" (instance $of)))"#
    ))
}

fn with_manifest(rest: &str) -> Vec<u8> {
    let text = format!("name = \"a\"\n{rest}");
    assert!(
        text.len() <= 256 * 1024,
        "{} bytes are not read",
        text.len()
    );
    [&wat_bytes(TOOL)[..], &custom(SECTION, text.as_bytes())].concat()
}

pub(super) fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let numbered =
        |count: usize, one: &dyn Fn(usize) -> String| -> String { (0..count).map(one).collect() };
    let patterns = numbered(1_500, &|at| format!("{{pattern=\"x{{{}}}\"}},", 5000 + at));
    let examples = numbered(4_000, &|at| {
        format!(
            "[[examples]]\noutput_schema.pattern = \"x{{{}}}\"\n",
            5000 + at
        )
    });
    let credentials = numbered(12_000, &|at| format!("[credentials.a{at}]\n"));
    let outputs = numbered(25_000, &|at| format!("\"{at}\","));
    let mut cases = vec![
        (
            "memories",
            entries(5, 6_000_000, b"\0\x81\x10"),
            "entries_too_many",
        ),
        (
            "memories that are read",
            entries(5, 90_000, b"\0\x81\x10"),
            "memory_too_large",
        ),
        (
            "tables",
            entries(4, 3_000_000, b"\x70\0\xa1\x8d\x06"),
            "entries_too_many",
        ),
        (
            "tables that are read",
            entries(4, 90_000, b"\x70\0\xa1\x8d\x06"),
            "table_too_large",
        ),
        ("imports", imports(1_000_000), "entries_too_many"),
        ("imports that are read", imports(90_000), "import_unknown"),
        (
            "a function's name",
            function(&"f".repeat(257), "a"),
            "name_too_long",
        ),
        (
            "a parameter's name",
            function("f", &"a".repeat(257)),
            "name_too_long",
        ),
        (
            "an interface's name",
            interface(&"i".repeat(257)),
            "name_too_long",
        ),
        (
            "exports",
            entries(7, 250_000, b"\x01f\0\0"),
            "entries_too_many",
        ),
        (
            "declarations of a type",
            [
                COMPONENT,
                &section(7, &[&[1, 0x42][..], &leb(250_000)].concat()),
            ]
            .concat(),
            "entries_too_many",
        ),
        (
            "empty sections",
            [MODULE, &[0, 1, 0].repeat(6_000_000)].concat(),
            "entries_too_many",
        ),
    ];
    let manifests = [
        (
            "rules",
            format!("egress.allow = [{}]", "\"\",".repeat(80_000)),
            "manifest_invalid",
        ),
        ("credentials", credentials, "manifest_invalid"),
        (
            "hosts",
            format!("[credentials.KEY]\nhosts = [{}]", "\"\",".repeat(80_000)),
            "manifest_invalid",
        ),
        (
            "functions",
            format!("functions = [{}]", "\"a\",".repeat(60_000)),
            "function_unknown",
        ),
        (
            "outputs",
            format!("[command]\noutputs = [{outputs}\"0/a\"]"),
            "manifest_invalid",
        ),
        (
            "patterns",
            format!("command.input.allOf = [{patterns}]"),
            "schema_invalid",
        ),
        ("examples", examples, "manifest_invalid"),
    ];
    let of_manifests = manifests
        .into_iter()
        .map(|(label, text, code)| (label, with_manifest(&text), code));
    cases.extend(of_manifests);
    let long = [
        b"name = \"a\"\nx = [".as_slice(),
        &b"0,".repeat(9_000_000),
        b"]",
    ]
    .concat();
    let long = [&wat_bytes(TOOL)[..], &custom(SECTION, &long)].concat();
    cases.push(("a manifest of 18 MB", long, "manifest_invalid"));
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn are_refused_soon_beside_a_neighbour_who_waits_for_nothing() {
    for (label, bytes, code) in files() {
        let found = violations_beside_a_neighbour(label, SOON, bytes).await;
        assert!(has_code(&found, code), "{label}: {}", found[0]);
        assert!(found.len() <= SAID_MAX, "{label}: {} are said", found.len());
    }
}

/// Documentation is no reason to refuse: what is too much of it is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_documentation_are_not_read() {
    let exports: String = (0..256)
        .map(|at| format!("(export \"f{at}\" (func $f))"))
        .collect();
    let tool = wat_bytes(&format!(
        r#"(component
          (core module $guest (func (export "f")))
          (core instance $guest (instantiate $guest))
          (func $f (canon lift (core func $guest "f"))) {exports})"#
    ));
    let worlds = |count: usize| {
        let world = |at| format!("\"w{at}\":{{}}");
        let worlds: Vec<_> = (0..count).map(world).collect();
        let last = r#""z":{"func_exports":{"f0":"\u001b[2Jsaid"}}"#;
        format!("{{\"worlds\":{{{},{last}}}}}", worlds.join(","))
    };
    let deep = format!(
        "{{\"worlds\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (label, json, is_read) in [
        ("some worlds", worlds(900), true),
        ("worlds without number", worlds(20_000), false),
        ("depth", deep, false),
        ("another shape", "[1]".to_owned(), false),
        (
            "more than is read",
            format!("{}{}", worlds(1), " ".repeat(256 * 1024)),
            false,
        ),
    ] {
        let bytes = [
            &tool[..],
            &custom(docs::SECTION, &[&[1], json.as_bytes()].concat()),
        ]
        .concat();
        let verdict = judged_beside_a_neighbour(label, SOON, bytes).await;
        let tool = verdict
            .tool
            .unwrap_or_else(|| panic!("{label}: {:?}", verdict.violations));
        let described = tool.interface().functions()[0].description.clone();
        assert_eq!(described.is_some(), is_read, "{label}: {described:?}");
    }
}
