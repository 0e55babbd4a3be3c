//! The environment: buyers' secrets, sealed, with where each may go.

use crate::Store;
use crate::error::StoreError;
use crate::error::VaultError;
use crate::id::{ArtifactId, OrgId};
use crate::owner::Owner;
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Row, SqlError};
use crate::tenancy::caps::Rows;
use crate::tenancy::vault::DataKey;
use crate::time::Time;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The owner of an entry: a project, or a project's runs of one artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryScope {
    /// The project.
    pub owner: Owner,
    /// The artifact, where it is for one only.
    pub artifact: Option<ArtifactId>,
}

/// A secret to be kept.
#[derive(Debug)]
pub struct NewEntry {
    /// The environment variable.
    pub name: String,
    /// The secret.
    pub value: SecretString,
    /// The hosts it may go to: `host` or `host:port`.
    pub hosts: Vec<String>,
    /// True if tools that declare `expose` may see it.
    pub allow_expose: bool,
}

/// An entry as it is shown: never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The environment variable.
    pub name: String,
    /// The artifact it is for, where it is for one only.
    pub artifact: Option<ArtifactId>,
    /// The hosts it may go to.
    pub hosts: Vec<String>,
    /// True if tools that declare `expose` may see it.
    pub allow_expose: bool,
    /// How it ends.
    pub last4: String,
    /// When it was first set.
    pub created_at: Time,
    /// When it was last set.
    pub updated_at: Time,
}

/// A secret as a run needs it.
#[derive(Debug)]
pub struct SecretEntry {
    /// The secret.
    pub value: SecretString,
    /// The hosts it may go to.
    pub hosts: Vec<String>,
    /// True if tools that declare `expose` may see it.
    pub allow_expose: bool,
}

impl Store {
    /// Keeps a secret, in place of the one that was there.
    pub async fn set_entry(&self, scope: EntryScope, new: NewEntry) -> Result<Entry, StoreError> {
        let Owner { org, project } = scope.owner;
        let hosts = json!(new.hosts).to_string();
        let purpose = purpose(scope, &new.name, &hosts, new.allow_expose);
        let sealed = self.data_key(org).await?.seal(&new.value, &purpose);
        let entry = Entry {
            last4: last4(&new.value),
            name: new.name,
            artifact: scope.artifact,
            hosts: new.hosts,
            allow_expose: new.allow_expose,
            created_at: Time::now(),
            updated_at: Time::now(),
        };
        let is_there = sql::query(statements::HAS_ENTRY)
            .bind(org)
            .bind(project)
            .bind(column(scope.artifact))
            .bind(entry.name.clone());
        let kinds = match self.readers.scalar(is_there).await? {
            true => None,
            false => Some(Rows::Entries),
        };
        let turn = self.room_for(org, kinds).await?;
        let setting = self.writer.write_then(
            move |transaction| {
                let created_at = sql::query(statements::SET_ENTRY)
                    .bind(org)
                    .bind(project)
                    .bind(column(scope.artifact))
                    .bind(&entry.name)
                    .bind(&sealed)
                    .bind(&hosts)
                    .bind(entry.allow_expose)
                    .bind(&entry.last4)
                    .bind(entry.updated_at)
                    .scalar(transaction)?;
                let entry = entry.clone();
                Ok(Entry {
                    created_at,
                    ..entry
                })
            },
            move |_| drop(turn),
        );
        setting.await
    }

    /// Forgets a secret, at once.
    pub async fn delete_entry(&self, scope: EntryScope, name: String) -> Result<(), StoreError> {
        let Owner { org, project } = scope.owner;
        self.writer
            .write(move |transaction| {
                sql::query(statements::DELETE_ENTRY)
                    .bind(org)
                    .bind(project)
                    .bind(column(scope.artifact))
                    .bind(&name)
                    .execute(transaction)?;
                Ok(())
            })
            .await
    }

    /// A project's entries by name, after the one of that name and artifact.
    pub async fn entries(
        &self,
        Owner { org, project }: Owner,
        after: Option<(String, Option<ArtifactId>)>,
        limit: usize,
    ) -> Result<Page<Entry, (String, Option<ArtifactId>)>, StoreError> {
        let (name, artifact) = after.unwrap_or_default();
        let rows = self
            .readers
            .all(
                sql::query(statements::ENTRIES)
                    .bind(org)
                    .bind(project)
                    .bind(name)
                    .bind(column(artifact))
                    .bind(one_more(limit)),
            )
            .await?;
        let entries = rows.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Page::cut(entries, limit, |entry: &Entry| {
            (entry.name.clone(), entry.artifact)
        }))
    }

    /// The secrets a project has set for runs of an artifact, by name: those for the artifact win over the project's.
    pub async fn secrets(
        &self,
        Owner { org, project }: Owner,
        artifact: ArtifactId,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<BTreeMap<String, SecretEntry>, StoreError> {
        let names = Value::from_iter(names).to_string();
        let rows = self
            .readers
            .all(
                sql::query(statements::SECRETS)
                    .bind(org)
                    .bind(project)
                    .bind(artifact)
                    .bind(ArtifactId::none())
                    .bind(names),
            )
            .await?;
        if rows.is_empty() {
            return Ok(BTreeMap::new());
        }
        let data_key = self.data_key(org).await?;
        let mut secrets = BTreeMap::new();
        for row in rows {
            let name: String = row.get("name")?;
            if secrets.contains_key(&name) {
                continue;
            }
            let scope = EntryScope {
                owner: Owner { org, project },
                artifact: artifact_in(row.get("artifact_id")?),
            };
            let purpose = purpose_in(&row, scope, &name)?;
            let value = data_key.open(row.get("sealed")?, &purpose)?;
            let secret = SecretEntry {
                value,
                hosts: hosts_in(&row)?,
                allow_expose: row.get("allow_expose")?,
            };
            secrets.insert(name, secret);
        }
        Ok(secrets)
    }

    pub(crate) async fn data_key(&self, org: OrgId) -> Result<DataKey, StoreError> {
        let wrapped: Option<Vec<u8>> = self
            .readers
            .optional_scalar(sql::query(statements::DATA_KEY).bind(org))
            .await?;
        self.vault
            .data_key(org, &wrapped.ok_or(VaultError::Unopenable)?)
    }
}

/// The bytes that are authenticated with a secret: its owner, its name, the hosts it may go to, and whether tools may see
/// it. Somebody who can write the database cannot send it elsewhere.
pub(crate) fn purpose(scope: EntryScope, name: &str, hosts: &str, allow_expose: bool) -> Vec<u8> {
    let mut purpose = ids(scope);
    for text in [name, hosts] {
        purpose.extend((text.len() as u64).to_le_bytes());
        purpose.extend_from_slice(text.as_bytes());
    }
    purpose.push(u8::from(allow_expose));
    purpose
}

fn ids(scope: EntryScope) -> Vec<u8> {
    let Owner { org, project } = scope.owner;
    let artifact = column(scope.artifact);
    let ids = [org.as_bytes(), project.as_bytes(), artifact.as_bytes()];
    ids.into_iter().flatten().copied().collect()
}

/// The [`purpose`] of a row.
pub(crate) fn purpose_in(row: &Row, scope: EntryScope, name: &str) -> Result<Vec<u8>, SqlError> {
    let allow_expose = row.get("allow_expose")?;
    Ok(purpose(scope, name, row.get("hosts")?, allow_expose))
}

fn column(artifact: Option<ArtifactId>) -> ArtifactId {
    artifact.unwrap_or_else(ArtifactId::none)
}

pub(crate) fn artifact_in(column: ArtifactId) -> Option<ArtifactId> {
    (column != ArtifactId::none()).then_some(column)
}

/// Secrets are ASCII; of anything else nothing is shown.
fn last4(value: &SecretString) -> String {
    let value = value.expose_secret();
    let start = value.len().saturating_sub(4);
    value.get(start..).unwrap_or("").to_owned()
}

fn hosts_in(row: &Row) -> Result<Vec<String>, SqlError> {
    let hosts = row.get("hosts")?;
    serde_json::from_str(hosts).map_err(SqlError::unreadable)
}

fn entry(row: &Row) -> Result<Entry, SqlError> {
    Ok(Entry {
        name: row.get("name")?,
        artifact: artifact_in(row.get("artifact_id")?),
        hosts: hosts_in(row)?,
        allow_expose: row.get("allow_expose")?,
        last4: row.get("last4")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
