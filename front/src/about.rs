//! What a tool says of itself, as the catalogue shows it.

use serde_json::{Map, Value, json};
use tollgate_runtime::Interface;
use tollgate_runtime::manifest::{Example, Manifest};

/// Description, prices, functions with their schemas, credentials, egress and examples.
pub(crate) fn about(interface: &Interface, manifest: Option<&Manifest>) -> Value {
    let functions: Vec<_> = interface
        .functions()
        .iter()
        .map(|function| {
            json!({
                "name": function.name,
                "description": function.description,
                "input_schema": function.input_schema(),
                "output_schema": function.output_schema(),
            })
        })
        .collect();
    let declared = manifest.iter().flat_map(|manifest| &manifest.credentials);
    let credentials: Vec<_> = declared
        .map(|(name, credential)| {
            json!({
                "name": name,
                "description": credential.description,
                "hosts": credential.hosts,
                "required": credential.required,
                "expose": credential.expose,
            })
        })
        .collect();
    let examples = manifest.map(|it| it.examples.iter().map(example).collect::<Vec<_>>());
    json!({
        "description": manifest.map_or("", |manifest| &manifest.description),
        "price": manifest.map_or(0, |manifest| manifest.price),
        "subscription_price": manifest.map_or(0, |manifest| manifest.subscription_price),
        "functions": functions,
        "credentials": credentials,
        "egress": manifest.map(|manifest| manifest.egress.allow.clone()).unwrap_or_default(),
        "examples": examples.unwrap_or_default(),
    })
}

fn example(example: &Example) -> Value {
    let parts = [
        ("function", example.function.as_ref().map(|it| json!(it))),
        ("input", Some(example.input.clone())),
        ("output", example.output.clone()),
        ("output_schema", example.output_schema.clone()),
        ("failure", example.failure.as_ref().map(|it| json!(it))),
    ];
    let present = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}
