//! One page of a list.

use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Column, Row, Sqlite, TypeInfo, ValueRef};

/// The bytes of the rows that a page is made of, but for its first: what sellers and tools wrote can be megabytes.
const BYTES_MAX: usize = 2 << 20;

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

    /// A page of rows whose size is a stranger's to choose. The statement gives [`one_more`] than `limit`.
    pub(crate) async fn read(
        query: Query<'_, Sqlite, SqliteArguments>,
        readers: &SqlitePool,
        limit: usize,
        item: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
        place: impl Fn(&T) -> C,
    ) -> Result<Self, sqlx::Error> {
        let mut rows = query.fetch(readers);
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            bytes += bytes_of(&row)?;
            let is_full = items.len() == limit || bytes > BYTES_MAX;
            if let Some(last) = items.last().filter(|_| is_full) {
                let next = Some(place(last));
                return Ok(Self { items, next });
            }
            items.push(item(&row)?);
        }
        Ok(Self { items, next: None })
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
