//! The differences between two tools.

use crate::terminal;
use crate::terms::widens;
use serde::Serialize;
use serde_json::{Value, json};
use tollgate_runtime::pointer_part;
use tollgate_store::Terms;

/// Parts of one schema that are shown.
pub(super) const PARTS_SHOWN: usize = 20;

/// One difference. `null` stands for a missing side.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    /// `price`, `function`, `input`, `import`, …
    pub(super) what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Where in a schema, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
    pub(super) from: Value,
    pub(super) to: Value,
    /// True if subscribers must accept it first.
    pub(super) widens: bool,
}

/// In the order in which they matter to a buyer.
pub(super) fn changes(old: &Value, new: &Value) -> serde_json::Result<Vec<Change>> {
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
    pub(super) fn new(what: &'static str, name: Option<&str>, from: Value, to: Value) -> Self {
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
    pub(super) fn of(
        what: &'static str,
        name: Option<&str>,
        from: &Value,
        to: &Value,
    ) -> Option<Self> {
        (from != to).then(|| Self::new(what, name, from.clone(), to.clone()))
    }

    /// The mark of a change that subscribers must accept first, else nothing.
    pub(super) fn mark(&self) -> String {
        match self.widens {
            true => format!(" {}", terminal::bad("widens")),
            false => String::new(),
        }
    }

    /// `+` for an addition, `-` for a removal, `~` for a change.
    pub(super) fn sign(&self) -> char {
        let is_nothing = |value: &Value| matches!(value, Value::Null | Value::Bool(false));
        match (is_nothing(&self.from), is_nothing(&self.to)) {
            (true, false) => '+',
            (false, true) => '-',
            _ => '~',
        }
    }
}

/// The things of two lists by their names, those of the first list first; `null` where one has none of that name.
pub(super) fn by_name<'v>(old: &'v Value, new: &'v Value) -> Vec<(&'v str, &'v Value, &'v Value)> {
    pub(super) fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
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

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
