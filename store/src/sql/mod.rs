//! Access to a database: statements, their values, the rows that they return, and the engines that execute them.
//!
//! The rest of the crate is written against [`Connection`] and knows no engine. A connection is synchronous on every
//! engine, and belongs to one thread at a time.

mod connection;
mod error;
#[cfg(test)]
pub(crate) mod postgres;
mod query;
mod row;
pub(crate) mod sqlite;
mod statement;
pub(crate) mod statements;
mod value;

pub(crate) use connection::Connection;
pub use error::SqlError;
pub(crate) use query::{Query, query};
pub(crate) use row::{Cell, Column, Row};
pub use sqlite::MigrateError;
pub(crate) use statement::Statement;
#[cfg(test)]
pub(crate) use statement::sqlite_only;
pub(crate) use value::{Value, values};
