//! 3. Nesting: how much one instantiation would make.
//!
//! Counted before anything validates the file: that alone takes minutes for some.

use crate::limits::StaticLimits;
use crate::tool::survey::Survey;
use crate::violation::Violation;

pub(super) fn check(survey: &Survey<'_>, fixed: &StaticLimits) -> Vec<Violation> {
    let counts = survey.counts;
    let mut violations = Vec::new();
    let bounds = [
        (
            "instances_too_many",
            "core instances",
            counts.core_instances,
            fixed.core_instances,
            "core instance",
        ),
        (
            "nested_too_many",
            "component instances",
            counts.component_instances,
            fixed.component_instances,
            "instance",
        ),
        (
            "nested_too_many",
            "instantiations in its definitions",
            survey.instantiations,
            fixed.instantiations,
            "instance",
        ),
        (
            "nested_too_many",
            "components nested in each other",
            survey.component_depth,
            fixed.component_depth,
            "component",
        ),
        (
            "types_too_many",
            "component types",
            survey.component_types,
            fixed.component_types,
            "type",
        ),
    ];
    for (code, what, value, max, section) in bounds {
        if value > max {
            let message = format!("the tool has {value} {what}; at most {max} are allowed");
            violations.push(Violation::new(code, message).in_section(section));
        }
    }
    // One is enough to know: what is passed around could be instantiated any number of times.
    if let Some((offset, how)) = survey.passed {
        let message = format!(
            "a component {how} a whole component or module; compose it into one that does not"
        );
        violations.push(Violation::new("component_passed", message).at(offset));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::survey::survey;

    fn codes(text: &str) -> Vec<&'static str> {
        let bytes = wat::parse_str(text).expect("well-formed text");
        check(&survey(&bytes).expect("readable"), &StaticLimits::default())
            .iter()
            .map(|it| it.code)
            .collect()
    }

    fn instances(count: usize) -> String {
        let instances = "(core instance (instantiate $m))".repeat(count);
        format!("(component (core module $m) {instances})")
    }

    #[test]
    fn core_instances_just_under_and_over() {
        assert_eq!(codes(&instances(64)), [""; 0]);
        assert_eq!(codes(&instances(65)), ["instances_too_many"]);
    }

    #[test]
    fn component_instances_just_under_and_over() {
        let nested = |count: usize| {
            format!(
                "(component (component $c) {})",
                "(instance (instantiate $c))".repeat(count)
            )
        };
        assert_eq!(codes(&nested(255)), [""; 0]);
        assert_eq!(codes(&nested(256)), ["nested_too_many"]);
    }

    #[test]
    fn depth_and_types_just_under_and_over() {
        let deep = |depth: usize| "(component ".repeat(depth) + &")".repeat(depth);
        assert_eq!(codes(&deep(16)), [""; 0]);
        assert_eq!(codes(&deep(17)), ["nested_too_many"]);
        let types = |count: usize| format!("(component {})", "(type u8)".repeat(count));
        assert_eq!(codes(&types(5000)), [""; 0]);
        assert_eq!(codes(&types(5001)), ["types_too_many"]);
    }

    #[test]
    fn doubling_at_each_of_24_levels_is_counted_not_made() {
        let mut text =
            "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        for level in 1..=24 {
            let inner = level - 1;
            text.push_str(&format!(
                "(component $c{level} (alias outer 1 $c{inner} (component $i))
                    (instance (instantiate $i)) (instance (instantiate $i)))"
            ));
        }
        assert_eq!(
            codes(&format!("(component {text} (instance (instantiate $c24)))")),
            ["instances_too_many", "nested_too_many"]
        );
    }

    #[test]
    fn passing_components_and_modules_is_refused() {
        assert_eq!(
            codes(r#"(component (core module $m) (export "m" (core module $m)))"#),
            ["component_passed"]
        );
        assert_eq!(
            codes(r#"(component (import "c" (component)))"#),
            ["component_passed"]
        );
        assert_eq!(
            codes(
                r#"(component (component $a (import "c" (component)))
                    (component $b) (instance (instantiate $a (with "c" (component $b)))))"#
            ),
            ["component_passed"]
        );
    }
}
