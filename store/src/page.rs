//! One page of a list.

use crate::error::StoreError;
use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Column, Row, Sqlite, TypeInfo, ValueRef};

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

    /// A page of rows whose size is a stranger's to choose. The statement gives [`one_more`] than `limit`.
    pub(crate) async fn read(
        query: Query<'_, Sqlite, SqliteArguments>,
        reader: &mut SqliteConnection,
        limit: usize,
        item: impl Fn(&SqliteRow) -> Result<T, sqlx::Error> + Send + 'static,
        place: impl Fn(&T) -> C,
    ) -> Result<Self, StoreError>
    where
        T: Send + 'static,
    {
        let (mut rows, mut bytes, mut has_more) = (Vec::new(), 0, false);
        let mut reading = query.fetch(reader);
        while let Some(row) = reading.try_next().await? {
            bytes += bytes_of(&row)?;
            has_more = !rows.is_empty() && (rows.len() == limit || bytes > BYTES_MAX);
            if has_more {
                break;
            }
            rows.push(row);
        }
        drop(reading);
        let items = parsed(rows, item).await?;
        let next = items.last().filter(|_| has_more).map(place);
        Ok(Self { items, next })
    }
}

/// Makes items of rows. Large rows are parsed where nobody waits for the thread.
pub(crate) async fn parsed<T: Send + 'static>(
    rows: Vec<SqliteRow>,
    item: impl Fn(&SqliteRow) -> Result<T, sqlx::Error> + Send + 'static,
) -> Result<Vec<T>, sqlx::Error> {
    let mut bytes = 0;
    for row in &rows {
        bytes += bytes_of(row)?;
    }
    let parse = move || rows.iter().map(item).collect();
    match bytes {
        ..=SHORT_BYTES => parse(),
        _ => tokio::task::spawn_blocking(parse)
            .await
            .unwrap_or_else(|error| Err(sqlx::Error::Decode(error.into()))),
    }
}

/// Of a row's texts.
fn bytes_of(row: &SqliteRow) -> Result<usize, sqlx::Error> {
    let mut bytes = 0;
    for column in row.columns() {
        let value = row.try_get_raw(column.ordinal())?;
        if value.type_info().name() == "TEXT" {
            bytes += row.try_get::<&str, _>(column.ordinal())?.len();
        }
    }
    Ok(bytes)
}

/// The limit of a statement that reads a page of `limit`.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
