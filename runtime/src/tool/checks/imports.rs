//! 7. Imports: all of WASI 0.2's command world, outgoing `wasi:http`, WASI 0.1, and what the host added itself.
//!
//! What is linked but not granted answers with an error inside the guest; the verdict notes it.

use super::Rules;
use crate::tool::manifest::Manifest;
use crate::tool::survey::{Import, Survey};
use crate::violation::{VIOLATIONS_MAX, Violation, quoted};
use std::collections::HashMap;
use wasmparser::Encoding;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;

/// Interfaces of WASI 0.2 that are linked, without their version.
const INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Imports of one module that are named, each: a linker that found nothing leaves hundreds.
const NAMED_MAX: usize = 3;

const PREVIEW1: &str = "wasi_snapshot_preview1";

pub(super) fn check(survey: &Survey<'_>, types: Option<&Types>, rules: &Rules) -> Vec<Violation> {
    let is_offered = |import: &Import| match survey.encoding {
        Encoding::Module => import.module == PREVIEW1,
        Encoding::Component => {
            is_linked(&import.module, rules)
                || types.is_none_or(|types| is_only_types(types, &import.module))
        }
    };
    let unknown = survey.imports.iter().filter(|it| !is_offered(it));
    let mut violations: Vec<Violation> = Vec::new();
    // How many there are of each module, and where the last that is named is.
    let mut named: HashMap<&str, (usize, Option<usize>)> = HashMap::new();
    for import in unknown {
        let (count, last) = named.entry(&import.module).or_default();
        *count += 1;
        if *count <= NAMED_MAX && violations.len() < VIOLATIONS_MAX {
            *last = Some(violations.len());
            violations.push(violation(import));
        }
    }
    for (module, (count, last)) in named {
        if let (more @ 1.., Some(last)) = (count.saturating_sub(NAMED_MAX), last) {
            let text = format!("; it imports {more} more of `{}`", quoted(module));
            violations[last].message.push_str(&text);
        }
    }
    violations
}

fn is_linked(name: &str, rules: &Rules) -> bool {
    let is_wasi = name.split_once('@').is_some_and(|(interface, version)| {
        INTERFACES.contains(&interface) && version.starts_with("0.2.")
    });
    is_wasi || rules.host_interfaces.iter().any(|offered| offered == name)
}

/// Types that a tool's own interfaces share are imported by name and need nobody to provide them.
fn is_only_types(types: &Types, name: &str) -> bool {
    let is_plain_type = |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Type { created, .. } if !matches!(created, ComponentAnyTypeId::Resource(_)));
    match types
        .as_ref()
        .component_item_for_import(name)
        .map(|item| &item.ty)
    {
        Some(ComponentEntityType::Instance(id)) => types[*id]
            .exports
            .values()
            .all(|item| is_plain_type(&item.ty)),
        Some(ty) => is_plain_type(ty),
        None => false,
    }
}

fn violation(import: &Import) -> Violation {
    let name = quoted(&if import.field.is_empty() {
        import.module.clone()
    } else {
        format!("{}::{}", import.module, import.field)
    });
    Violation::new(
        "import_unknown",
        format!("the tool imports `{name}`, {}", reason(&import.module)),
    )
    .in_section("import")
    .at(import.offset)
}

fn reason(module: &str) -> &'static str {
    let version = module.split_once('@').map_or("", |(_, version)| version);
    if module == "wasi_unstable" {
        "an old WASI that is not offered; rebuild it with a toolchain for `wasm32-wasip1` or `wasm32-wasip2`"
    } else if module == "wasi" {
        "WASI threads, which are not offered; build without threads"
    } else if module.starts_with("wasi:") && version.starts_with("0.3") {
        "of WASI 0.3, which is not offered yet; build for WASI 0.2"
    } else if module == "env" {
        "a function the linker did not find; link it into the tool"
    } else if module.starts_with("wasi:") {
        "which is not offered here; WASI 0.2's command world and outgoing `wasi:http` are"
    } else {
        "which no host offers; WASI 0.1, WASI 0.2 and outgoing `wasi:http` are offered"
    }
}

/// What is said of an import that is there but gives nothing.
pub(super) const NOTE_CODE: &str = "import_denied";

/// What the tool imports and no run is granted.
pub(super) fn notes(survey: &Survey<'_>, manifest: Option<&Manifest>) -> Vec<Violation> {
    let note = |prefix: &str, message: &str| {
        survey
            .imports
            .iter()
            .find(|import| import.module.starts_with(prefix))
            .map(|import| {
                Violation::new(NOTE_CODE, message)
                    .in_section("import")
                    .at(import.offset)
            })
    };
    let sockets = note(
        "wasi:sockets/",
        "the tool imports sockets; every use answers `access-denied`",
    );
    let http = note(
        "wasi:http/outgoing-handler",
        "the tool imports outgoing HTTP and its manifest has no `[egress]`; every request answers `HTTP-request-denied`",
    );
    let is_allowed = manifest.is_some_and(|manifest| !manifest.egress.allow.is_empty());
    let http = http.filter(|_| !is_allowed);
    sockets.into_iter().chain(http).collect()
}

/// Whether the tool can find files at all.
pub(super) fn uses_files(survey: &Survey<'_>) -> bool {
    survey.imports.iter().any(|import| match survey.encoding {
        Encoding::Module => {
            import.field.starts_with("path_") || import.field.starts_with("fd_prestat")
        }
        Encoding::Component => import.module.starts_with("wasi:filesystem/preopens"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::survey::survey;

    #[test]
    fn of_many_that_nobody_offers_some_are_named_and_the_rest_counted() {
        let import =
            |at| format!("(import \"env\" \"f{at}\" (func)) (import \"a\" \"g{at}\" (func))");
        let text: String = (0..200).map(import).collect();
        let bytes = wat::parse_str(format!("(module {text})")).expect("valid");
        let survey = survey(&bytes).expect("readable");
        let found = check(&survey, None, &Rules::default());
        assert_eq!(found.len(), 2 * NAMED_MAX);
        for module in ["env", "a"] {
            let more = format!("it imports 197 more of `{module}`");
            let told: Vec<_> = found
                .iter()
                .filter(|it| it.message.ends_with(&more))
                .collect();
            assert!(
                matches!(told[..], [it] if it.message.contains(&format!("`{module}::"))),
                "{found:?}"
            );
        }
    }
}
