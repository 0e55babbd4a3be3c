//! Rules of a manifest, read when a tool is loaded.

use tollgate_tests::{packed, runtime};

/// An embedder may load a tool that no gate has judged.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_read_rejects_the_tool() {
    let text = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let manifest = "name = \"a\"\n[egress]\nallow = [\"https://a.example\", \"ftp://b.example\"]\n";
    let rejected = runtime().load(&packed(text, manifest)).await;
    let violation = &rejected.expect_err("a wrong scheme").violations[0];
    assert_eq!(violation.code, "manifest_invalid");
    assert!(
        violation.message.contains("ftp://b.example") && violation.message.contains("scheme"),
        "{violation}"
    );
}
