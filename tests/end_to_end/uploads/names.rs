//! Names that a seller gives what the tool imports and exports: shown to people, so told without what would act on a
//! terminal or a page.

use super::{has_code, violations};
use tollgate_runtime::Violation;
use tollgate_tests::wat_bytes;

const SAID_BYTES_MAX: usize = 1_000;
/// As long as a name may be; longer ones are malformed.
const NAME_BYTES: usize = 100_000;

/// Escaped as WebAssembly text has it.
fn names() -> Vec<(&'static str, String)> {
    let names = [
        ("a cleared screen", r"\1b[2J\1b[H"),
        ("a window's title", r"\1b]0;title\07"),
        ("a control of one character", r"\c2\9b31mred"),
        ("a NUL", r"before\00after"),
        ("a line of its own", r"tool\0d\0aadmitted: everything"),
        ("a deletion", r"\7f\7f\7f"),
    ];
    let long = [("100,000 bytes", "a_".repeat(NAME_BYTES / 2))];
    let names = names.map(|(label, name)| (label, name.to_owned()));
    names.into_iter().chain(long).chain(turned()).collect()
}

/// Names of which each turns the text behind it around, ours too.
fn turned() -> [(&'static str, String); 2] {
    [
        ("an override", r"\e2\80\aedettimda"),
        ("an isolate", r"\e2\81\a7dettimda"),
    ]
    .map(|(label, name)| (label, name.to_owned()))
}

/// Tools that have the name where it is read, and the code each is refused with.
fn tools(name: &str) -> [(&'static str, String, &'static str); 6] {
    let module = |import: &str| {
        format!(
            r#"(module (import {import} (func)) (memory (export "memory") 1) (func (export "_start")))"#
        )
    };
    [
        (
            "a module imported from",
            module(&format!(r#""{name}" "f""#)),
            "import_unknown",
        ),
        (
            "a function imported",
            module(&format!(r#""env" "{name}""#)),
            "import_unknown",
        ),
        (
            "a function of WASI",
            module(&format!(r#""wasi_snapshot_preview1" "{name}""#)),
            "import_unknown",
        ),
        (
            "a module's export",
            format!(r#"(module (memory (export "memory") 1) (func (export "{name}")))"#),
            "kind_unknown",
        ),
        (
            "a component's import",
            format!(r#"(component (import "{name}" (func)))"#),
            "format_malformed",
        ),
        (
            "a component's export",
            format!(
                r#"(component
                  (core module $guest (func (export "go")))
                  (core instance $guest (instantiate $guest))
                  (func (export "{name}") (canon lift (core func $guest "go"))))"#
            ),
            "format_malformed",
        ),
    ]
}

/// All that is told of tools with such a name, with where each has it.
async fn told(hostile: &str, name: &str) -> Vec<(String, String)> {
    let said = |violation: &Violation| format!("{} ({})", violation.message, violation.place);
    let mut told = Vec::new();
    for (place, text, code) in tools(name) {
        let label = format!("{hostile} in {place}");
        let found = violations(&label, &wat_bytes(&text)).await;
        assert!(has_code(&found, code), "{label}: {}", found[0].code);
        told.extend(found.iter().map(|it| (label.clone(), said(it))));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn are_told_short_and_without_control_characters() {
    for (hostile, name) in names() {
        for (label, said) in told(hostile, &name).await {
            let length = said.len();
            assert!(length < SAID_BYTES_MAX, "{label}: {length} bytes");
            assert!(!said.contains(char::is_control), "{label}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn do_not_turn_our_own_words_around() {
    let turns =
        |character: char| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for (hostile, name) in turned() {
        for (label, said) in told(hostile, &name).await {
            assert!(!said.contains(turns), "{label}: {said:?}");
        }
    }
}
