//! Violations with a place in the manifest.

use tollgate_runtime::Violation;

/// Something that a manifest says, or that was found by it.
pub(crate) fn in_manifest(
    code: &'static str,
    pointer: impl Into<String>,
    message: impl Into<String>,
) -> Violation {
    Violation::new(code, message)
        .at_pointer(pointer)
        .in_section(tollgate_runtime::manifest::SECTION)
}
