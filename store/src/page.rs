//! One page of a list.

use crate::sql::{Connection, Query, Row, SqlError};
use std::ops::ControlFlow;

/// The bytes of the rows that a page is made of, but for its first: what sellers and tools wrote can be megabytes.
const BYTES_MAX: usize = 2 << 20;
/// The rows that a filtered list looks at for one page, so that it takes tens of milliseconds however few it finds.
pub(crate) const LOOKED_AT_MAX: i64 = 10_000;
/// The length of text that is read and parsed in well under a millisecond.
pub(crate) const SHORT_BYTES: usize = 16 * 1024;

/// Items, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// At most as many as were asked for, fewer where they are large.
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

    /// The same page. If it is the last one, the next page begins at `reach`.
    pub(crate) fn or_from(mut self, reach: Option<C>) -> Self {
        self.next = self.next.or(reach);
        self
    }

    /// A page of rows whose size a stranger chooses. The statement returns [`one_more`] than `limit`.
    pub(crate) fn read(
        query: &Query<'_>,
        connection: &mut Connection,
        limit: usize,
        item: impl Fn(&Row) -> Result<T, SqlError>,
        place: impl Fn(&T) -> C,
    ) -> Result<Self, SqlError> {
        let (mut rows, mut bytes, mut has_more) = (Vec::new(), 0, false);
        query.each(connection, |row| {
            bytes += row.text_bytes();
            has_more = !rows.is_empty() && (rows.len() == limit || bytes > BYTES_MAX);
            if has_more {
                return ControlFlow::Break(());
            }
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        let items = rows.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| has_more).map(place);
        Ok(Self { items, next })
    }
}

/// Reads an item from a row. A large row is parsed on a thread that may block.
pub(crate) async fn parsed<T: Send + 'static>(
    row: Row,
    item: impl Fn(&Row) -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    if row.text_bytes() <= SHORT_BYTES {
        return item(&row);
    }
    let parsing = tokio::task::spawn_blocking(move || item(&row));
    parsing
        .await
        .unwrap_or_else(|error| Err(SqlError::unreadable(error)))
}

/// The limit of a statement that reads a page of `limit`.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
