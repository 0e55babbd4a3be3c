//! `tollgate inspect`

use super::validate::kind;
use super::{read, runtime};
use crate::about::about;
use crate::exit::End;
use crate::options::JudgeOptions;
use crate::outline::{outline, wrapped};
use crate::report;
use crate::terminal::{self, columns};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use tollgate_runtime::NetworkConfig;
use tollgate_runtime::checks::Admissible;
use tollgate_runtime::{Function, Limits, Rejected, Violation, quoted};

pub(crate) async fn inspect(options: JudgeOptions) -> anyhow::Result<End> {
    let wasm = match read(&options.tool)? {
        Ok(wasm) => wasm,
        Err(violation) => return Ok(rejected(&[violation], &options.tool, options.json)),
    };
    let runtime = runtime(NetworkConfig::default())?;
    match runtime.admit(&wasm).await {
        Ok(admissible) => {
            let description = describe(&admissible, &wasm, &runtime.rules().limits);
            if options.json {
                terminal::result(description);
            } else {
                show(&admissible, &description);
            }
            Ok(End::Good)
        }
        Err(Rejected { violations }) => Ok(rejected(&violations, &options.tool, options.json)),
    }
}

pub(super) fn rejected(violations: &[Violation], tool: &Path, as_json: bool) -> End {
    if as_json {
        terminal::result(json!({"status": "REJECTED", "violations": violations, "notes": []}));
    } else {
        terminal::error(&format!(
            "{} is no tool that could be admitted",
            tool.display()
        ));
        violations
            .iter()
            .for_each(|violation| terminal::note(terminal::violation(violation)));
        terminal::note(format_args!(
            "`tollgate validate {}` shows each with its line and what to do",
            tool.display()
        ));
    }
    End::ToolFailed
}

/// The tool as a catalogue would show it, and what of `limits` it is held to.
pub(super) fn describe(admissible: &Admissible, wasm: &[u8], limits: &Limits) -> Value {
    let manifest = admissible.manifest.as_ref();
    let limits = manifest.map_or_else(|| limits.clone(), |it| it.limits.apply(limits));
    let version = manifest.and_then(|manifest| manifest.version.as_ref());
    let mut description = json!({
        "name": manifest.map(|manifest| &manifest.name),
        "version": version.map(ToString::to_string),
        "kind": kind(admissible.kind),
        "digest": format!("sha256:{:x}", Sha256::digest(wasm)),
        "size_bytes": wasm.len(),
        "notes": admissible.notes,
        "limits": [
            {"name": "timeout", "value": format!("{:?}", limits.timeout)},
            {"name": "memory", "value": limits.memory_bytes},
            {"name": "output", "value": limits.output_bytes},
            {"name": "logs", "value": limits.log_bytes},
            {"name": "scratch", "value": limits.scratch_bytes},
            {"name": "egress_requests", "value": limits.egress_requests},
        ],
    });
    if let (Some(fields), Value::Object(about)) = (
        description.as_object_mut(),
        about(&admissible.interface, manifest),
    ) {
        fields.extend(about);
    }
    description
}

fn show(admissible: &Admissible, description: &Value) {
    let text = |key: &str| terminal::plain_lines(description[key].as_str().unwrap_or(""));
    let name = if text("name").is_empty() {
        "(no manifest)".to_owned()
    } else {
        text("name")
    };
    terminal::result(format_args!(
        "{} {}",
        terminal::strong(&name),
        text("version")
    ));
    if !text("description").is_empty() {
        terminal::result(terminal::in_lines(&text("description")));
    }
    let (kind, digest) = (text("kind"), text("digest"));
    let line = format!("{kind}, {} bytes, {digest}", description["size_bytes"]);
    terminal::result(terminal::in_lines(&line));
    terminal::result(format_args!(
        "price {} a run, {} to subscribe",
        description["price"], description["subscription_price"]
    ));
    admissible
        .interface
        .functions()
        .iter()
        .for_each(show_function);
    let list = |key: &str| description[key].as_array().into_iter().flatten();
    list("credentials").for_each(show_credential);
    let rules: Vec<_> = list("egress").filter_map(Value::as_str).collect();
    if !rules.is_empty() {
        terminal::result("\nmay ask");
    }
    for rule in rules {
        terminal::result(format_args!("  {}", quoted(rule)));
    }
    let limits = list("limits").map(|limit| {
        let value = shown_limit(&limit["value"]);
        format!("{} {value}", limit["name"].as_str().unwrap_or_default())
    });
    let limits = limits.collect::<Vec<_>>().join(", ");
    terminal::result(format_args!(
        "\nlimits\n{}",
        terminal::in_lines(&format!("  {limits}"))
    ));
    report::notes(&admissible.notes);
}

fn show_function(function: &Function) {
    let name = quoted(&function.name);
    terminal::result(format_args!("\nfunction {}", terminal::strong(&name)));
    let documentation = function.description.as_deref().unwrap_or_default();
    print(wrapped(
        &terminal::plain_lines(documentation),
        "  ",
        columns(),
    ));
    for (title, schema) in [
        ("input", function.input_schema()),
        ("output", function.output_schema()),
    ] {
        terminal::result(format_args!("  {title}"));
        print(outline(&schema, "    ", columns()));
    }
}

fn show_credential(credential: &Value) {
    let of = |key: &str| terminal::plain_lines(credential[key].as_str().unwrap_or(""));
    let need = match credential["required"] == json!(true) {
        true => "required",
        false => "optional",
    };
    let exposed = match credential["expose"] == json!(true) {
        true => ", shown to the tool itself",
        false => "",
    };
    terminal::result(format_args!(
        "\ncredential {} ({need}{exposed})",
        of("name")
    ));
    print(wrapped(&of("description"), "  ", columns()));
    let hosts = credential["hosts"].as_array().into_iter().flatten();
    let hosts: Vec<_> = hosts.filter_map(Value::as_str).map(quoted).collect();
    let line = format!("  goes to {}", hosts.join(", "));
    terminal::result(terminal::in_lines(&line));
}

/// Times are text, bytes are many.
pub(super) fn shown_limit(value: &Value) -> String {
    match value {
        Value::String(time) => time.clone(),
        value => match value.as_u64() {
            Some(bytes @ 1024..) => HumanBytes(bytes).to_string().replace(".00", ""),
            _ => value.to_string(),
        },
    }
}

fn print(lines: Vec<String>) {
    lines.iter().for_each(terminal::result);
}
