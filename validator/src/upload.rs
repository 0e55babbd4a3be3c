//! What can be said of an upload while its sender waits: whether it is a tool's bytes at all, and its name.

use crate::pack::pack;
use tollgate_runtime::checks::readable;
use tollgate_runtime::manifest::{SECTION, name_in};
use tollgate_runtime::{Violation, survey};

/// Bytes that may be judged.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The file, with its manifest in it.
    pub wasm: Vec<u8>,
    /// The name its manifest gives it, however much else of the manifest is wrong.
    pub name: Option<String>,
}

/// Opens a file, and packs it with a manifest that came beside it. Whether the tool is admitted is the gate's to say.
pub fn open(wasm: Vec<u8>, manifest: Option<&str>) -> Result<Upload, Vec<Violation>> {
    let carried = manifest_in(&readable(&wasm)?);
    match (carried, manifest) {
        (Some(_), Some(_)) => {
            let message = "the file carries a manifest and another came beside it; send one";
            let violation = Violation::new("manifest_duplicate", message).in_section(SECTION);
            Err(vec![violation])
        }
        (None, Some(manifest)) => {
            let name = name_in(manifest);
            let wasm = pack(&wasm, manifest, None).map_err(|violation| vec![violation])?;
            // With the manifest in it the file may be too large.
            readable(&wasm)?;
            Ok(Upload { wasm, name })
        }
        (carried, None) => {
            let name = carried.as_deref().and_then(name_in);
            Ok(Upload { wasm, name })
        }
    }
}

/// The text of the file's first manifest.
fn manifest_in(survey: &survey::Survey<'_>) -> Option<String> {
    let section = survey
        .custom_sections
        .iter()
        .find(|it| it.name == SECTION)?;
    Some(String::from_utf8_lossy(section.data).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> Vec<u8> {
        wat::parse_str("(module)").expect("valid")
    }

    #[test]
    fn a_manifest_travels_in_the_file_or_beside_it_but_not_both() {
        assert_eq!(open(module(), None).expect("readable").name, None);
        let packed = open(module(), Some("name = \"a\"")).expect("readable");
        assert_eq!(packed.name.as_deref(), Some("a"));
        let again = open(packed.wasm.clone(), None).expect("readable");
        assert_eq!(again.name.as_deref(), Some("a"));
        let both = open(packed.wasm, Some("name = \"a\"")).expect_err("two");
        assert_eq!(both[0].code, "manifest_duplicate");
    }

    #[test]
    fn what_is_no_tool_or_no_manifest_is_said_at_once() {
        for bytes in [b"".as_slice(), b"\x7fELF", b"PK\x03\x04", b"<html>"] {
            assert!(open(bytes.to_vec(), None).is_err());
        }
        let invalid = open(module(), Some("name = 1")).expect_err("no name");
        assert_eq!(invalid[0].code, "manifest_invalid");
    }

    #[test]
    fn a_manifest_that_is_wrong_elsewhere_still_has_its_name() {
        let mut wasm = module();
        let text = b"name = \"a\"\nprise = 5";
        wasm.extend([
            0,
            (1 + SECTION.len() + text.len()) as u8,
            SECTION.len() as u8,
        ]);
        wasm.extend(SECTION.as_bytes());
        wasm.extend(text);
        assert_eq!(
            open(wasm, None).expect("readable").name.as_deref(),
            Some("a")
        );
    }
}
