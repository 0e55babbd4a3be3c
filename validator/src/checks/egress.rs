//! Egress: where a tool says its requests go. `[METHODS] scheme://host[:port][/prefix]`, `*.host` is one label.

use super::invalid;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Allow, VIOLATIONS_MAX, Violation, quoted};

const RULES_MAX: usize = 64;

pub(super) fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.egress.allow.len() > RULES_MAX {
        violations.push(invalid(
            "/egress/allow",
            format!("at most {RULES_MAX} places can be allowed"),
        ));
    }
    for (index, rule) in manifest.egress.allow.iter().enumerate() {
        if violations.len() >= VIOLATIONS_MAX {
            break;
        }
        if let Err(reason) = rule.parse::<Allow>() {
            let message = format!(
                "`{}`: {reason}; write `GET https://api.example.com/v1`",
                quoted(rule)
            );
            violations.push(invalid(format!("/egress/allow/{index}"), message));
        }
    }
    violations
}
