//! One statement for many rows: parsing and starting one takes longer than a row does.

use crate::error::StoreError;
use crate::writer::Transaction;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, query};
use std::sync::Arc;

/// How many rows a statement has: few texts, so that each stays prepared.
const AT_ONCE: [usize; 5] = [64, 16, 4, 2, 1];

/// A statement with values, and none of them bound.
pub(crate) type Binding = Query<'static, Sqlite, SqliteArguments>;

/// A statement in all its lengths.
#[derive(Debug)]
pub(crate) struct Rows([(usize, Arc<str>); AT_ONCE.len()]);

impl Rows {
    /// `head`, rows of so many columns, and `tail`. Postgres would number what is bound; SQLite looks numbers up one by
    /// one, which takes a time that grows with their square.
    pub(crate) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        Self(AT_ONCE.map(|rows| {
            let values = vec![row.as_str(); rows].join(", ");
            (rows, format!("{head} {values} {tail}").into())
        }))
    }

    /// For one row.
    #[cfg(test)]
    pub(crate) fn text_of_one(&self) -> &str {
        &self.0[AT_ONCE.len() - 1].1
    }

    /// Executes it with all rows, each bound in its turn. How many rows of the table were written.
    pub(crate) async fn execute<T>(
        &self,
        transaction: &mut Transaction,
        rows: &[T],
        bind: impl Fn(Binding, &T) -> Binding,
    ) -> Result<u64, StoreError> {
        let (mut left, mut written) = (rows, 0);
        for (at_once, text) in &self.0 {
            while let Some((now, later)) = left.split_at_checked(*at_once) {
                let statement = query(AssertSqlSafe(Arc::clone(text)));
                let bound = now.iter().fold(statement, &bind);
                written += bound.execute(&mut *transaction).await?.rows_affected();
                left = later;
            }
        }
        Ok(written)
    }
}
