//! Rows that statements return.

use super::error::SqlError;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    columns: Arc<[String]>,
    cells: Vec<Cell>,
}

/// The value of a row's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A type that a cell can be read as. An error names what was expected.
pub(crate) trait Column<'r>: Sized {
    fn read(cell: &'r Cell) -> Result<Self, &'static str>;
}

impl Row {
    /// One cell for each column.
    pub(super) fn new(columns: Arc<[String]>, cells: Vec<Cell>) -> Self {
        Self { columns, cells }
    }

    /// The value of the named column. Fails if there is no such column or it holds another type.
    pub(crate) fn get<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, SqlError> {
        let place = self.columns.iter().position(|name| name == column);
        let place = place.ok_or_else(|| SqlError::unreadable(format!("no column `{column}`")))?;
        self.at(place)
    }

    /// The value of the column at that place. The first one is at 0.
    pub(crate) fn at<'r, T: Column<'r>>(&'r self, place: usize) -> Result<T, SqlError> {
        let cell = self.cells.get(place);
        let cell = cell.ok_or_else(|| SqlError::unreadable(format!("no column {place}")))?;
        T::read(cell).map_err(|expected| {
            let column = &self.columns[place];
            SqlError::unreadable(format!("column `{column}` does not hold {expected}"))
        })
    }

    /// The named column's JSON text, parsed.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, SqlError> {
        serde_json::from_str(self.get(column)?).map_err(SqlError::unreadable)
    }

    /// The named column's JSON text, parsed. `None` for null.
    pub(crate) fn optional_json<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, SqlError> {
        let text: Option<&str> = self.get(column)?;
        let parsed = text.map(serde_json::from_str).transpose();
        parsed.map_err(SqlError::unreadable)
    }

    /// The length of all its texts.
    pub(crate) fn text_bytes(&self) -> usize {
        let texts = self.cells.iter().map(|cell| match cell {
            Cell::Text(text) => text.len(),
            Cell::Null | Cell::Integer(_) | Cell::Bytes(_) => 0,
        });
        texts.sum()
    }
}

impl Column<'_> for i64 {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        match cell {
            Cell::Integer(number) => Ok(*number),
            _ => Err("an integer"),
        }
    }
}

impl Column<'_> for u32 {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        let number = i64::read(cell)?;
        number.try_into().map_err(|_| "an integer of 32 bits")
    }
}

impl Column<'_> for u16 {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        let number = i64::read(cell)?;
        number.try_into().map_err(|_| "an integer of 16 bits")
    }
}

impl Column<'_> for bool {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        match i64::read(cell) {
            Ok(0) => Ok(false),
            Ok(1) => Ok(true),
            _ => Err("0 or 1"),
        }
    }
}

impl<'r> Column<'r> for &'r str {
    fn read(cell: &'r Cell) -> Result<Self, &'static str> {
        match cell {
            Cell::Text(text) => Ok(text),
            _ => Err("text"),
        }
    }
}

impl Column<'_> for String {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        <&str>::read(cell).map(str::to_owned)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn read(cell: &'r Cell) -> Result<Self, &'static str> {
        match cell {
            Cell::Bytes(bytes) => Ok(bytes),
            _ => Err("bytes"),
        }
    }
}

impl Column<'_> for Vec<u8> {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        <&[u8]>::read(cell).map(<[u8]>::to_vec)
    }
}

/// A SHA-256.
impl Column<'_> for [u8; 32] {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        <&[u8]>::read(cell)?.try_into().map_err(|_| "32 bytes")
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(cell: &'r Cell) -> Result<Self, &'static str> {
        match cell {
            Cell::Null => Ok(None),
            cell => T::read(cell).map(Some),
        }
    }
}
