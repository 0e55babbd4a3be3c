//! Covers: an artifact's picture, at most one each.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId};
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::time::Time;

impl Store {
    /// An artifact's cover, an SVG's text.
    pub async fn cover(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<Option<String>, StoreError> {
        let svg = self
            .readers
            .optional_scalar(sql::query(statements::COVER).bind(org).bind(id))
            .await?;
        Ok(svg)
    }

    /// Gives an artifact a cover, in place of the one it has.
    pub async fn set_cover(
        &self,
        (org, id): (OrgId, ArtifactId),
        svg: String,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| {
                sql::query(statements::SET_COVER)
                    .bind(org)
                    .bind(id)
                    .bind(&svg)
                    .bind(Time::now())
                    .execute(transaction)?;
                Ok(())
            })
            .await
    }
}

/// True if an artifact has a cover. `made` becomes its cover if there is none.
pub(crate) fn has_cover(
    transaction: &mut Connection,
    (org, id): (OrgId, ArtifactId),
    made: Option<&str>,
) -> Result<bool, StoreError> {
    if let Some(svg) = made {
        sql::query(statements::KEEP_COVER)
            .bind(org)
            .bind(id)
            .bind(svg)
            .bind(Time::now())
            .execute(transaction)?;
        return Ok(true);
    }
    let has_cover = sql::query(statements::HAS_COVER)
        .bind(org)
        .bind(id)
        .scalar(transaction)?;
    Ok(has_cover)
}
