//! What a run spent its time on outside of itself: one span for each outgoing request, bounded in number, with no
//! secret in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Spans kept of one run.
const SPANS_MAX: usize = 200;

/// One stretch of a run's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it was spent on: `GET api.example.com`.
    pub name: String,
    /// When it began.
    pub started_at: SystemTime,
    /// When it ended; `None` where the run ended before it.
    pub ended_at: Option<SystemTime>,
    /// What is to be said of it, by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// What a span says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// In words.
    Text(String),
    /// In numbers.
    Number(u64),
}

/// A run's spans. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    kept: Arc<Mutex<Vec<Span>>>,
}

/// A span that has begun. Dropped without an end, it stays open.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    spans: Spans,
    /// Nothing where there were too many.
    index: Option<usize>,
}

impl Spans {
    /// Begins a span.
    pub(crate) fn begin(
        &self,
        name: String,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> OpenSpan {
        let mut kept = self.lock();
        let index = (kept.len() < SPANS_MAX).then_some(kept.len());
        if index.is_some() {
            kept.push(Span {
                name,
                started_at: SystemTime::now(),
                ended_at: None,
                attributes,
            });
        }
        drop(kept);
        let spans = self.clone();
        OpenSpan { spans, index }
    }

    /// The spans so far, in the order in which they began. What goes on is not told any more.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenSpan {
    /// Ends the span, with what there is to say besides.
    pub(crate) fn end(&self, attributes: impl IntoIterator<Item = (&'static str, Attribute)>) {
        let mut kept = self.spans.lock();
        if let Some(span) = self.index.and_then(|index| kept.get_mut(index)) {
            span.ended_at = Some(SystemTime::now());
            span.attributes.extend(attributes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_bounded_in_number_and_end_or_stay_open() {
        let spans = Spans::default();
        let open: Vec<_> = (0..SPANS_MAX + 5)
            .map(|index| spans.begin(index.to_string(), Vec::new()))
            .collect();
        open[1].end([("status", Attribute::Number(200))]);
        open[SPANS_MAX].end([]);
        let taken = spans.take();
        assert_eq!(taken.len(), SPANS_MAX);
        assert_eq!((taken[0].name.as_str(), taken[0].ended_at), ("0", None));
        assert_eq!(taken[1].attributes, [("status", Attribute::Number(200))]);
        assert!(taken[1].ended_at.is_some());
        open[0].end([]);
        assert_eq!(spans.take(), []);
    }
}
