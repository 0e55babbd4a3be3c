//! A rejected file, with the reasons.

use crate::violation::Violation;
use std::fmt;

/// A file that is no tool for this host, with every reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The reasons.
    pub violations: Vec<Violation>,
}

impl Rejected {
    pub(crate) fn could_not_judge() -> Self {
        let message = "a check could not be run to its end; the file is not admitted";
        Self {
            violations: vec![Violation::new("check_failed", message)],
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tool was rejected")?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "; {violation}"))
    }
}

impl std::error::Error for Rejected {}
