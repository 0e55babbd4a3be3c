//! What a tool may be made of. One that is made of exactly as much as it may be also runs.

use crate::guests;
use serde_json::json;
use std::fs;
use tollgate_runtime::{Limits, Run};
use tollgate_tests::{load, output, runtime, tollgate, wat_bytes};
use tollgate_validator::validate;

/// A tool with so much of everything; its function answers 7.
#[derive(Clone, Copy)]
struct Made {
    memories: usize,
    pages: usize,
    tables: usize,
    elements: usize,
    core_instances: usize,
    component_instances: usize,
}

const MOST: Made = Made {
    memories: 8,
    pages: 256,
    tables: 16,
    elements: 100_000,
    core_instances: 64,
    component_instances: 256,
};

impl Made {
    fn text(self) -> String {
        let memories = format!("(memory {})", self.pages).repeat(self.memories);
        let tables = format!("(table {} funcref)", self.elements).repeat(self.tables);
        let cores = "(core instance (instantiate $empty))".repeat(self.core_instances - 1);
        let nested = "(instance (instantiate $nothing))".repeat(self.component_instances - 1);
        format!(
            r#"(component
              (core module $empty)
              (component $nothing)
              (core module $guest {memories} {tables} (func (export "seven") (result i32) (i32.const 7)))
              (core instance $guest (instantiate $guest))
              {cores} {nested}
              (func (export "seven") (result u32) (canon lift (core func $guest "seven"))))"#
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn just_as_much_as_may_be_runs() {
    let bytes = wat_bytes(&MOST.text());
    let tool = load(runtime(), &bytes).await;
    let run = Run::only(json!({})).limits(Limits::default());
    assert_eq!(
        output(tool.run(run).await),
        json!(7),
        "128 MiB in 8 memories"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("most.wasm");
    fs::write(&path, bytes).expect("a file");
    let ended = tollgate(&["run", &path.to_string_lossy()]);
    assert_eq!(
        (ended.code, ended.stdout.trim()),
        (Some(0), "7"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_of_anything_is_refused() {
    let cases = [
        (
            "memories_too_many",
            Made {
                memories: 9,
                pages: 1,
                ..MOST
            },
        ),
        (
            "memory_too_large",
            Made {
                memories: 1,
                pages: 2049,
                ..MOST
            },
        ),
        (
            "memory_too_large",
            Made {
                memories: 8,
                pages: 257,
                ..MOST
            },
        ),
        ("tables_too_many", Made { tables: 17, ..MOST }),
        (
            "table_too_large",
            Made {
                tables: 1,
                elements: 100_001,
                ..MOST
            },
        ),
        (
            "instances_too_many",
            Made {
                core_instances: 65,
                ..MOST
            },
        ),
        (
            "nested_too_many",
            Made {
                component_instances: 257,
                ..MOST
            },
        ),
    ];
    for (code, made) in cases {
        let verdict = validate(runtime(), &wat_bytes(&made.text())).await;
        let codes: Vec<_> = verdict.violations.iter().map(|it| it.code).collect();
        assert_eq!(codes, [code]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_s_memories_and_tables_count_alike() {
    let text = |memories: usize, tables: usize| {
        format!(
            r#"(module (memory (export "memory") 1) {} {} (func (export "_start")))"#,
            "(memory 1)".repeat(memories - 1),
            "(table 100000 funcref)".repeat(tables)
        )
    };
    let tool = load(runtime(), &wat_bytes(&text(8, 16))).await;
    assert_eq!(output(tool.run(Run::only(json!(null))).await), json!(""));
    for (memories, tables, code) in [(9, 16, "memories_too_many"), (8, 17, "tables_too_many")] {
        let verdict = validate(runtime(), &wat_bytes(&text(memories, tables))).await;
        assert_eq!(verdict.violations.first().map(|it| it.code), Some(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_tool_offers_at_most_256_functions() {
    let text = |count: usize| {
        let functions: String = (0..count)
            .map(|number| {
                format!("(func (export \"f{number}\") (canon lift (core func $guest \"f\")))")
            })
            .collect();
        format!(
            "(component (core module $guest (func (export \"f\")))
              (core instance $guest (instantiate $guest)) {functions})"
        )
    };
    assert!(
        validate(runtime(), &wat_bytes(&text(256)))
            .await
            .is_admitted()
    );
    let verdict = validate(runtime(), &wat_bytes(&text(257))).await;
    assert_eq!(
        verdict.violations.first().map(|it| it.code),
        Some("functions_too_many")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_at_most_20_mib() {
    let tool = wat_bytes(&guests::copies_to_stdout());
    let with_ballast = |bytes: usize| {
        let padding = bytes - tool.len() - crate::bytes::custom("ballast", &[]).len() - 3;
        [
            &tool[..],
            &crate::bytes::custom("ballast", &vec![7; padding]),
        ]
        .concat()
    };
    let limit = 20 << 20;
    let (largest, larger) = (with_ballast(limit), with_ballast(limit + 1));
    assert_eq!((largest.len(), larger.len()), (limit, limit + 1));
    assert!(validate(runtime(), &largest).await.is_admitted());
    let verdict = validate(runtime(), &larger).await;
    assert_eq!(
        verdict.violations.first().map(|it| it.code),
        Some("file_too_large")
    );
}
