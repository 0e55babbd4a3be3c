//! Keys: who calls, and what they may do. Only a hash of their text is kept.

use crate::Store;
use crate::error::StoreError;
use crate::id::{KeyId, OrgId, ProjectId};
use crate::number::unsigned;
use crate::owner::Owner;
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::action::{Actor, note};
use crate::tenancy::caps::Rows;
use crate::tenancy::scope::{Scope, Scopes};
use crate::tenancy::secret::KeyText;
use crate::time::{DAY, Time};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// A key as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its identifier, which stays when its text is rotated.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// The rights of the key.
    pub scopes: Scopes,
    /// How its text begins.
    pub prefix: String,
    /// How its text ends.
    pub last4: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// The rights of the key.
    pub scopes: Scopes,
}

/// A key with its text, which is not kept.
#[derive(Debug, Clone)]
pub struct KeyMade {
    /// The key.
    pub key: Key,
    /// Its text, to be shown once.
    pub text: KeyText,
}

/// The key that a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    /// The org and the project.
    pub owner: Owner,
    /// The key.
    pub key: KeyId,
    /// The rights of the key.
    pub scopes: Scopes,
    /// The SHA-256 of the text that was sent, or of the text that made the session.
    pub text_sha256: [u8; 32],
    /// True if the operator has suspended it, or its org.
    pub is_suspended: bool,
}

/// How long a key's text is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyUse {
    key: KnownKey,
    /// When its successor replaces it.
    expires_at: Option<Time>,
}

impl Store {
    /// The key that a text belongs to, if that is neither revoked nor replaced.
    pub async fn known_key(&self, text: &KeyText) -> Result<Option<KnownKey>, StoreError> {
        let hash = text.hash();
        let read = || self.key_use(hash);
        let known = self.remembered.keys.get(hash, read).await?;
        let now = Time::now();
        let good = known.filter(|known| known.expires_at.is_none_or(|it| it > now));
        Ok(good.map(|known| known.key))
    }

    async fn key_use(&self, hash: [u8; 32]) -> Result<Option<KeyUse>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::KNOWN_KEY)
                    .bind(hash)
                    .bind(Time::now()),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let kept: &[u8] = row.get("hash")?;
        if !bool::from(kept.ct_eq(&hash)) {
            return Ok(None);
        }
        let key = KnownKey {
            owner: Owner::of(&row)?,
            key: row.get("key_id")?,
            scopes: Scopes::read(row.get("scopes")?),
            text_sha256: hash,
            is_suspended: row.get("is_suspended")?,
        };
        Ok(Some(KeyUse {
            key,
            expires_at: row.get("expires_at")?,
        }))
    }

    /// Makes a key of the actor's project.
    pub async fn create_key(&self, actor: Actor, new: NewKey) -> Result<KeyMade, StoreError> {
        let Owner { org, project } = actor.owner;
        let turn = self.room_for(org, [Rows::Keys]).await?;
        let making = self.writer.write_then(
            move |transaction| {
                let place = (org, project, KeyId::new());
                let made = insert_key(transaction, place, &new, KeyText::new())?;
                let (id, scopes) = (made.key.id, made.key.scopes.iter());
                let scopes: Vec<_> = scopes.map(Scope::name).collect();
                let detail = json!({"name": made.key.name, "scopes": scopes});
                note(transaction, actor, "key.created", id, detail)?;
                Ok(made)
            },
            move |_| drop(turn),
        );
        making.await
    }

    /// A project's keys, newest first.
    pub async fn keys(
        &self,
        Owner { org, project }: Owner,
        before: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<Key, KeyId>, StoreError> {
        let rows = self
            .readers
            .all(
                sql::query(statements::KEYS)
                    .bind(org)
                    .bind(project)
                    .bind(before.unwrap_or_else(KeyId::last))
                    .bind(one_more(limit)),
            )
            .await?;
        let keys = rows.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Page::cut(keys, limit, |key: &Key| key.id))
    }

    /// The rights of a key.
    pub async fn key_scopes(
        &self,
        Owner { org, project }: Owner,
        id: KeyId,
    ) -> Result<Option<Scopes>, StoreError> {
        let row = self
            .readers
            .optional(sql::query(statements::KEY).bind(org).bind(project).bind(id))
            .await?;
        Ok(row.as_ref().map(key).transpose()?.map(|key| key.scopes))
    }

    /// Gives a key of the actor's project a new text. The old one is good for `overlap` longer. `None` where there is no such key, or it is
    /// revoked.
    pub async fn rotate_key(
        &self,
        actor: Actor,
        id: KeyId,
        overlap: Duration,
    ) -> Result<Option<KeyMade>, StoreError> {
        let Owner { org, project } = actor.owner;
        let remembered = Arc::clone(&self.remembered);
        let rotated = self.writer.write_then(
            move |transaction| {
                let now = Time::now();
                check_rotations(transaction, (org, project, id), now)?;
                let expiring = sql::query(statements::EXPIRE_KEY_TEXTS)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(now.after(overlap))
                    .execute(transaction)?;
                if expiring == 0 {
                    return Ok(None);
                }
                let replaced = hashes(transaction, (org, project, id))?;
                let text = KeyText::new();
                insert_text(transaction, (org, project, id), &text)?;
                let detail = json!({"overlap_s": overlap.as_secs()});
                note(transaction, actor, "key.rotated", id, detail)?;
                let row = sql::query(statements::KEY)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .one(transaction)?;
                let made = KeyMade {
                    key: key(&row)?,
                    text,
                };
                Ok(Some((made, replaced)))
            },
            move |rotated: &Option<(_, Vec<[u8; 32]>)>| {
                let replaced = rotated.iter().flat_map(|(_, replaced)| replaced);
                replaced.for_each(|hash| remembered.keys.forget(hash));
                if rotated.is_some() {
                    // Those that the replaced texts made end with them.
                    remembered.sessions.forget_all();
                }
            },
        );
        Ok(rotated.await?.map(|(made, _)| made))
    }

    /// Takes a key of the actor's project back, at once. `false` where there is no such key.
    pub async fn revoke_key(&self, actor: Actor, id: KeyId) -> Result<bool, StoreError> {
        let Owner { org, project } = actor.owner;
        let remembered = Arc::clone(&self.remembered);
        let revoked = self.writer.write_then(
            move |transaction| {
                let revoked = sql::query(statements::REVOKE_KEY)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(Time::now())
                    .execute(transaction)?;
                sql::query(statements::END_SESSIONS_OF_KEY)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(Time::now())
                    .execute(transaction)?;
                let texts = hashes(transaction, (org, project, id))?;
                if revoked == 1 {
                    note(transaction, actor, "key.revoked", id, json!({}))?;
                }
                // One that was taken back before stays so, and has its texts.
                Ok((revoked == 1, texts))
            },
            move |(is_new, texts): &(bool, Vec<[u8; 32]>)| {
                texts.iter().for_each(|hash| remembered.keys.forget(hash));
                if *is_new {
                    // Those that it made end with it.
                    remembered.sessions.forget_all();
                }
            },
        );
        Ok(!revoked.await?.1.is_empty())
    }
}

/// Nobody rotates a key as often on purpose.
const ROTATIONS_A_DAY_MAX: u64 = 100;

/// The ids that lead to a key.
type KeyPlace = (OrgId, ProjectId, KeyId);

pub(crate) fn insert_key(
    transaction: &mut Connection,
    place: KeyPlace,
    new: &NewKey,
    text: KeyText,
) -> Result<KeyMade, StoreError> {
    let (org, project, id) = place;
    let created_at = Time::now();
    sql::query(statements::INSERT_KEY)
        .bind(org)
        .bind(project)
        .bind(id)
        .bind(&new.name)
        .bind(new.scopes.text())
        .bind(created_at)
        .execute(transaction)?;
    insert_text(transaction, place, &text)?;
    let key = Key {
        id,
        name: new.name.clone(),
        scopes: new.scopes,
        prefix: text.prefix().to_owned(),
        last4: text.last4().to_owned(),
        created_at,
        revoked_at: None,
    };
    Ok(KeyMade { key, text })
}

/// The hashes of all texts that a key has had.
fn hashes(
    transaction: &mut Connection,
    (org, project, id): KeyPlace,
) -> Result<Vec<[u8; 32]>, StoreError> {
    let query = sql::query(statements::KEY_HASHES);
    let query = query.bind(org).bind(project).bind(id);
    Ok(query.scalars(transaction)?)
}

/// Each rotation leaves a text that is known for a day at least.
fn check_rotations(
    transaction: &mut Connection,
    (org, project, id): KeyPlace,
    now: Time,
) -> Result<(), StoreError> {
    let recent: i64 = sql::query(statements::RECENT_KEY_TEXTS)
        .bind(org)
        .bind(project)
        .bind(id)
        .bind(now.before(DAY))
        .scalar(transaction)?;
    match unsigned(recent) < ROTATIONS_A_DAY_MAX {
        true => Ok(()),
        false => Err(StoreError::Full {
            what: "texts of one key in a day",
            limit: ROTATIONS_A_DAY_MAX,
        }),
    }
}

fn insert_text(
    transaction: &mut Connection,
    (org, project, id): KeyPlace,
    text: &KeyText,
) -> Result<(), StoreError> {
    sql::query(statements::INSERT_KEY_TEXT)
        .bind(org)
        .bind(project)
        .bind(id)
        .bind(text.hash())
        .bind(text.prefix())
        .bind(text.last4())
        .bind(Time::now())
        .execute(transaction)?;
    Ok(())
}

fn key(row: &Row) -> Result<Key, SqlError> {
    Ok(Key {
        id: row.get("key_id")?,
        name: row.get("name")?,
        scopes: Scopes::read(row.get("scopes")?),
        prefix: row.get("prefix")?,
        last4: row.get("last4")?,
        created_at: row.get("created_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
