//! Where the input comes from, and what is not accepted as one.

use serde_json::json;
use std::fs;
use tollgate_tests::{json, tollgate, tollgate_with_input};

const WORDCOUNT: &str = "fixtures/tools/wordcount";

#[test]
fn is_text_a_file_or_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("input.json");
    let text = r#"{"text": "one two\nthree"}"#;
    fs::write(&file, text).expect("a file");
    let at_file = format!("@{}", file.display());
    for (input, stdin) in [(text, ""), (&at_file, ""), ("-", text)] {
        let ended = tollgate_with_input(&["run", WORDCOUNT, "--input", input], stdin.as_bytes());
        assert_eq!(ended.code, Some(0), "{input}: {ended:?}");
        assert_eq!(
            json(&ended.stdout),
            json!({"lines": 1, "words": 3, "bytes": 13}),
            "{input}"
        );
    }
}

#[test]
fn that_is_not_json_is_refused_as_a_bad_request() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases = [
        ("", "EOF"),
        ("{", "EOF"),
        ("hello", "expected"),
        ("1 2", "trailing"),
        (r#"{"a":1,"b":{"c":1,"c":2}}"#, "`c` is there twice"),
        (&nested(65), "nested deeper than 64"),
        (&nested(100_000), "nested deeper than 64"),
        ("\"\\ud800\"", "hex escape"),
        ("1e999", "out of range"),
    ];
    for (text, reason) in cases {
        let ended = tollgate_with_input(
            &["run", "fixtures/tools/exit-three", "-i", "-"],
            text.as_bytes(),
        );
        let shown = format!("{:.40}: {ended:?}", text);
        assert_eq!(ended.code, Some(3), "{shown}");
        assert!(ended.stdout.is_empty(), "{shown}");
        assert!(
            ended.stderr.contains("Invalid parameters or request body")
                && ended.stderr.contains(reason),
            "{shown}"
        );
    }
    let ended = tollgate_with_input(
        &["run", "fixtures/tools/exit-three", "-i", "-"],
        nested(64).as_bytes(),
    );
    assert_eq!(ended.code, Some(1), "exactly the depth: {ended:?}");
    let ended = tollgate_with_input(&["run", WORDCOUNT, "-i", "-"], b"{\"text\":\"\xff\"}");
    assert_eq!(ended.code, Some(3), "not UTF-8: {ended:?}");
}

#[test]
fn that_cannot_be_read_is_an_error_of_usage() {
    let ended = tollgate(&["run", WORDCOUNT, "--input", "@nowhere.json"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("nowhere.json"), "{ended:?}");
}
