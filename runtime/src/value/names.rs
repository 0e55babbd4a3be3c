//! Finds the parts of a type by name. A type may have thousands of names, and an input thousands of values of that type.

use super::{Case, Label, Parameter};
use std::collections::HashMap;

/// The longest list that is searched without an index.
const FEW: usize = 16;

/// A part of a type that has a name.
pub(super) trait Named {
    fn name(&self) -> &str;
}

impl Named for Case {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Label {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Parameter {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The indexes of long lists, by the address of the list. Each index is built at its first use.
#[derive(Debug, Default)]
pub(super) struct Names<'t>(HashMap<*const u8, HashMap<&'t str, usize>>);

impl<'t> Names<'t> {
    /// The part with that name.
    pub(super) fn find<T: Named>(&mut self, parts: &'t [T], name: &str) -> Option<&'t T> {
        if parts.len() <= FEW {
            return parts.iter().find(|part| part.name() == name);
        }
        let index = self.0.entry(parts.as_ptr().cast()).or_insert_with(|| {
            let names = parts.iter().enumerate();
            names.map(|(at, part)| (part.name(), at)).collect()
        });
        parts.get(*index.get(name)?)
    }
}
