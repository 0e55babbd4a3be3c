//! One page of a list.

/// Items, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// The last item's place, where there are more.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// A page from one item more than fits, which is how a list knows that there are more.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize, place: impl Fn(&T) -> C) -> Self {
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items.last().map(&place)
        });
        Self {
            items,
            next: next.flatten(),
        }
    }
}

/// The limit of a statement that reads a page of `limit`.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
