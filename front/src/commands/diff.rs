//! `tollgate diff`: what another release changes for those who use a tool, and what of it they have to agree to.

use super::{inspect, read, runtime};
use crate::exit::End;
use crate::options::DiffOptions;
use crate::outline::{Field, fields};
use crate::terminal::{self, in_lines};
use crate::terms::widens;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tollgate_runtime::{NetworkConfig, Rejected, checks, pointer_part};
use tollgate_store::Terms;

/// Parts of one schema that are shown.
const PARTS_SHOWN: usize = 20;

/// One thing that is not as it was. `null` is what was not there, or is not any more.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    /// `price`, `function`, `input`, `import`, …
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where in a schema, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    from: Value,
    to: Value,
    /// Whether subscribers must accept it first.
    widens: bool,
}

pub(crate) async fn diff(options: DiffOptions) -> anyhow::Result<End> {
    let (Some(old), Some(new)) = (
        described(&options.old, options.json).await?,
        described(&options.new, options.json).await?,
    ) else {
        return Ok(End::ToolFailed);
    };
    let changes = changes(&old, &new)?;
    if options.json {
        terminal::result(json!({"changes": changes}));
    } else {
        show(&old, &new, &changes);
    }
    Ok(End::Good)
}

/// A tool as `inspect` shows it, with its imports. `None` where it is none, which is said.
async fn described(tool: &Path, as_json: bool) -> anyhow::Result<Option<Value>> {
    let rejected = |violations: &[_]| {
        inspect::rejected(violations, tool, as_json);
        Ok(None)
    };
    let wasm = match read(tool)? {
        Ok(wasm) => wasm,
        Err(violation) => return rejected(&[violation]),
    };
    let runtime = runtime(NetworkConfig::default())?;
    let admissible = match runtime.admit(&wasm).await {
        Ok(admissible) => admissible,
        Err(Rejected { violations }) => return rejected(&violations),
    };
    let imports: BTreeSet<_> = match checks::readable(&wasm) {
        Ok(survey) => {
            let imports = survey.imports.into_iter();
            imports
                .filter(|it| it.kind != "type")
                .map(|it| it.module)
                .collect()
        }
        Err(violations) => return rejected(&violations),
    };
    let mut described = inspect::describe(&admissible, &wasm, &runtime.rules().limits);
    described["imports"] = json!(imports);
    Ok(Some(described))
}

/// In the order in which they matter to a buyer.
fn changes(old: &Value, new: &Value) -> serde_json::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for what in ["name", "description", "price", "subscription_price"] {
        changes.extend(Change::of(what, None, &old[what], &new[what]));
    }
    changes.extend(Change::of("egress", None, &old["egress"], &new["egress"]));
    for (name, old, new) in by_name(&old["credentials"], &new["credentials"]) {
        if old.is_null() || new.is_null() {
            let hosts = |credential: &Value| credential["hosts"].clone();
            let change = Change::of("credential", Some(name), &hosts(old), &hosts(new));
            changes.extend(change);
        } else {
            for what in ["hosts", "expose", "required"] {
                changes.extend(Change::of(what, Some(name), &old[what], &new[what]));
            }
        }
    }
    for (name, old, new) in by_name(&old["functions"], &new["functions"]) {
        changes.extend(of_function(name, old, new));
    }
    changes.extend(Change::of(
        "examples",
        None,
        &old["examples"],
        &new["examples"],
    ));
    for (name, old, new) in by_name(&old["limits"], &new["limits"]) {
        let change = Change::of("limit", Some(name), &old["value"], &new["value"]);
        changes.extend(change);
    }
    for (one, other, is_new) in [(old, new, false), (new, old, true)] {
        let lacks = |import: &&Value| !items(&other["imports"]).any(|it| it == *import);
        changes.extend(items(&one["imports"]).filter(lacks).map(|import| {
            let import = import.as_str();
            let (from, to) = (json!(!is_new), json!(is_new));
            Change::new("import", import, from, to)
        }));
    }
    for widening in widens(&Terms::of(old)?, &Terms::of(new)?) {
        let is_it = |it: &&mut Change| it.what == widening.what && it.name == widening.name;
        if let Some(change) = changes.iter_mut().find(is_it) {
            change.widens = true;
        }
    }
    Ok(changes)
}

fn of_function(name: &str, old: &Value, new: &Value) -> Vec<Change> {
    if old.is_null() || new.is_null() {
        let (from, to) = (json!(!old.is_null()), json!(!new.is_null()));
        return vec![Change::new("function", Some(name), from, to)];
    }
    let (from, to) = (&old["description"], &new["description"]);
    let mut changes: Vec<_> = Change::of("description", Some(name), from, to)
        .into_iter()
        .collect();
    for (what, schema) in [("input", "input_schema"), ("output", "output_schema")] {
        let mut parts = Vec::new();
        parts_of("", &old[schema], &new[schema], &mut parts);
        let shown = parts.into_iter().take(PARTS_SHOWN);
        changes.extend(shown.map(|(at, from, to)| Change {
            at: Some(at),
            ..Change::new(what, Some(name), from, to)
        }));
    }
    changes
}

/// Where two JSON values differ, as deep as both have something there.
fn parts_of(at: &str, old: &Value, new: &Value, parts: &mut Vec<(String, Value, Value)>) {
    match (old, new) {
        (Value::Object(from), Value::Object(to)) => {
            let keys = from
                .keys()
                .chain(to.keys().filter(|it| !from.contains_key(*it)));
            for key in keys {
                let inside = format!("{at}/{}", pointer_part(key));
                parts_of(&inside, &old[key], &new[key], parts);
            }
        }
        _ if old != new => parts.push((at.to_owned(), old.clone(), new.clone())),
        _ => {}
    }
}

impl Change {
    fn new(what: &'static str, name: Option<&str>, from: Value, to: Value) -> Self {
        Self {
            what,
            name: name.map(str::to_owned),
            at: None,
            from,
            to,
            widens: false,
        }
    }

    /// Unless it is as it was.
    fn of(what: &'static str, name: Option<&str>, from: &Value, to: &Value) -> Option<Self> {
        (from != to).then(|| Self::new(what, name, from.clone(), to.clone()))
    }

    /// What stands behind it where subscribers must accept it first.
    fn mark(&self) -> String {
        match self.widens {
            true => format!(" {}", terminal::bad("widens")),
            false => String::new(),
        }
    }

    /// What was not there before, what is not there any more, or what is another.
    fn sign(&self) -> char {
        let is_nothing = |value: &Value| matches!(value, Value::Null | Value::Bool(false));
        match (is_nothing(&self.from), is_nothing(&self.to)) {
            (true, false) => '+',
            (false, true) => '-',
            _ => '~',
        }
    }
}

/// The things of two lists by their names, those of the first list first; `null` where one has none of that name.
fn by_name<'v>(old: &'v Value, new: &'v Value) -> Vec<(&'v str, &'v Value, &'v Value)> {
    fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
        items(list)
            .find(|it| it["name"] == name)
            .unwrap_or(&Value::Null)
    }
    let names = |list: &'v Value| items(list).filter_map(|it| it["name"].as_str());
    let of_old = names(old).map(|name| (name, named(old, name), named(new, name)));
    let added = names(new).filter(|name| named(old, name).is_null());
    of_old
        .chain(added.map(|name| (name, &Value::Null, named(new, name))))
        .collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn show(old: &Value, new: &Value, changes: &[Change]) {
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

/// What becomes of the fields of a function's input or output, a line each.
fn of_fields(old: &Value, new: &Value, what: &str, name: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
