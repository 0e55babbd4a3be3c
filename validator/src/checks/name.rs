//! Name, description and prices: what a catalogue shows and a ledger adds up.

use super::invalid;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Violation, quoted};

const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 2000;
/// Tokens. Sums of a great many still fit 64 bits, and JavaScript holds each exactly.
const PRICE_MAX: u64 = 1 << 50;

pub(super) fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !is_tool_name(&manifest.name) {
        let message = format!(
            "the name `{}` must be 1 to {NAME_BYTES_MAX} of a-z, 0-9 and `-`, beginning with a letter",
            quoted(&manifest.name)
        );
        violations.push(invalid("/name", message));
    }
    if manifest.description.len() > DESCRIPTION_BYTES_MAX
        || manifest.description.chars().any(is_forbidden)
    {
        let message = format!(
            "the description must have at most {DESCRIPTION_BYTES_MAX} bytes and no control characters"
        );
        violations.push(invalid("/description", message));
    }
    for (pointer, price) in [
        ("/price", manifest.price),
        ("/subscription_price", manifest.subscription_price),
    ] {
        if price > PRICE_MAX {
            violations.push(invalid(
                pointer,
                format!("{price} tokens are more than the {PRICE_MAX} a price may be"),
            ));
        }
    }
    violations
}

/// Whether a tool may have that name.
pub fn is_tool_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_descriptions() {
        for (name, is_valid) in [
            ("weather", true),
            ("a-1", true),
            ("", false),
            ("A", false),
            ("1a", false),
            ("a b", false),
        ] {
            assert_eq!(is_tool_name(name), is_valid, "{name}");
        }
        assert!(is_tool_name(&"a".repeat(64)) && !is_tool_name(&"a".repeat(65)));
        let violations = check(&super::super::manifest("description = \"a\\u001b[31m\""));
        assert_eq!(violations[0].place.pointer.as_deref(), Some("/description"));
    }
}
