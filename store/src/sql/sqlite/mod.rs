//! SQLite: the engine, and how its connections are opened.

mod migrations;

pub use self::migrations::MigrateError;
pub(crate) use self::migrations::migrate;
use crate::sql::connection::{Connection, Engine, ValueRows};
use crate::sql::error::SqlError;
use crate::sql::query::query;
use crate::sql::row::{Cell, Row};
use crate::sql::statement::{Statement, sqlite_only};
use crate::sql::value::Value;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags, ToSql};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The time that a statement waits for a lock that another process holds, such as a backup.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements that a connection keeps: more than the catalogue has for one.
const PREPARED_MAX: usize = 128;
/// Instructions of SQLite's machine between two looks at the time. A row can have megabytes, so they are few.
const LOOK_AFTER: i32 = 200;

struct Sqlite(rusqlite::Connection);

/// Opens a connection that reads and writes. Makes the file if it is missing.
pub(crate) fn open(file: &Path) -> Result<Connection, SqlError> {
    Ok(Connection::new(Sqlite(writer(file)?)))
}

/// Opens a connection that only reads.
pub(crate) fn open_read_only(file: &Path) -> Result<Connection, SqlError> {
    Ok(Connection::new(Sqlite(reader(file)?)))
}

/// Opens a connection that only reads, and interrupts a statement as soon as `is_over` is true.
pub(crate) fn open_interruptible(
    file: &Path,
    is_over: impl Fn() -> bool + Send + 'static,
) -> Result<Connection, SqlError> {
    let connection = reader(file)?;
    connection.progress_handler(LOOK_AFTER, Some(is_over))?;
    Ok(Connection::new(Sqlite(connection)))
}

/// Writes the log into the database file and empties it. Waits for `patience` for readers of the log. Returns true if one
/// of them was in the way.
pub(crate) fn restart_log(
    connection: &mut Connection,
    patience: Duration,
) -> Result<bool, SqlError> {
    let wait = |time: Duration| format!("PRAGMA busy_timeout = {}", time.as_millis());
    connection.batch(&wait(patience))?;
    let is_blocked = query(RESTART_LOG).scalar(connection);
    connection.batch(&wait(BUSY_TIMEOUT))?;
    is_blocked
}

/// The version of the SQLite that is linked, such as `3.51.3`.
pub(crate) fn version() -> &'static str {
    rusqlite::version()
}

const RESTART_LOG: Statement = sqlite_only("PRAGMA wal_checkpoint(TRUNCATE)");
const BASE_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

fn writer(file: &Path) -> Result<rusqlite::Connection, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = rusqlite::Connection::open_with_flags(file, flags | BASE_FLAGS)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit that was acknowledged survives a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn reader(file: &Path) -> Result<rusqlite::Connection, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | BASE_FLAGS;
    let connection = rusqlite::Connection::open_with_flags(file, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &rusqlite::Connection) -> Result<(), SqlError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The server has given up every folder but its own, so there are no temporary files elsewhere.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(())
}

impl Engine for Sqlite {
    fn batch(&mut self, text: &str) -> Result<(), SqlError> {
        Ok(self.0.execute_batch(text)?)
    }

    fn execute(&mut self, statement: Statement, rows: ValueRows<'_, '_>) -> Result<u64, SqlError> {
        let mut statement = self.0.prepare_cached(statement.sqlite)?;
        let mut changed = 0;
        for values in rows {
            bind(&mut statement, &values)?;
            changed += statement.raw_execute()? as u64;
        }
        Ok(changed)
    }

    #[cfg(test)]
    fn prepare(&mut self, statement: Statement) -> Result<(), SqlError> {
        self.0.prepare_cached(statement.sqlite)?;
        Ok(())
    }

    fn query(
        &mut self,
        statement: Statement,
        values: &[Value<'_>],
        row: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        let mut statement = self.0.prepare_cached(statement.sqlite)?;
        bind(&mut statement, values)?;
        let columns = statement.column_names();
        let columns: Arc<[String]> = columns.into_iter().map(str::to_owned).collect();
        let mut rows = statement.raw_query();
        while let Some(found) = rows.next()? {
            let cells = (0..columns.len()).map(|place| cell(found.get_ref(place)?));
            let cells = cells.collect::<Result<_, SqlError>>()?;
            if row(Row::new(Arc::clone(&columns), cells)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<(), SqlError> {
    let expected = statement.parameter_count();
    if values.len() != expected {
        let count = values.len();
        return Err(SqlError::unreadable(format!(
            "{count} values for a statement of {expected}"
        )));
    }
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Result<Cell, SqlError> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Text(text) => {
            let text = str::from_utf8(text).map_err(SqlError::unreadable)?;
            Cell::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(SqlError::unreadable("a number with a fraction")),
    })
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Id(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen,
            ) => Self::Refusing(error.to_string()),
            _ => Self::Failed(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Statement = sqlite_only("INSERT INTO it VALUES (zeroblob(100000))");
    const WRONG: Statement = sqlite_only("no SQL");

    #[test]
    fn a_database_that_takes_no_writes_may_take_them_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.db");
        let mut owner = open(&path).expect("a database");
        owner.batch("CREATE TABLE it (value BLOB)").expect("table");
        let mut read_only = open_read_only(&path).expect("opened");
        let mut full = open(&path).expect("opened");
        full.batch("PRAGMA max_page_count = 3").expect("set");
        let mut locked = open(&path).expect("opened");
        locked.batch("PRAGMA busy_timeout = 0").expect("set");
        for (label, connection) in [("read-only", &mut read_only), ("full", &mut full)] {
            let refused = query(WRITE).execute(connection).expect_err(label);
            assert!(
                matches!(refused, SqlError::Refusing(_)),
                "{label}: {refused}"
            );
        }
        owner.batch("BEGIN IMMEDIATE").expect("the lock");
        let refused = query(WRITE).execute(&mut locked).expect_err("locked");
        assert!(matches!(refused, SqlError::Refusing(_)), "{refused}");
        let wrong = query(WRONG).execute(&mut owner).expect_err("wrong");
        assert!(matches!(wrong, SqlError::Failed(_)), "{wrong}");
    }

    #[test]
    fn a_statement_is_interrupted_and_the_connection_goes_on() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.db");
        open(&path).expect("a database");
        let is_over = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&is_over);
        let opened = open_interruptible(&path, move || flag.load(Ordering::Relaxed));
        let mut connection = opened.expect("opened");
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            SELECT COUNT(*) FROM n";
        let long = query(sqlite_only(long));
        let ended = long.scalar::<i64>(&mut connection);
        assert!(matches!(ended, Err(SqlError::Interrupted)), "{ended:?}");
        is_over.store(false, Ordering::Relaxed);
        assert_eq!(long.scalar::<i64>(&mut connection).expect("read"), 10_000);
    }

    #[test]
    fn a_missing_value_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = open(&folder.path().join("it.db")).expect("a database");
        let two = query(sqlite_only("SELECT ?1 + ?2")).bind(1_i64);
        assert!(two.scalar::<i64>(&mut connection).is_err());
        assert_eq!(
            two.bind(2_i64).scalar::<i64>(&mut connection).expect("3"),
            3
        );
    }
}
