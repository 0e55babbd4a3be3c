//! Orgs and their projects.

use crate::Store;
use crate::error::StoreError;
use crate::id::{KeyId, OrgId, ProjectId};
use crate::owner::Owner;
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::tenancy::action::{Actor, note};
use crate::tenancy::caps::Rows;
use crate::tenancy::key::{KeyMade, NewKey, insert_key};
use crate::tenancy::scope::{Scope, Scopes};
use crate::tenancy::secret::KeyText;
use crate::time::Time;
use serde_json::json;

/// A new org: its first project and that project's key.
#[derive(Debug, Clone)]
pub struct NewOrg {
    /// The org and its first project.
    pub owner: Owner,
    /// The project's key.
    pub key: KeyMade,
}

impl Store {
    /// On the first start: an org, a project and an operator's key, which is `chosen` or a fresh one.
    pub async fn first_start(
        &self,
        chosen: Option<KeyText>,
    ) -> Result<Option<KeyText>, StoreError> {
        let has_orgs: bool = self
            .readers
            .scalar(sql::query(statements::HAS_ORGS))
            .await?;
        if has_orgs {
            let first = self
                .readers
                .scalar(sql::query(statements::FIRST_ORG))
                .await?;
            self.wallets.set_platform(first);
            return Ok(None);
        }
        let text = chosen.unwrap_or_default();
        let scopes = Scopes::of([Scope::Operator, Scope::Manage]);
        let made = self
            .make_org(None, "operator".to_owned(), scopes, text)
            .await?;
        self.wallets.set_platform(made.owner.org);
        Ok(Some(made.key.text))
    }

    /// Makes an org with a project and a key that manages it.
    pub async fn create_org(&self, actor: Actor, name: String) -> Result<NewOrg, StoreError> {
        let scopes = Scopes::of([Scope::Manage]);
        self.make_org(Some(actor), name, scopes, KeyText::new())
            .await
    }

    async fn make_org(
        &self,
        actor: Option<Actor>,
        name: String,
        scopes: Scopes,
        text: KeyText,
    ) -> Result<NewOrg, StoreError> {
        let owner = Owner {
            org: OrgId::new(),
            project: ProjectId::new(),
        };
        let Owner { org, project } = owner;
        let data_key = self.vault.new_data_key(org);
        self.writer
            .write(move |transaction| {
                insert_org(transaction, org, &name, &data_key)?;
                let key = insert_project(transaction, owner, "default", scopes, text.clone())?;
                if let Some(actor) = actor {
                    let made = json!({"name": name, "project_id": project, "key_id": key.key.id});
                    note(transaction, actor, "org.created", org, made)?;
                }
                Ok(NewOrg { owner, key })
            })
            .await
    }

    /// Makes a project of the actor's org, with a key that manages it.
    pub async fn create_project(
        &self,
        actor: Actor,
        name: String,
    ) -> Result<(ProjectId, KeyMade), StoreError> {
        let project = ProjectId::new();
        let kinds = [Rows::Projects, Rows::Keys];
        let turn = self.room_for(actor.owner.org, kinds).await?;
        let making = self.writer.write_then(
            move |transaction| {
                let scopes = Scopes::of([Scope::Manage]);
                let owner = Owner {
                    project,
                    ..actor.owner
                };
                let key = insert_project(transaction, owner, &name, scopes, KeyText::new())?;
                let made = json!({"name": name, "key_id": key.key.id});
                note(transaction, actor, "project.created", project, made)?;
                Ok((project, key))
            },
            move |_| drop(turn),
        );
        making.await
    }
}

pub(crate) fn insert_org(
    transaction: &mut Connection,
    org: OrgId,
    name: &str,
    data_key: &[u8],
) -> Result<(), StoreError> {
    sql::query(statements::INSERT_ORG)
        .bind(org)
        .bind(name)
        .bind(data_key)
        .bind(Time::now())
        .execute(transaction)?;
    Ok(())
}

pub(crate) fn insert_project(
    transaction: &mut Connection,
    Owner { org, project }: Owner,
    name: &str,
    scopes: Scopes,
    text: KeyText,
) -> Result<KeyMade, StoreError> {
    sql::query(statements::INSERT_PROJECT)
        .bind(org)
        .bind(project)
        .bind(name)
        .bind(Time::now())
        .execute(transaction)?;
    let first = NewKey {
        name: name.to_owned(),
        scopes,
    };
    insert_key(transaction, (org, project, KeyId::new()), &first, text)
}
