//! What subscribers agree to: price, egress, credentials with their hosts, expose. Only deciding.

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use tollgate_runtime::Allow;
use tollgate_store::{CredentialTerms, Terms};
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

/// The terms of `to` that ask for more than `from`.
pub(crate) fn widens(from: &Terms, to: &Terms) -> Vec<Widening> {
    let mut widens = Vec::new();
    if to.price > from.price {
        widens.push(Widening::new("price", None, from.price, to.price));
    }
    let rules: Vec<_> = from.egress.iter().filter_map(|it| rule(it)).collect();
    // An unreadable rule counts as new.
    let is_covered = |now: &String| {
        let now = rule(now);
        now.is_some_and(|now| rules.iter().any(|before| before.covers(&now)))
    };
    if !to.egress.iter().all(is_covered) {
        let (from, to) = (from.egress.clone(), to.egress.clone());
        widens.push(Widening::new("egress", None, from, to));
    }
    for credential in &to.credentials {
        let mut all = from.credentials.iter();
        let before = all.find(|before| before.name == credential.name);
        widens.extend(credential_widens(before, credential));
    }
    widens
}

/// The same as it is kept with a release.
pub(crate) fn widens_as_json(from: &Terms, to: &Terms) -> Value {
    json!(widens(from, to))
}

impl Widening {
    /// Its length as JSON, about.
    pub(crate) fn bytes(&self) -> usize {
        let lengths = [&self.from, &self.to].map(|value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::len).sum(),
            _ => 0,
        });
        lengths.iter().sum()
    }

    fn new(
        what: &'static str,
        name: Option<&str>,
        from: impl Into<Value>,
        to: impl Into<Value>,
    ) -> Self {
        Self {
            what,
            name: name.map(str::to_owned),
            from: from.into(),
            to: to.into(),
        }
    }
}

fn credential_widens(before: Option<&CredentialTerms>, now: &CredentialTerms) -> Vec<Widening> {
    let name = Some(now.name.as_str());
    let hosts = now.hosts.clone();
    let Some(before) = before else {
        return vec![Widening::new("credential", name, Value::Null, hosts)];
    };
    let mut widens = Vec::new();
    let known: HashSet<_> = before.hosts.iter().collect();
    if !now.hosts.iter().all(|host| known.contains(host)) {
        widens.push(Widening::new("hosts", name, before.hosts.clone(), hosts));
    }
    if now.expose && !before.expose {
        widens.push(Widening::new("expose", name, false, true));
    }
    widens
}

fn rule(text: &str) -> Option<Allow> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of a credential that are left out are empty.
    fn about(price: u64, egress: &[&str], credentials: Value) -> Terms {
        let credentials = credentials.as_array().expect("a list").iter().map(|it| {
            let mut credential = json!({"hosts": [], "expose": false});
            for (name, value) in it.as_object().expect("an object") {
                credential[name] = value.clone();
            }
            credential
        });
        let about = json!({"price": price, "subscription_price": 0, "egress": egress,
            "credentials": credentials.collect::<Vec<_>>()});
        Terms::of(&about).expect("terms")
    }

    fn what(from: &Terms, to: &Terms) -> Vec<&'static str> {
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
