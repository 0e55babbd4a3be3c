//! Spans added to a run while it runs: counted and bounded, and kept in memory where the run has no row yet.

use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tollgate_fair::{Most, Part, Shares};
use tollgate_store::OrgId;

/// Spans of one run.
pub(crate) const SPANS_MAX: usize = 200;
/// The most bytes of spans in memory, for all runs without a row. An org's runs take at most half.
const HELD_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of spans that are held in memory, by org.
#[derive(Debug)]
pub(crate) struct HeldBytes(Shares<OrgId>);

/// A span with its id, as JSON: as a value it would take many times its bytes.
pub(crate) type AddedSpan = (String, Box<RawValue>);

/// The spans added to one run.
#[derive(Debug, Default)]
pub(crate) struct AddedSpans(Mutex<Added>);

#[derive(Debug, Default)]
struct Added {
    /// No more are taken: the run has ended.
    is_closed: bool,
    ids: HashSet<String>,
    /// How often spans were added.
    uploads: usize,
    /// Those that the record will be written with.
    held: Vec<Box<RawValue>>,
    parts: Vec<Part<OrgId>>,
}

/// Why nothing was added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// The run has ended.
    Closed,
    /// The run would have more than it may; it has so many.
    TooMany(usize),
    /// The run has a span of the id that this one, by its place, has.
    Taken(usize),
    /// There is no room in memory.
    NoRoom,
}

impl AddedSpans {
    /// Adds spans, each with its id. Where they are `held` they are kept here; else only their ids are, and the caller
    /// keeps them. Says how often spans were added before.
    pub(crate) fn add(
        &self,
        spans: &[AddedSpan],
        held: Option<(&HeldBytes, OrgId)>,
    ) -> Result<usize, NotAdded> {
        let mut added = self.lock();
        if added.is_closed {
            return Err(NotAdded::Closed);
        }
        let before = added.ids.len();
        if before + spans.len() > SPANS_MAX {
            return Err(NotAdded::TooMany(before));
        }
        if let Some(place) = spans.iter().position(|(id, _)| added.ids.contains(id)) {
            return Err(NotAdded::Taken(place));
        }
        if let Some((of, org)) = held {
            let bytes = spans.iter().map(|(_, span)| span.get().len() as u64);
            let part = of.0.take(org, bytes.sum()).ok_or(NotAdded::NoRoom)?;
            added.parts.push(part);
            added
                .held
                .extend(spans.iter().map(|(_, span)| span.clone()));
        }
        added.ids.extend(spans.iter().map(|(id, _)| id.clone()));
        added.uploads += 1;
        Ok(added.uploads - 1)
    }

    /// Takes back ids whose spans could not be kept.
    pub(crate) fn take_back(&self, spans: &[AddedSpan]) {
        let mut added = self.lock();
        for (id, _) in spans {
            added.ids.remove(id);
        }
    }

    /// Those that are held here.
    pub(crate) fn held(&self) -> Vec<Box<RawValue>> {
        self.lock().held.clone()
    }

    /// Takes no more, and gives those held as JSON, where there are any.
    pub(crate) fn close(&self) -> Option<String> {
        let mut added = self.lock();
        added.is_closed = true;
        (!added.held.is_empty()).then(|| list(&added.held))
    }

    fn lock(&self) -> MutexGuard<'_, Added> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spans as a list of JSON.
pub(crate) fn list(spans: &[Box<RawValue>]) -> String {
    let texts: Vec<_> = spans.iter().map(|it| it.get()).collect();
    format!("[{}]", texts.join(","))
}

impl Default for HeldBytes {
    fn default() -> Self {
        Self(Shares::new(Most::halves(HELD_BYTES_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(ids: std::ops::Range<usize>) -> Vec<AddedSpan> {
        let span = |id: usize| RawValue::from_string(id.to_string()).expect("a number");
        ids.map(|id| (id.to_string(), span(id))).collect()
    }

    #[test]
    fn all_or_none_are_added_until_the_run_ends() {
        let (bytes, org) = (HeldBytes::default(), OrgId::new());
        let added = AddedSpans::default();
        let held = Some((&bytes, org));
        assert_eq!(added.add(&spans(0..150), held), Ok(0));
        assert_eq!(
            added.add(&spans(150..201), held),
            Err(NotAdded::TooMany(150))
        );
        assert_eq!(added.add(&spans(149..151), held), Err(NotAdded::Taken(0)));
        assert_eq!(added.add(&spans(150..200), held), Ok(1));
        assert_eq!(added.held().len(), 200);
        assert!(added.close().is_some());
        assert_eq!(added.add(&[], held), Err(NotAdded::Closed));
        drop(added);
        assert_eq!(bytes.0.all(), 0);
    }
}
