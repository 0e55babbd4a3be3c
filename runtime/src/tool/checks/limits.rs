//! 4. Static limits: memories and tables as the tool declares them.

use super::Rules;
use crate::tool::survey::Survey;
use crate::violation::{VIOLATIONS_MAX, Violation};

pub(super) fn check(survey: &Survey<'_>, rules: &Rules) -> Vec<Violation> {
    let (counts, fixed, memory_max) = (survey.counts, &rules.fixed, rules.limits.memory_bytes);
    let memories = counts.memories.max(survey.memories_per_module_max);
    let tables = counts.tables.max(survey.tables_per_module_max);
    let mut violations = Vec::new();
    if memories > fixed.memories {
        let message = format!(
            "the tool has {memories} memories; at most {} are allowed",
            fixed.memories
        );
        violations.push(Violation::new("memories_too_many", message).in_section("memory"));
    }
    if tables > fixed.tables {
        let message = format!(
            "the tool has {tables} tables; at most {} are allowed",
            fixed.tables
        );
        violations.push(Violation::new("tables_too_many", message).in_section("table"));
    }
    let too_large = survey
        .memories
        .iter()
        .filter(|memory| memory.bytes_min > memory_max);
    violations.extend(too_large.take(VIOLATIONS_MAX).map(|memory| {
        let message = format!(
            "a memory starts with {} bytes; a run has at most {memory_max}",
            memory.bytes_min
        );
        Violation::new("memory_too_large", message)
            .in_section("memory")
            .at(memory.offset)
    }));
    if counts.memory_bytes > memory_max && violations.iter().all(|it| it.code != "memory_too_large")
    {
        let message = format!(
            "the memories together start with {} bytes; a run has at most {memory_max}",
            counts.memory_bytes
        );
        violations.push(Violation::new("memory_too_large", message).in_section("memory"));
    }
    let too_large = survey
        .tables
        .iter()
        .filter(|table| table.elements_min > fixed.table_elements);
    violations.extend(too_large.take(VIOLATIONS_MAX).map(|table| {
        let (elements, max) = (table.elements_min, fixed.table_elements);
        let message = format!("a table starts with {elements} elements; at most {max} are allowed");
        Violation::new("table_too_large", message)
            .in_section("table")
            .at(table.offset)
    }));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::survey::survey;

    fn codes(text: &str) -> Vec<&'static str> {
        let bytes = wat::parse_str(text).expect("well-formed text");
        check(&survey(&bytes).expect("readable"), &Rules::default())
            .iter()
            .map(|it| it.code)
            .collect()
    }

    #[test]
    fn both_sides_of_every_bound() {
        assert_eq!(codes("(module (memory 2048))"), [""; 0], "128 MiB");
        assert_eq!(codes("(module (memory 2049))"), ["memory_too_large"]);
        assert_eq!(codes("(module (memory 1024) (memory 1024))"), [""; 0]);
        assert_eq!(
            codes("(module (memory 1024) (memory 1025))"),
            ["memory_too_large"]
        );
        assert_eq!(
            codes(&format!("(module {})", "(memory 1)".repeat(8))),
            [""; 0]
        );
        assert_eq!(
            codes(&format!("(module {})", "(memory 1)".repeat(9))),
            ["memories_too_many"]
        );
        assert_eq!(
            codes(&format!("(module {})", "(table 1 funcref)".repeat(16))),
            [""; 0]
        );
        assert_eq!(
            codes(&format!("(module {})", "(table 1 funcref)".repeat(17))),
            ["tables_too_many"]
        );
        let idle = format!("(component (core module {}))", "(memory 1)".repeat(9));
        assert_eq!(
            codes(&idle),
            ["memories_too_many"],
            "though nothing instantiates it"
        );
        assert_eq!(codes("(module (table 100000 funcref))"), [""; 0]);
        assert_eq!(
            codes("(module (table 100001 funcref))"),
            ["table_too_large"]
        );
    }
}
