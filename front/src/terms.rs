//! What subscribers agree to: price, egress, credentials with their hosts, expose. Only deciding.

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use tollgate_runtime::Allow;
use utoipa::ToSchema;

/// One term that asks more of a subscriber than before.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Widening {
    /// `price`, `egress`, `credential`, `hosts` or `expose`.
    pub(crate) what: &'static str,
    /// The credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// What was agreed to.
    #[schema(value_type = Value)]
    from: Value,
    /// What is asked now.
    #[schema(value_type = Value)]
    to: Value,
}

/// What the terms of `to` ask beyond those of `from`, each as the catalogue shows a tool.
pub(crate) fn widens(from: &Value, to: &Value) -> Vec<Widening> {
    let mut widens = Vec::new();
    let price = |about: &Value| about["price"].as_u64().unwrap_or(0);
    if price(to) > price(from) {
        widens.push(Widening::new("price", None, price(from), price(to)));
    }
    let (before, now) = (&from["egress"], &to["egress"]);
    let rules: Vec<_> = items(before).filter_map(rule).collect();
    // An unreadable rule counts as new.
    let is_covered = |now: &Value| {
        let now = rule(now);
        now.is_some_and(|now| rules.iter().any(|before| before.covers(&now)))
    };
    if !items(now).all(is_covered) {
        widens.push(Widening::new("egress", None, before.clone(), now.clone()));
    }
    for credential in items(&to["credentials"]) {
        let mut all = items(&from["credentials"]);
        let before = all.find(|before| before["name"] == credential["name"]);
        widens.extend(credential_widens(before, credential));
    }
    widens
}

/// The same as it is kept with a release.
pub(crate) fn widens_as_json(from: &Value, to: &Value) -> Value {
    json!(widens(from, to))
}

impl Widening {
    fn new(
        what: &'static str,
        name: Option<&Value>,
        from: impl Into<Value>,
        to: impl Into<Value>,
    ) -> Self {
        Self {
            what,
            name: name.and_then(Value::as_str).map(str::to_owned),
            from: from.into(),
            to: to.into(),
        }
    }
}

fn credential_widens(before: Option<&Value>, now: &Value) -> Vec<Widening> {
    let name = Some(&now["name"]);
    let Some(before) = before else {
        return vec![Widening::new(
            "credential",
            name,
            Value::Null,
            now["hosts"].clone(),
        )];
    };
    let mut widens = Vec::new();
    let known: HashSet<_> = items(&before["hosts"]).map(Value::as_str).collect();
    let is_known = |host: &Value| known.contains(&host.as_str());
    if !items(&now["hosts"]).all(is_known) {
        let (from, to) = (before["hosts"].clone(), now["hosts"].clone());
        widens.push(Widening::new("hosts", name, from, to));
    }
    let is_exposed = |credential: &Value| credential["expose"].as_bool().unwrap_or(false);
    if is_exposed(now) && !is_exposed(before) {
        widens.push(Widening::new("expose", name, false, true));
    }
    widens
}

fn rule(text: &Value) -> Option<Allow> {
    text.as_str()?.parse().ok()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(price: u64, egress: &[&str], credentials: Value) -> Value {
        json!({"price": price, "egress": egress, "credentials": credentials})
    }

    fn what(from: &Value, to: &Value) -> Vec<&'static str> {
        widens(from, to).into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn only_what_asks_for_more_widens() {
        let key = |hosts: &[&str], expose: bool| json!([{"name": "KEY", "hosts": hosts, "expose": expose}]);
        let from = about(5, &["GET https://a.example/v1"], key(&["a.example"], false));
        let cases = [
            ("the same", from.clone(), vec![]),
            ("cheaper, less", about(4, &[], json!([])), vec![]),
            ("dearer", about(6, &[], json!([])), vec!["price"]),
            (
                "below",
                about(5, &["GET https://a.example/v1/x"], json!([])),
                vec![],
            ),
            (
                "beside",
                about(5, &["GET https://a.example/v2"], json!([])),
                vec!["egress"],
            ),
            (
                "all methods",
                about(5, &["https://a.example/v1"], json!([])),
                vec!["egress"],
            ),
            (
                "any label",
                about(5, &["GET https://*.a.example/v1"], json!([])),
                vec!["egress"],
            ),
            (
                "another host",
                about(5, &[], key(&["a.example", "b.example"], false)),
                vec!["hosts"],
            ),
            ("a host less", about(5, &[], key(&[], false)), vec![]),
            (
                "exposed",
                about(5, &[], key(&["a.example"], true)),
                vec!["expose"],
            ),
            (
                "another key",
                about(5, &[], json!([{"name": "OTHER", "hosts": ["a.example"]}])),
                vec!["credential"],
            ),
            (
                "all at once",
                about(9, &["http://b.example"], key(&["b.example"], true)),
                vec!["price", "egress", "hosts", "expose"],
            ),
        ];
        for (label, to, expected) in cases {
            assert_eq!(what(&from, &to), expected, "{label}");
        }
    }

    #[test]
    fn a_widening_says_from_what_to_what_and_of_which_credential() {
        let from = about(1, &[], json!([{"name": "KEY", "hosts": ["a"]}]));
        let to = about(2, &[], json!([{"name": "KEY", "hosts": ["a", "b"]}]));
        let expected = json!([
            {"what": "price", "from": 1, "to": 2},
            {"what": "hosts", "name": "KEY", "from": ["a"], "to": ["a", "b"]},
        ]);
        assert_eq!(widens_as_json(&from, &to), expected);
    }
}
