//! Small tools, judged in milliseconds, and what a seller does with them.

use crate::guests;
use serde_json::Value;
use tollgate_tests::packed;
use tollgate_tests::server::{Caller, WASM};

/// A command that ends at once.
pub(super) fn quick(name: &str, version: &str) -> Vec<u8> {
    packed(&guests::command(""), &manifest(name, version))
}

/// A command that sleeps for as many milliseconds as its input says.
pub(super) fn sleeper(name: &str) -> Vec<u8> {
    packed(&guests::sleeps(), &manifest(name, "1.0.0"))
}

/// A command that the gate rejects.
pub(super) fn rejected(name: &str) -> Vec<u8> {
    let text = r#"(module (import "env" "host" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    packed(text, &manifest(name, "1.0.0"))
}

pub(super) fn manifest(name: &str, version: &str) -> String {
    format!("name = {name:?}\nversion = {version:?}\n")
}

/// Makes an artifact, and gives its id.
pub(super) fn uploaded(seller: &Caller, wasm: &[u8]) -> String {
    text(&seller.upload(wasm).expect(201), "id")
}

/// Makes an artifact whose draft is admitted, and gives its id.
pub(super) fn admitted(seller: &Caller, wasm: &[u8]) -> String {
    let id = uploaded(seller, wasm);
    let verdict = seller.validate(&id);
    assert_eq!(verdict["status"], "ADMITTED", "{verdict}");
    id
}

/// Makes an artifact that is published, and gives its id.
pub(super) fn published(seller: &Caller, wasm: &[u8]) -> String {
    let id = admitted(seller, wasm);
    publish(seller, &id);
    id
}

/// Publishes an admitted draft, and gives the release's id.
pub(super) fn publish(seller: &Caller, id: &str) -> String {
    let path = format!("/v1/artifacts/{id}/publish");
    text(&seller.send("POST", &path, &[], b"").expect(201), "id")
}

/// Uploads a draft, and has it judged.
pub(super) fn redraft(seller: &Caller, id: &str, wasm: &[u8]) {
    let path = format!("/v1/artifacts/{id}/draft");
    seller.send("POST", &path, WASM, wasm).expect(201);
    assert_eq!(seller.validate(id)["status"], "ADMITTED");
}

/// A key of the caller's project with those scopes: its text and its id.
pub(super) fn key(caller: &Caller, scopes: &[&str]) -> (Caller, String) {
    let body = serde_json::json!({"name": "a key", "scopes": scopes});
    let made = caller.post("/v1/keys", &body).expect(201);
    (caller.with_key(&text(&made, "key")), text(&made, "id"))
}

/// A text field.
pub(super) fn text(body: &Value, field: &str) -> String {
    let text = body[field].as_str();
    text.unwrap_or_else(|| panic!("no {field}: {body}"))
        .to_owned()
}
