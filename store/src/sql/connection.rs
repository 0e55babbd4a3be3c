//! A connection to a database of either engine.

use super::error::SqlError;
use super::row::Row;
use super::statement::Statement;
use super::value::Value;
use std::fmt;
use std::ops::ControlFlow;

/// The rows of values that a statement is executed with, one after the other.
pub(crate) type ValueRows<'r, 'v> = &'r mut dyn Iterator<Item = Vec<Value<'v>>>;

/// The duties of an engine. Every method returns when the database has answered.
pub(crate) trait Engine: Send {
    /// Executes text without values and rows, such as `BEGIN`.
    fn batch(&mut self, text: &str) -> Result<(), SqlError>;

    /// Executes a statement once for each row of values. Returns the number of rows that were changed.
    fn execute(&mut self, statement: Statement, rows: ValueRows<'_, '_>) -> Result<u64, SqlError>;

    /// Fails if the statement does not fit the schema.
    #[cfg(test)]
    fn prepare(&mut self, statement: Statement) -> Result<(), SqlError>;

    /// Gives each row that a statement returns to `row`, until it breaks.
    fn query(
        &mut self,
        statement: Statement,
        values: &[Value<'_>],
        row: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError>;
}

/// A connection. It belongs to one thread at a time.
pub(crate) struct Connection(Box<dyn Engine>);

impl Connection {
    pub(super) fn new(engine: impl Engine + 'static) -> Self {
        Self(Box::new(engine))
    }

    /// Executes text without values and rows, such as `BEGIN`.
    pub(crate) fn batch(&mut self, text: &str) -> Result<(), SqlError> {
        self.0.batch(text)
    }

    /// Executes a statement once for each row of values. Returns the number of rows that were changed.
    pub(crate) fn execute_each<'v>(
        &mut self,
        statement: Statement,
        mut rows: impl Iterator<Item = Vec<Value<'v>>>,
    ) -> Result<u64, SqlError> {
        self.0.execute(statement, &mut rows)
    }

    /// Fails if the statement does not fit the schema.
    #[cfg(test)]
    pub(crate) fn prepare(&mut self, statement: Statement) -> Result<(), SqlError> {
        self.0.prepare(statement)
    }

    pub(super) fn query(
        &mut self,
        statement: Statement,
        values: &[Value<'_>],
        row: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        self.0.query(statement, values, row)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(…)")
    }
}
