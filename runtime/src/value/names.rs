//! Looks names up in types. A seller's type may have thousands of them, and an input thousands of values of it.

use super::{Case, Label, Parameter};
use std::collections::HashMap;

/// Comparing so few names one by one is quicker than an index.
const FEW: usize = 16;

/// Something of a type that has a name.
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

/// Indexes of the long lists that a reader has met, by their places in memory. Each is made once.
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
