use super::changes::{Change, changes};
use super::show::of_fields;
use serde_json::{Value, json};

fn tool(price: u64, input: Value, imports: &[&str]) -> Value {
    json!({
        "price": price, "subscription_price": 0, "egress": [], "credentials": [], "imports": imports, "limits": [],
        "functions": [{"name": "f", "input_schema": input, "output_schema": true}],
    })
}

fn compared(old: &Value, new: &Value) -> Vec<Change> {
    changes(old, new).expect("terms")
}

#[test]
fn what_changed_is_listed_and_what_widens_is_marked() {
    let old = tool(
        5,
        json!({"properties": {"a": {"type": "string"}}}),
        &["wasi:io/poll"],
    );
    assert_eq!(compared(&old, &old), []);
    let mut new = tool(
        6,
        json!({"properties": {"a": {"type": "integer"}, "b": true}}),
        &["wasi:http/types"],
    );
    new["credentials"] = json!([{"name": "KEY", "hosts": ["a.example"], "expose": false}]);
    let lines: Vec<_> = compared(&old, &new)
        .iter()
        .map(|it| {
            let (name, at) = (
                it.name.as_deref().unwrap_or("-"),
                it.at.as_deref().unwrap_or("-"),
            );
            format!("{} {} {name} {at} {}", it.sign(), it.what, it.widens)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "~ price - - true",
            "+ credential KEY - true",
            "~ input f /properties/a/type false",
            "+ input f /properties/b false",
            "- import wasi:io/poll - false",
            "+ import wasi:http/types - false",
        ]
    );
    let back: Vec<_> = compared(&new, &old)
        .into_iter()
        .filter(|it| it.widens)
        .collect();
    assert_eq!(back, []);
}

#[test]
fn fields_are_told_by_their_types() {
    let of = |n: Value, required: &[&str]| {
        let schema = json!({"type": "object", "required": required, "properties": n});
        tool(0, schema, &[])
    };
    let u32s = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let old = of(
        json!({"n": u32s, "gone": {"type": "string"}}),
        &["n", "gone"],
    );
    let new = of(
        json!({"n": {"type": "integer"}, "at": {"type": "object", "properties": {"x": true}}}),
        &["n"],
    );
    assert_eq!(
        of_fields(&old, &new, "input", "f"),
        [
            "~ input f n: integer (u32) → integer",
            "- input f gone: string",
            "+ input f at: record, optional",
            "+ input f at.x: anything, optional",
        ]
    );
    assert_eq!(of_fields(&old, &old, "input", "f"), [""; 0]);
}

#[test]
fn what_buyers_read_is_compared() {
    let old = tool(0, json!({}), &[]);
    let mut new = old.clone();
    new["name"] = json!("insulter");
    new["description"] = json!("Insults everybody");
    new["examples"] = json!([{"function": "f", "input": 1}]);
    let changes = compared(&old, &new);
    let whats: Vec<_> = changes.iter().map(|it| (it.what, it.widens)).collect();
    assert_eq!(
        whats,
        [("name", false), ("description", false), ("examples", false)]
    );
}

#[test]
fn functions_come_and_go() {
    let old = tool(0, json!({}), &[]);
    let mut new = old.clone();
    new["functions"][0]["name"] = json!("g");
    let signs: Vec<_> = compared(&old, &new).iter().map(Change::sign).collect();
    assert_eq!(signs, ['-', '+']);
}
