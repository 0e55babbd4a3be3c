//! A statement's text.

/// The text of a statement for each engine. `?1` is its first value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(super) sqlite: &'static str,
    /// `None` for a statement that only SQLite needs.
    pub(super) postgres: Option<&'static str>,
}

#[cfg(test)]
impl Statement {
    pub(crate) fn on_sqlite(self) -> &'static str {
        self.sqlite
    }

    pub(crate) fn on_postgres(self) -> Option<&'static str> {
        self.postgres
    }
}

/// A statement with one text for both engines.
pub(crate) const fn both(text: &'static str) -> Statement {
    Statement {
        sqlite: text,
        postgres: Some(text),
    }
}

/// A statement whose text differs between the engines.
pub(crate) const fn differ(sqlite: &'static str, postgres: &'static str) -> Statement {
    Statement {
        sqlite,
        postgres: Some(postgres),
    }
}

/// A statement that only SQLite needs.
pub(crate) const fn sqlite_only(text: &'static str) -> Statement {
    Statement {
        sqlite: text,
        postgres: None,
    }
}

/// Declares the statements of a file, and lists them under a name for the tests.
macro_rules! statements {
    ($list:ident: $($(#[$about:meta])* $name:ident = $statement:expr;)*) => {
        $($(#[$about])* pub(crate) const $name: Statement = $statement;)*

        #[cfg(test)]
        pub(crate) const $list: &[(&str, Statement)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;
