//! Why a file, a manifest or an input was not accepted: every reason, each with its place.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What kind of reason, for programs: `import_unknown`, `memory_too_large`.
    pub code: &'static str,
    /// The reason for people, with the thing, the bound and what to do.
    pub message: String,
    /// Where, as far as it is known.
    #[serde(skip_serializing_if = "Place::is_empty")]
    pub place: Place,
}

/// Where a violation is. What applies of it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// JSON pointer into an input or a manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Section of the file: `import`, `export`, `memory`, or a custom section's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Function, as exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Byte offset in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Line in the manifest's text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// The most violations that one check names: who has more mends these first.
pub const VIOLATIONS_MAX: usize = 100;

/// The most bytes of a name or text of the seller's in one message.
const QUOTED_BYTES_MAX: usize = 120;

impl Violation {
    /// A violation without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place: Place::default(),
        }
    }

    /// Sets the byte offset.
    pub fn at(mut self, offset: usize) -> Self {
        self.place.offset = Some(offset as u64);
        self
    }

    /// Sets the section.
    pub fn in_section(mut self, section: impl Into<String>) -> Self {
        self.place.section = Some(section.into());
        self
    }

    /// Sets the function.
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.place.function = Some(quoted(&function.into()));
        self
    }

    /// Sets the JSON pointer.
    pub fn at_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.place.pointer = Some(quoted(&pointer.into()));
        self
    }

    /// Sets the line.
    pub fn at_line(mut self, line: usize) -> Self {
        self.place.line = Some(line as u64);
        self
    }
}

impl Place {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        // Messages about a value begin with its pointer already.
        let is_said = |pointer: &String| self.message.starts_with(pointer.as_str());
        let place = Place {
            pointer: self.place.pointer.clone().filter(|it| !is_said(it)),
            ..self.place.clone()
        };
        if !place.is_empty() {
            write!(f, " ({place})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.pointer.as_ref().map(|pointer| format!("at {pointer}")),
            self.section
                .as_ref()
                .map(|section| format!("section {section}")),
            self.function
                .as_ref()
                .map(|function| format!("function {function}")),
            self.line.map(|line| format!("line {line}")),
            self.offset.map(|offset| format!("offset {offset:#x}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// A name as a part of a JSON pointer.
pub fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A text of the seller's or caller's, bounded and without control characters, fit for a message.
pub fn quoted(text: &str) -> String {
    quoted_within(text, QUOTED_BYTES_MAX)
}

/// The same with a bound of its own.
pub(crate) fn quoted_within(text: &str, bytes_max: usize) -> String {
    // Cut before cleaning: a name may have a mebibyte, and a message may quote a hundred names.
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    let mut plain = tollgate_host_api::logs::plain_text(kept);
    // A replacement character has more bytes than the character it replaces.
    let is_cut = kept.len() < text.len() || plain.len() > bytes_max;
    plain.truncate(plain.floor_char_boundary(bytes_max));
    if is_cut {
        plain.push('…');
    }
    plain
}
