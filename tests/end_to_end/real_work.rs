//! Tools that people use, on what they would use them for.

use serde_json::{Value, json};
use std::fs;
use tollgate_fixtures::fixture;
use tollgate_runtime::{Run, source};
use tollgate_tests::{failure, is_built, output, repository, tool};

mod table;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_becomes_the_html_of_pulldown_cmark_itself() {
    use pulldown_cmark::{Options, Parser, html::push_html};
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    assert!(readme.len() > 1000, "it has {} bytes", readme.len());
    let mut expected = String::new();
    push_html(&mut expected, Parser::new_ext(&readme, Options::empty()));
    let run = Run::new("render", json!({ "markdown": readme }));
    let rendered = output(tool("markdown").await.run(run).await);
    assert_eq!(rendered, json!(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_thousand_rows_are_described_as_by_another_program() {
    let csv = table::weather(12_000);
    assert!(csv.len() < 1_000_000, "it has {} bytes", csv.len());
    let run = Run::new("describe", json!({ "csv": csv }));
    let described = output(tool("csv-stats").await.run(run).await);
    let expected = table::Described::of(&csv);
    assert!(expected.rows >= 10_000);
    assert_eq!(described["rows"], json!(expected.rows));
    let columns = described["columns"].as_array().expect("columns");
    assert_eq!(columns.len(), expected.columns.len());
    for (column, expected) in columns.iter().zip(&expected.columns) {
        expected.check(column);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_program_draws() {
    let diagram = "arrow right 200% \"Markdown\" above\nbox rad 10px \"pikchr\" \"1 < 2\" fit\narrow\ncircle \"SVG\"";
    let run = Run::only(json!({ "diagram": diagram }));
    let svg = output(tool("pikchr").await.run(run).await);
    let svg = svg.as_str().expect("text");
    assert!(
        svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
        "{svg}"
    );
    for part in ["<circle ", ">pikchr</text>", "&lt;", "viewBox="] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert_eq!(
        svg.matches("<polygon ").count(),
        2,
        "an arrow head each: {svg}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_s_words_file_and_line_are_there_for_the_owner() {
    let bytes = tollgate_fixtures::packed_bytes("panics");
    let run = Run::new("month-name", json!({"month": 13}));
    let mut failure = failure(tool("panics").await.run(run).await);
    assert_eq!(failure.trap.as_deref(), Some("unreachable_code_reached"));
    let words = failure.diagnostics.clone().expect("what it wrote");
    assert!(
        words.contains("index out of bounds: the len is 12 but the index is 12"),
        "{words}"
    );

    let source_text = fs::read_to_string(tollgate_fixtures::folder("panics").join("src/lib.rs"))
        .expect("its source");
    let line = 1 + source_text
        .lines()
        .position(|line| line.contains("MONTHS[index]"))
        .expect("the bug");
    assert!(words.contains(&format!("src/lib.rs:{line}:")), "{words}");

    assert!(
        failure
            .backtrace
            .iter()
            .all(|frame| frame.file.is_none() && frame.line.is_none())
    );
    source::resolve(&bytes, &mut failure.backtrace);
    let is_bug = |frame: &tollgate_runtime::Frame| {
        frame
            .file
            .as_deref()
            .is_some_and(|file| file.ends_with("src/lib.rs"))
            && frame.line.is_some_and(|at| at as usize == line)
    };
    assert!(
        failure.backtrace.iter().any(is_bug),
        "{:#?}",
        failure.backtrace
    );
}

type IsRight = fn(&Value) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn javascript_and_python_answer() {
    let cases: [(&str, Value, IsRight); 2] = [
        (
            "calendar-js",
            json!({"events": [
                {"title": "Dinner, late", "start": "2026-03-01T18:00:00+01:00", "minutes": 90},
                {"title": "Breakfast", "start": "2026-03-02T07:30:00Z", "minutes": 30},
            ]}),
            |output| {
                let text = output.as_str().unwrap_or_default();
                text.starts_with("BEGIN:VCALENDAR\r\n")
                    && text.matches("BEGIN:VEVENT\r\n").count() == 2
                    && text.contains("DTSTART:20260301T170000Z\r\nDTEND:20260301T183000Z\r\n")
                    && text.contains("DTEND:20260302T080000Z\r\n")
            },
        ),
        (
            "diff-py",
            json!({"before": "one\ntwo\nthree\n", "after": "one\n2\nthree\nfour\n"}),
            |output| {
                output["added"] == json!(2)
                    && output["removed"] == json!(1)
                    && output["patch"]
                        .as_str()
                        .is_some_and(|patch| patch.contains("-two\n+2\n three\n+four\n"))
            },
        ),
    ];
    for (name, input, is_right) in cases {
        if !is_built(fixture(name)) {
            eprintln!("SKIP: {name} is not built; `fixtures/build-large` builds it");
            continue;
        }
        let output = output(tool(name).await.run(Run::only(input)).await);
        assert!(is_right(&output), "{name}: {output}");
    }
}
