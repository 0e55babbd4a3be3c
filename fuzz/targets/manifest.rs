//! A manifest's text: nothing panics, a refusal says where, and what is packed says what was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_runtime::manifest::{MANIFEST_BYTES_MAX, Manifest, name_in, packed_text};
use tollgate_runtime::seller_schema::SellerSchema;
use tollgate_validator::catalogue::entry_of;
use tollgate_validator::{Places, fuzzing};

fuzz_target!(|text: &str| {
    let name = name_in(text);
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(violation) => {
            assert_eq!(violation.code, "manifest_invalid");
            let lines = 1 + text.matches('\n').count() as u64;
            assert!(
                violation
                    .place
                    .line
                    .is_none_or(|line| (1..=lines).contains(&line))
            );
            assert!(packed_text(text).is_err(), "packed what cannot be read");
            return;
        }
    };
    assert_eq!(name.as_ref(), Some(&manifest.name));
    let packed = packed_text(text).expect("what is read is packed");
    // Written anew it may be longer than what is read.
    if packed.len() <= MANIFEST_BYTES_MAX {
        let again = Manifest::parse(&packed).expect("what is packed is read");
        assert!(again.build.is_none());
        let found = |it: &Manifest| {
            let mut found = fuzzing::check_manifest(it);
            found.iter_mut().for_each(|it| it.place.line = None);
            found
        };
        assert_eq!(found(&again), found(&manifest), "judged alike");
        assert_eq!(
            packed_text(&packed).as_ref(),
            Ok(&packed),
            "packed once is packed"
        );
    }
    for violation in fuzzing::check_manifest(&manifest) {
        assert!(entry_of(violation.code).is_some(), "{violation}");
        let pointer = violation.place.pointer.as_deref().unwrap_or_default();
        let places = Places::of(text).expect("what is read is TOML");
        if let Some(span) = places.span(pointer) {
            assert!(text.get(span).is_some(), "{pointer} lies in the text");
            assert!(places.line(pointer).is_some());
        }
    }
    let command = manifest.command.as_ref();
    if let Ok(schema) = SellerSchema::new(command.and_then(|it| it.input.as_ref())) {
        for example in &manifest.examples {
            let _ = schema.check(&example.input);
        }
    }
});
