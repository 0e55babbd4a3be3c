//! Covers: an artifact's picture, at most one each.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId};
use crate::statements;
use crate::time::Time;
use crate::writer::Transaction;

impl Store {
    /// An artifact's cover, an SVG's text.
    pub async fn cover(
        &self,
        (org, id): (OrgId, ArtifactId),
    ) -> Result<Option<String>, StoreError> {
        let svg = sqlx::query_scalar(statements::COVER)
            .bind(org)
            .bind(id)
            .fetch_optional(&self.readers)
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
                Box::pin(async move {
                    sqlx::query(statements::SET_COVER)
                        .bind(org)
                        .bind(id)
                        .bind(svg)
                        .bind(Time::now())
                        .execute(transaction)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Whether an artifact has a cover, which `made` becomes where there is none.
pub(crate) async fn has_cover(
    transaction: &mut Transaction,
    (org, id): (OrgId, ArtifactId),
    made: Option<String>,
) -> Result<bool, StoreError> {
    if let Some(svg) = made {
        sqlx::query(statements::KEEP_COVER)
            .bind(org)
            .bind(id)
            .bind(svg)
            .bind(Time::now())
            .execute(transaction)
            .await?;
        return Ok(true);
    }
    let has_cover = sqlx::query_scalar(statements::HAS_COVER)
        .bind(org)
        .bind(id)
        .fetch_one(transaction)
        .await?;
    Ok(has_cover)
}
