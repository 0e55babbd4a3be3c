//! Statements handed to SQLite itself. `sqlx` sends each to a thread of its own and copies each of its values, which is
//! most of what a run's end takes.

use crate::error::StoreError;
use crate::writer::Transaction;
use rusqlite::{Connection, Statement, ToSql};
use sqlx::SqliteConnection;
use sqlx::sqlite::LockedSqliteHandle;

/// Work on one connection, without `sqlx` between. It has the connection's statements that stay prepared, and must be
/// dropped before the connection is.
pub(crate) struct Direct(Connection);

impl Direct {
    pub(crate) async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut locked = connection.lock_handle().await?;
        let connection = borrowed(&mut locked);
        connection
            .map(Self)
            .map_err(|error| sqlx::Error::AnyDriverError(error.into()))
    }

    /// While nobody else works on the connection.
    pub(crate) fn on<'d>(&'d self, _: &'d LockedSqliteHandle<'_>) -> &'d Connection {
        &self.0
    }
}

/// Does a part of a transaction.
pub(crate) async fn directly<T>(
    transaction: &mut Transaction,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut locked = transaction.lock_handle().await?;
    let connection = borrowed(&mut locked)?;
    work(&connection)
}

fn borrowed(locked: &mut LockedSqliteHandle<'_>) -> rusqlite::Result<Connection> {
    let handle = locked.as_raw_handle().as_ptr();
    // SAFETY: the handle is open while it is locked, and what is made of it does not close it. Whoever keeps that longer
    // uses it under the lock only, and drops it before the connection.
    unsafe { Connection::from_handle(handle) }
}

/// A statement's values, each bound in its turn, which is the order in which the statement first names them: to SQLite
/// `$1` is a name.
pub(crate) struct Binding<'s, 'c> {
    statement: &'s mut Statement<'c>,
    bound: usize,
}

impl Binding<'_, '_> {
    pub(crate) fn bind(mut self, value: impl ToSql) -> rusqlite::Result<Self> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)?;
        Ok(self)
    }
}

/// Executes a statement for each of the rows, with the values that `bind` binds. How many rows of the table were
/// written.
pub(crate) fn each<T>(
    connection: &Connection,
    statement: &str,
    rows: impl IntoIterator<Item = T>,
    bind: impl for<'s, 'c> Fn(Binding<'s, 'c>, T) -> rusqlite::Result<Binding<'s, 'c>>,
) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut written = 0;
    for row in rows {
        let statement = &mut *statement;
        let Binding { statement, .. } = bind(
            Binding {
                statement,
                bound: 0,
            },
            row,
        )?;
        written += statement.raw_execute()?;
    }
    Ok(written)
}
