//! Manifests that are broken or mean harm.

use super::{has_code, has_place, violations, within};
use crate::bytes::custom;
use std::time::Duration;
use tollgate_runtime::manifest::SECTION;
use tollgate_tests::wat_bytes;

const TOOL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn with_manifest(text: &[u8]) -> Vec<u8> {
    [&wat_bytes(TOOL)[..], &custom(SECTION, text)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_where_it_is_wrong() {
    let twice = [
        &with_manifest(b"name = \"a\"")[..],
        &custom(SECTION, b"name = \"a\""),
    ]
    .concat();
    let found = violations("two manifests", &twice).await;
    assert!(
        has_code(&found, "manifest_duplicate") && has_place(&found[0].place),
        "{found:?}"
    );

    let not_utf8 = with_manifest(b"name = \"\xff\"");
    let found = violations("not UTF-8", &not_utf8).await;
    let at = not_utf8
        .iter()
        .position(|byte| *byte == 0xff)
        .expect("it is there");
    assert_eq!(found[0].code, "manifest_invalid");
    assert_eq!(found[0].place.offset, Some(at as u64), "{}", found[0]);

    let cases = [
        ("name = \"a\"\nprise = 5", "prise", Some(2), None),
        ("name = \"a\"\n[limits]\nspeed = 1", "speed", Some(3), None),
        ("name = \"a\"\n[command]\nargv = []", "argv", Some(3), None),
        ("name = \"a\"\n[[examples]]\nin = 1", "in", Some(3), None),
        ("price = 5", "name", None, None),
        ("name = \"a", "", Some(1), None),
        (
            "name = \"Not a name\"",
            "Not a name",
            Some(1),
            Some("/name"),
        ),
        (
            "name = \"a\"\n[limits]\ntimeout = \"60s\"",
            "timeout",
            Some(3),
            Some("/limits/timeout"),
        ),
        (
            "name = \"a\"\n[credentials.KEY]\nhosts = [\"*\"]",
            "*",
            Some(3),
            Some("/credentials/KEY/hosts/0"),
        ),
        (
            "name = \"a\"\n[egress]\nallow = [\"ftp://a\"]",
            "ftp",
            Some(3),
            Some("/egress/allow/0"),
        ),
        (
            "name = \"a\"\nfunctions = [\"walk\"]",
            "walk",
            Some(2),
            Some("/functions/0"),
        ),
        (
            "name = \"a\"\n[command]\nargs = [\"{nope}\"]",
            "nope",
            Some(3),
            Some("/command/args/0"),
        ),
    ];
    for (text, named, line, pointer) in cases {
        let found = violations(text, &with_manifest(text.as_bytes())).await;
        let violation = &found[0];
        assert!(violation.message.contains(named), "{text}: {violation}");
        assert!(
            line.is_none() || violation.place.line == line,
            "{text}: {violation}"
        );
        assert!(
            pointer.is_none() || violation.place.pointer.as_deref() == pointer,
            "{text}: {violation}"
        );
        assert!(has_place(&violation.place), "{text}: {violation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn are_judged_although_the_rest_of_the_file_is_wrong() {
    let text = "name = \"a\"\nfunctions = [\"walk\"]\n[limits]\nmemory = \"1GiB\"";
    let found = violations("both", &with_manifest(text.as_bytes())).await;
    assert!(has_code(&found, "function_unknown"), "{found:?}");
    let limit = found.iter().find(|it| it.message.contains("128MiB"));
    let line = limit.and_then(|it| it.place.line);
    assert_eq!(line, Some(4), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn and_files_are_noted_for_what_they_lack_and_carry() {
    let notes = async |bytes: &[u8]| {
        let verdict = super::judged(bytes).await;
        assert!(verdict.is_admitted(), "{:?}", verdict.violations);
        let codes = verdict.notes.into_iter().map(|note| note.code);
        codes.collect::<Vec<_>>()
    };
    let described = with_manifest(b"name = \"a\"\ndescription = \"b\"");
    assert_eq!(notes(&described).await, [""; 0]);
    // A command has no WIT: its manifest describes it.
    let silent = with_manifest(b"name = \"a\"");
    assert_eq!(notes(&silent).await, ["undocumented"]);
    for (bytes, expected) in [(1 << 20, &["sections_large"][..]), ((1 << 20) - 200, &[])] {
        let large = [&described[..], &custom("other", &vec![0; bytes])].concat();
        assert_eq!(notes(&large).await, expected, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nest_or_swell_are_refused_soon() {
    let deep = |open: &str, close: &str| {
        format!(
            "name = \"a\"\nx = {}{}",
            open.repeat(60_000),
            close.repeat(60_000)
        )
    };
    let reference = |level: usize| {
        let target = level + 1;
        format!(
            "d{level} = {{ allOf = [{{ \"$ref\" = \"#/$defs/d{target}\" }}, {{ \"$ref\" = \"#/$defs/d{target}\" }}] }}\n"
        )
    };
    let doubling: String = (0..40).map(reference).collect();
    let cases = [
        ("arrays in arrays", deep("[", "]")),
        ("tables in tables", deep("{a=", "}")),
        (
            "keys of keys",
            format!("name = \"a\"\n{}a = 1", "a.".repeat(60_000)),
        ),
        (
            "headers of keys",
            format!("name = \"a\"\n[{}a]", "a.".repeat(60_000)),
        ),
        (
            "a schema of keys",
            format!(
                "name = \"a\"\n[command]\ninput.{}a = 1",
                "a.".repeat(60_000)
            ),
        ),
        (
            "too long",
            format!("name = \"a\"\n#{}", "#".repeat(300_000)),
        ),
        (
            "references that double",
            format!(
                "name = \"a\"\n[command.input]\n\"$ref\" = \"#/$defs/d0\"\n[command.input.\"$defs\"]\n{doubling}d40 = true\n"
            ),
        ),
        (
            "a reference to itself",
            "name = \"a\"\n[command.input]\n\"$ref\" = \"#\"".to_owned(),
        ),
        (
            "a reference to elsewhere",
            "name = \"a\"\n[command.input]\n\"$ref\" = \"https://example.com/\"".to_owned(),
        ),
        (
            "a pattern that backtracks",
            "name = \"a\"\n[command.input]\npattern = '(a+)+\\1'".to_owned(),
        ),
        (
            "a pattern that swells",
            "name = \"a\"\n[command.input]\npattern = '((a{1000}){1000}){1000}'".to_owned(),
        ),
    ];
    for (label, text) in cases {
        let bytes = with_manifest(text.as_bytes());
        let judging = violations(label, &bytes);
        let found = within(label, Duration::from_secs(1), judging).await;
        assert!(
            has_code(&found, "manifest_invalid") || has_code(&found, "schema_invalid"),
            "{label}: {found:?}"
        );
        assert!(
            found.iter().all(|it| it.message.len() < 1000),
            "{label}: {found:?}"
        );
    }
}
