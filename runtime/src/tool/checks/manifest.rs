//! 8. Manifest: at most one, readable, every key known.

use crate::tool::manifest::{Manifest, SECTION};
use crate::tool::survey::Survey;
use crate::violation::Violation;

pub(super) fn check(survey: &Survey<'_>) -> Result<Option<Manifest>, Vec<Violation>> {
    let mut sections = survey
        .custom_sections
        .iter()
        .filter(|section| section.name == SECTION);
    let Some(section) = sections.next() else {
        return Ok(None);
    };
    if let Some(second) = sections.next() {
        let message = "the file carries two manifests; pack it again from the unpacked file";
        return Err(vec![
            Violation::new("manifest_duplicate", message)
                .in_section(SECTION)
                .at(second.offset),
        ]);
    }
    let text = std::str::from_utf8(section.data).map_err(|error| {
        let message = "the manifest is not UTF-8";
        vec![
            Violation::new("manifest_invalid", message)
                .in_section(SECTION)
                .at(section.offset + error.valid_up_to()),
        ]
    })?;
    Manifest::parse(text)
        .map(Some)
        .map_err(|violation| vec![violation.at(section.offset)])
}
