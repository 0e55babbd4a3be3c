//! What a seller sends: any bytes, with or without a manifest beside them. Nothing panics or takes long, each refusal
//! has a code of the catalogue, and a file that was packed is read as what was packed.

#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tollgate_runtime::Violation;
use tollgate_runtime::checks::{Rules, admit};
use tollgate_validator::catalogue::entry_of;
use tollgate_validator::{fuzzing, upload};

const MAGIC: &[u8] = b"\0asm";

fuzz_target!(|data: &[u8]| {
    // A seed is a file as it is; a first byte chooses another form.
    if data.starts_with(MAGIC) {
        return judge(data.to_vec(), None);
    }
    let Some((form, rest)) = data.split_first() else {
        return;
    };
    let Some((manifest, wasm)) = manifest_and_rest(rest) else {
        return;
    };
    match form % 3 {
        0 => judge(wasm.to_vec(), Some(&manifest)),
        1 => generated(wasm, &manifest, |bytes| {
            wasm_smith::Module::new(wasm_smith::Config::default(), bytes).map(|it| it.to_bytes())
        }),
        _ => generated(wasm, &manifest, |bytes| {
            wasm_smith::Component::new(wasm_smith::Config::default(), bytes).map(|it| it.to_bytes())
        }),
    }
});

fn generated(
    bytes: &[u8],
    manifest: &str,
    make: impl Fn(&mut Unstructured) -> arbitrary::Result<Vec<u8>>,
) {
    if let Ok(wasm) = make(&mut Unstructured::new(bytes)) {
        judge(wasm, Some(manifest));
    }
}

/// Its length as two bytes, then the text.
fn manifest_and_rest(data: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = data.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (manifest, rest) = rest.split_at(length);
    Some((String::from_utf8_lossy(manifest).into_owned(), rest))
}

fn judge(wasm: Vec<u8>, manifest: Option<&str>) {
    let bytes = wasm.len();
    let opened = match upload::open(wasm, manifest) {
        Ok(opened) => opened,
        Err(violations) => return known(&violations, bytes),
    };
    let again = upload::open(opened.wasm.clone(), None).expect("what was packed is readable");
    assert_eq!(again.wasm, opened.wasm);
    assert_eq!(again.name, opened.name);
    let bytes = opened.wasm.len();
    match admit(&opened.wasm, &Rules::default()) {
        Err(violations) => known(&violations, bytes),
        Ok(admissible) => {
            let found = fuzzing::check(&admissible, &opened.wasm);
            found.iter().for_each(|it| one_known(it, bytes));
        }
    }
}

fn known(violations: &[Violation], bytes: usize) {
    assert!(!violations.is_empty(), "refused for no reason");
    violations.iter().for_each(|it| one_known(it, bytes));
}

fn one_known(violation: &Violation, bytes: usize) {
    assert!(entry_of(violation.code).is_some(), "{violation}");
    if let Some(offset) = violation.place.offset {
        assert!(offset <= bytes as u64, "{violation} in {bytes} bytes");
    }
    let said = violation.to_string();
    let is_plain = |it: char| it == '\n' || it == '\t' || !it.is_control();
    assert!(said.chars().all(is_plain), "{violation:?}");
}
