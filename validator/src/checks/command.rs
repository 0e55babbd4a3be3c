//! `[command]`: what callers give reaches the program.

use crate::in_manifest::in_manifest;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{VIOLATIONS_MAX, Violation, pointer_part, quoted};

pub(super) fn notes(manifest: &Manifest) -> Vec<Violation> {
    let unused = manifest.command.iter().flat_map(|it| it.unused_fields());
    let note = |field: String| {
        let message = format!("no template uses the field `{}`", quoted(&field));
        let pointer = format!("/command/input/properties/{}", pointer_part(&field));
        in_manifest("input_unused", pointer, message)
    };
    unused.take(VIOLATIONS_MAX).map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::manifest;

    #[test]
    fn a_field_that_no_template_uses_is_noted_with_its_place() {
        let text = |argument: &str| {
            format!(
                "[command]\nargs = [\"{argument}\"]\n[command.input]\ntype = \"object\"\nproperties = {{ a = {{}}, \"b/c\" = {{}} }}"
            )
        };
        let found = |argument: &str| -> Vec<_> {
            let notes = notes(&manifest(&text(argument))).into_iter();
            notes.filter_map(|it| it.place.pointer).collect()
        };
        let (a, b) = (
            "/command/input/properties/a",
            "/command/input/properties/b~1c",
        );
        assert_eq!(found("{a}"), [b]);
        assert_eq!(found("{{a}"), [a, b]);
    }
}
