//! Descriptions: what buyers and their agents choose by.

use crate::in_manifest::in_manifest;
use tollgate_runtime::checks::{Admissible, Kind};
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Violation, quoted};

pub(super) fn notes(admissible: &Admissible, manifest: &Manifest) -> Vec<Violation> {
    let mut notes = Vec::new();
    if manifest.description.trim().is_empty() {
        let message = "the tool has no `description` in tool.toml";
        notes.push(in_manifest("undocumented", "/description", message));
    }
    let functions = admissible.interface.functions().iter();
    // Of a command the manifest's description says all there is.
    let is_typed = admissible.kind == Kind::Typed;
    let silent = functions.filter(|it| is_typed && it.description.is_none());
    notes.extend(silent.map(|function| {
        let message = format!(
            "the function `{}` has no doc comment in WIT",
            quoted(&function.name)
        );
        Violation::new("undocumented", message).in_function(&function.name)
    }));
    notes
}
