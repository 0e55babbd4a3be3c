//! The owner of a row.

use crate::id::{OrgId, ProjectId};
use crate::sql::{Row, SqlError};

/// An org and one of its projects. The rows of a project have both, and their keys begin with the org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The org.
    pub org: OrgId,
    /// The project, which is the org's.
    pub project: ProjectId,
}

impl Owner {
    /// The owner of a row with the columns `org_id` and `project_id`.
    pub(crate) fn of(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            org: row.get("org_id")?,
            project: row.get("project_id")?,
        })
    }
}
