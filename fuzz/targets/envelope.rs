//! Files of compiled tools: one that was altered anywhere is refused, one that was sealed with facts of anything is
//! read or refused, and nothing panics or reserves memory for a length that a file only says it has.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_runtime::fuzzing;

const CODE: &[u8] = b"\x7fELF, as far as anybody here is concerned";
const FACTS: &[u8] =
    br#"{"kind":"Typed","functions":[],"manifest":null,"uses_files":false,"counts":{},"notes":[]}"#;

fuzz_target!(|data: &[u8]| {
    let Some((form, data)) = data.split_first() else {
        return;
    };
    match form % 3 {
        0 => assert!(
            fuzzing::open(data).is_err(),
            "a file of anybody's was believed"
        ),
        1 => altered(data),
        _ => {
            // Sealed with the key, so that the facts are what is looked at.
            let sealed = fuzzing::seal(CODE, data);
            let _ = fuzzing::open(&sealed);
        }
    }
});

/// Edits of four bytes each: what, where (two bytes), with what.
fn altered(edits: &[u8]) {
    let sealed = fuzzing::seal(CODE, FACTS);
    let mut file = sealed.clone();
    for edit in edits.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % file.len().max(1);
        match edit[0] % 4 {
            0 if !file.is_empty() => file[at] = edit[3],
            1 => file.insert(at, edit[3]),
            2 if !file.is_empty() => drop(file.remove(at)),
            _ => file.truncate(at),
        }
    }
    if file != sealed {
        assert!(
            fuzzing::open(&file).is_err(),
            "an altered file was believed"
        );
    }
}
