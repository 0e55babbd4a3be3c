//! Shows the differences on a terminal.

use super::changes::{Change, PARTS_SHOWN, items};
use crate::commands::inspect;
use crate::outline::{Field, fields};
use crate::terminal::{self, in_lines};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn show(old: &Value, new: &Value, changes: &[Change]) {
    let title = |tool: &Value| {
        let part = |key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        terminal::plain_lines(format!("{} {}", part("name"), part("version")).trim())
    };
    terminal::result(format_args!("{} → {}", title(old), title(new)));
    if changes.is_empty() {
        terminal::result("nothing that users see changes");
        return;
    }
    let mut told = BTreeSet::new();
    for change in changes {
        let of = (change.what, change.name.as_deref());
        let (what, name) = of;
        // Its fields are told where the first of its parts is.
        if told.contains(&of) || (is_schema(what) && show_fields(old, new, what, name)) {
            told.insert(of);
            continue;
        }
        match (what, name, change.sign()) {
            ("credential", Some(name), '+') => show_credential(new, name, change),
            _ => show_change(change),
        }
    }
    if changes.iter().any(|change| change.what == "name") {
        terminal::result("\nanother name is another tool: no subscriber gets it");
        return;
    }
    let may_break = |it: &Change| it.what == "input" || (it.what == "function" && it.sign() == '-');
    match changes.iter().filter(|change| change.widens).count() {
        0 if changes.iter().any(may_break) => terminal::result(in_lines(
            "\nsubscribers get it at once: nothing asks more of them, though their calls may have to change",
        )),
        0 => terminal::result("\nsubscribers get it at once: nothing asks more of them"),
        count => {
            let asks = if count == 1 { "asks" } else { "ask" };
            let said = "more of subscribers: they run the old release until they accept";
            let widens = terminal::bad("widens:");
            let line = format!("{widens} {count} of these {asks} {said}");
            terminal::result(format_args!("\n{}", in_lines(&line)));
        }
    }
}

fn is_schema(what: &str) -> bool {
    matches!(what, "input" | "output")
}

/// `false` where it is no field that changes.
fn show_fields(old: &Value, new: &Value, what: &str, name: Option<&str>) -> bool {
    let lines = of_fields(old, new, what, name.unwrap_or_default());
    for line in lines.iter().take(PARTS_SHOWN) {
        terminal::result(in_lines(line));
    }
    if let more @ 1.. = lines.len().saturating_sub(PARTS_SHOWN) {
        terminal::result(format_args!("  … {more} fields more; `--json` has them"));
    }
    !lines.is_empty()
}

/// The changed fields of a function's input or output, one line each.
pub(super) fn of_fields(old: &Value, new: &Value, what: &str, name: &str) -> Vec<String> {
    let of = |tool: &Value| {
        let function = items(&tool["functions"]).find(|it| it["name"] == name);
        let schema = function.map(|it| &it[format!("{what}_schema")]);
        schema.map(fields).unwrap_or_default()
    };
    let (old, new) = (of(old), of(new));
    let kind = |fields: &[Field], at: &str| {
        let field = fields.iter().find(|field| field.at == at);
        field.map(|field| field.kind.clone())
    };
    let added = new.iter().filter(|it| kind(&old, &it.at).is_none());
    let mut lines = Vec::new();
    for field in old.iter().chain(added) {
        let dot = if field.at.is_empty() { "" } else { " " };
        let of = format!("{what} {}{dot}{}", terminal::plain_lines(name), field.at);
        match (kind(&old, &field.at), kind(&new, &field.at)) {
            (Some(from), None) => lines.push(format!("- {of}: {from}")),
            (None, Some(to)) => lines.push(format!("+ {of}: {to}")),
            (from, to) if from != to => lines.push(format!(
                "~ {of}: {} → {}",
                from.unwrap_or_default(),
                to.unwrap_or_default()
            )),
            _ => {}
        }
    }
    lines
}

/// One that was not there before, with all that subscribers have to know of it.
fn show_credential(new: &Value, name: &str, change: &Change) {
    let credential = items(&new["credentials"]).find(|it| it["name"] == name);
    let is = |key: &str| credential.is_some_and(|it| it[key] == json!(true));
    let need = if is("required") {
        "required"
    } else {
        "optional"
    };
    let exposed = if is("expose") {
        ", shown to the tool itself"
    } else {
        ""
    };
    let hosts = items(&change.to).filter_map(Value::as_str);
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    let mark = change.mark();
    let line = format!("+ credential {name} ({need}{exposed}), goes to {hosts}{mark}");
    terminal::result(in_lines(&line));
}

fn show_change(change: &Change) {
    let name = change.name.as_deref().unwrap_or_default();
    let of = [change.what, name, change.at.as_deref().unwrap_or_default()];
    let of = of.into_iter().filter(|part| !part.is_empty());
    let of = terminal::plain_lines(&of.collect::<Vec<_>>().join(" "));
    let mark = change.mark();
    let shown = |value: &Value| match change.what {
        "limit" => inspect::shown_limit(value),
        _ => shown(value),
    };
    let (sign, from, to) = (change.sign(), shown(&change.from), shown(&change.to));
    match (&change.from, &change.to) {
        (Value::Bool(_), Value::Bool(_)) if sign != '~' => {
            terminal::result(format_args!("{sign} {of}{mark}"));
        }
        _ if of.len() + from.len() + to.len() < 60 => {
            terminal::result(format_args!("{sign} {of}: {from} → {to}{mark}"));
        }
        (Value::Array(old), Value::Array(new)) if !is_same_set(old, new) => {
            terminal::result(format_args!("{sign} {of}{mark}"));
            for (sign, items) in [('-', without(old, new)), ('+', without(new, old))] {
                for item in items {
                    terminal::result(in_lines(&format!("    {sign} {}", shown(item))));
                }
            }
        }
        _ => {
            terminal::result(format_args!("{sign} {of}{mark}"));
            terminal::result(in_lines(&format!("    {from}")));
            terminal::result(in_lines(&format!("  → {to}")));
        }
    }
}

fn is_same_set(old: &[Value], new: &[Value]) -> bool {
    without(old, new).is_empty() && without(new, old).is_empty()
}

fn without<'v>(list: &'v [Value], others: &[Value]) -> Vec<&'v Value> {
    list.iter().filter(|it| !others.contains(it)).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => terminal::plain_lines(text),
        value => terminal::plain_lines(&value.to_string()),
    }
}
