//! Postgres, as far as the tests prove that statements and work run on it.

mod cluster;

pub(crate) use self::cluster::Cluster;
use crate::sql::connection::{Connection, Engine, ValueRows};
use crate::sql::error::SqlError;
use crate::sql::row::{Cell, Row};
use crate::sql::statement::Statement;
use crate::sql::value::Value;
use bytes::{BufMut, BytesMut};
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Error};
use std::collections::HashMap;
use std::error;
use std::ops::ControlFlow;
use std::sync::Arc;

const SCHEMA: &str = include_str!("schema/0001.sql");

struct Postgres {
    client: Client,
    prepared: HashMap<&'static str, postgres::Statement>,
}

/// A connection to a new database with the schema.
pub(crate) fn open(mut client: Client) -> Result<Connection, SqlError> {
    client.batch_execute(SCHEMA)?;
    Ok(Connection::new(Postgres {
        client,
        prepared: HashMap::new(),
    }))
}

impl Postgres {
    /// Prepares a statement once. Postgres names the first value `$1`.
    fn prepared(&mut self, statement: Statement) -> Result<postgres::Statement, SqlError> {
        let text = statement.on_postgres();
        let text = text.ok_or_else(|| SqlError::unreadable("a statement for SQLite only"))?;
        if let Some(prepared) = self.prepared.get(text) {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(&text.replace('?', "$"))?;
        self.prepared.insert(text, prepared.clone());
        Ok(prepared)
    }
}

fn parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

impl Engine for Postgres {
    fn batch(&mut self, text: &str) -> Result<(), SqlError> {
        Ok(self.client.batch_execute(text)?)
    }

    fn execute(&mut self, statement: Statement, rows: ValueRows<'_, '_>) -> Result<u64, SqlError> {
        let prepared = self.prepared(statement)?;
        let mut changed = 0;
        for values in rows {
            changed += self.client.execute(&prepared, &parameters(&values))?;
        }
        Ok(changed)
    }

    fn prepare(&mut self, statement: Statement) -> Result<(), SqlError> {
        self.prepared(statement)?;
        Ok(())
    }

    fn query(
        &mut self,
        statement: Statement,
        values: &[Value<'_>],
        row: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        let prepared = self.prepared(statement)?;
        let columns = prepared.columns().iter();
        let columns: Arc<[String]> = columns.map(|column| column.name().to_owned()).collect();
        for found in self.client.query(&prepared, &parameters(values))? {
            let cells = (0..columns.len()).map(|place| found.try_get(place));
            let cells = cells.collect::<Result<_, _>>()?;
            if row(Row::new(Arc::clone(&columns), cells)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn error::Error + Sync + Send>> {
        match self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Integer(number) => out.put_i64(*number),
            Value::Text(text) => out.put_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.put_slice(bytes),
            Value::Id(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Cell {
    fn from_sql(column: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn error::Error + Sync + Send>> {
        Ok(match *column {
            Type::INT8 => Self::Integer(i64::from_sql(column, raw)?),
            Type::INT4 => Self::Integer(i32::from_sql(column, raw)?.into()),
            Type::BOOL => Self::Integer(bool::from_sql(column, raw)?.into()),
            Type::NUMERIC => Self::Integer(whole(raw).ok_or("a number with a fraction")?),
            Type::TEXT => Self::Text(String::from_sql(column, raw)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => return Err(format!("a column of type {column}").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A `NUMERIC` without a fraction, which is the type of sums. Its digits are of base 10,000, after their number, the weight
/// of the first one, a sign and a scale.
fn whole(raw: &[u8]) -> Option<i64> {
    let words: Vec<_> = raw.chunks_exact(2).map(|it| [it[0], it[1]]).collect();
    let (head, digits) = words.split_at_checked(4)?;
    let weight = i16::from_be_bytes(head[1]);
    let sign = if head[2] == [0, 0] { 1 } else { -1 };
    let whole = usize::try_from(weight + 1).ok()?;
    let mut number: i64 = 0;
    for place in 0..whole {
        let digit = digits.get(place).copied().unwrap_or([0, 0]);
        let digit = i64::from(i16::from_be_bytes(digit));
        number = number.checked_mul(10_000)?.checked_add(digit)?;
    }
    (digits.len() <= whole).then_some(sign * number)
}

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}
