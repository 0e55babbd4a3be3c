//! Statements with their values.

use super::connection::Connection;
use super::error::SqlError;
use super::row::{Column, Row};
use super::statement::Statement;
use super::value::Value;
use std::iter;
use std::ops::ControlFlow;

/// A statement with the values that it is executed with.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Query<'q> {
    statement: Statement,
    values: Vec<Value<'q>>,
}

/// A statement without values.
pub(crate) fn query<'q>(statement: Statement) -> Query<'q> {
    Query {
        statement,
        values: Vec::new(),
    }
}

impl<'q> Query<'q> {
    /// Adds the next value: first `?1`, then `?2`.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Executes it. Returns the number of rows that it changed.
    pub(crate) fn execute(self, connection: &mut Connection) -> Result<u64, SqlError> {
        connection.execute_each(self.statement, iter::once(self.values))
    }

    /// Gives each row to `row`, until it breaks.
    pub(crate) fn each(
        &self,
        connection: &mut Connection,
        mut row: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        connection.query(self.statement, &self.values, &mut row)
    }

    /// All rows.
    pub(crate) fn all(&self, connection: &mut Connection) -> Result<Vec<Row>, SqlError> {
        let mut rows = Vec::new();
        self.each(connection, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// The first row, if there is any. The statement is not executed further.
    pub(crate) fn optional(&self, connection: &mut Connection) -> Result<Option<Row>, SqlError> {
        let mut first = None;
        self.each(connection, |row| {
            first = Some(row);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    /// The first row. Fails if there is none.
    pub(crate) fn one(&self, connection: &mut Connection) -> Result<Row, SqlError> {
        let row = self.optional(connection)?;
        row.ok_or_else(|| SqlError::unreadable("there is no row"))
    }

    /// The first column of the first row. Fails if there is no row.
    pub(crate) fn scalar<T>(&self, connection: &mut Connection) -> Result<T, SqlError>
    where
        T: for<'r> Column<'r>,
    {
        self.one(connection)?.at(0)
    }

    /// The first column of the first row, if there is any.
    pub(crate) fn optional_scalar<T>(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<T>, SqlError>
    where
        T: for<'r> Column<'r>,
    {
        let row = self.optional(connection)?;
        row.map(|row| row.at(0)).transpose()
    }

    /// The first column of all rows.
    pub(crate) fn scalars<T>(&self, connection: &mut Connection) -> Result<Vec<T>, SqlError>
    where
        T: for<'r> Column<'r>,
    {
        let rows = self.all(connection)?;
        rows.iter().map(|row| row.at(0)).collect()
    }

    /// The first two columns of all rows.
    pub(crate) fn pairs<A, B>(&self, connection: &mut Connection) -> Result<Vec<(A, B)>, SqlError>
    where
        A: for<'r> Column<'r>,
        B: for<'r> Column<'r>,
    {
        let rows = self.all(connection)?;
        rows.iter()
            .map(|row| Ok((row.at(0)?, row.at(1)?)))
            .collect()
    }
}
