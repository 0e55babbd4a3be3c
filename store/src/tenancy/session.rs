//! Sessions: what a key lets somebody else do for a while, with a token of its own. What they did is [counted](crate::tenancy::allowance)
//! in memory and added up from the records when it is asked about first.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId, ProjectId, SessionId};
use crate::number::signed;
use crate::owner::Owner;
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::allowance::Allowance;
use crate::tenancy::caps::Rows;
use crate::tenancy::key::KnownKey;
use crate::tenancy::scope::Scopes;
use crate::tenancy::token::TokenRefused;
use crate::time::Time;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A session as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// The artifacts it may run.
    pub artifacts: Vec<ArtifactId>,
    /// Tokens that it may spend.
    pub cap: u64,
    /// Tokens that were charged or are held.
    pub spent: u64,
    /// Runs that it may start.
    pub runs_max: u64,
    /// Runs that were started and not taken back.
    pub runs_used: u64,
    /// When it ends.
    pub expires_at: Time,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
}

/// A session to be made.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The key whose runs its runs are.
    pub key: KeyId,
    /// The text of the key that makes it: the session ends with it.
    pub key_sha256: [u8; 32],
    /// The artifacts it may run.
    pub artifacts: Vec<ArtifactId>,
    /// Tokens that it may spend.
    pub cap: u64,
    /// Runs that it may start.
    pub runs_max: u64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A session with its token, which is not kept.
#[derive(Debug, Clone)]
pub struct SessionMade {
    /// The session.
    pub session: Session,
    /// Its token, to be shown once.
    pub token: String,
}

/// The session that a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// Its identifier.
    pub id: SessionId,
    /// The key that made it, without that key's scopes.
    pub key: KnownKey,
    /// The artifacts it may run.
    pub artifacts: Vec<ArtifactId>,
}

/// How long a token is good.
#[derive(Debug, Clone)]
pub(crate) struct SessionUse {
    session: KnownSession,
    expires_at: Time,
    /// When the text of the key that made it is replaced by its successor.
    key_expires_at: Option<Time>,
}

impl Store {
    /// Makes a session.
    pub async fn create_session(
        &self,
        owner: Owner,
        new: NewSession,
    ) -> Result<SessionMade, StoreError> {
        let created_at = Time::now();
        let session = Session {
            id: SessionId::new(),
            artifacts: new.artifacts,
            cap: new.cap,
            spent: 0,
            runs_max: new.runs_max,
            runs_used: 0,
            expires_at: created_at.after(new.lasts),
            revoked_at: None,
        };
        let token = self
            .tokens
            .issue(session.id, created_at, session.expires_at)?;
        let (id, row, wallets) = (session.id, session.clone(), Arc::clone(&self.wallets));
        let key = (new.key, new.key_sha256);
        let turn = self.room_for(owner.org, [Rows::Sessions]).await?;
        let allowance = Allowance::new(session.cap, session.runs_max, session.expires_at);
        self.writer
            .write_then(
                move |transaction| insert(transaction, owner, key, &row, created_at),
                move |()| {
                    wallets.set_allowance(id, allowance);
                    drop(turn);
                },
            )
            .await?;
        Ok(SessionMade { session, token })
    }

    /// The session that a token belongs to, if neither it nor its key has ended.
    pub async fn known_session(
        &self,
        token: &str,
    ) -> Result<Result<KnownSession, TokenRefused>, StoreError> {
        let id = match self.tokens.read(token) {
            Ok(id) => id,
            Err(refused) => return Ok(Err(refused)),
        };
        let read = || self.session_use(id);
        Ok(match self.remembered.sessions.get(id, read).await? {
            None => Err(TokenRefused::Invalid),
            Some(known) if known.key_expires_at.is_some_and(|it| it <= Time::now()) => {
                Err(TokenRefused::Invalid)
            }
            Some(known) if known.expires_at <= Time::now() => Err(TokenRefused::Expired),
            Some(known) => Ok(known.session),
        })
    }

    async fn session_use(&self, id: SessionId) -> Result<Option<SessionUse>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::KNOWN_SESSION)
                    .bind(id)
                    .bind(Time::now()),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key = KnownKey {
            owner: Owner::of(&row)?,
            key: row.get("key_id")?,
            scopes: Scopes::default(),
            text_sha256: row.get("key_hash")?,
            is_suspended: row.get("is_suspended")?,
        };
        let session = KnownSession {
            id,
            key,
            artifacts: artifacts_in(&row)?,
        };
        Ok(Some(SessionUse {
            session,
            expires_at: row.get("expires_at")?,
            key_expires_at: row.get("key_expires_at")?,
        }))
    }

    /// A project's session.
    pub async fn session(
        &self,
        Owner { org, project }: Owner,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::SESSION)
                    .bind(org)
                    .bind(project)
                    .bind(id),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let allowance = match self.wallets.allowance(id) {
            Some(allowance) => allowance,
            // A session may have many runs. The readers for lists do this, so that admission does not wait.
            None => {
                let session = row.clone();
                let count = move |connection: &mut Connection| counted(connection, &session);
                self.list_readers.read(org, count).await?
            }
        };
        Ok(Some(Session {
            id,
            artifacts: artifacts_in(&row)?,
            cap: allowance.cap,
            spent: allowance.tokens_used(),
            runs_max: allowance.runs_max,
            runs_used: allowance.runs_used(),
            expires_at: allowance.expires_at,
            revoked_at: row.get("revoked_at")?,
        }))
    }

    /// Takes a session back, at once: its token is good for nothing any more. What it queued is run. `false` where there
    /// is no such session.
    pub async fn revoke_session(
        &self,
        Owner { org, project }: Owner,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        let revoked = self.writer.write_then(
            move |transaction| {
                let revoked = sql::query(statements::REVOKE_SESSION)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(Time::now())
                    .execute(transaction)?;
                Ok(revoked == 1)
            },
            move |_| remembered.sessions.forget(&id),
        );
        revoked.await
    }
}

fn insert(
    connection: &mut Connection,
    Owner { org, project }: Owner,
    (key, key_sha256): (KeyId, [u8; 32]),
    session: &Session,
    created_at: Time,
) -> Result<(), StoreError> {
    let artifacts = session.artifacts.iter().map(ArtifactId::to_string);
    sql::query(statements::INSERT_SESSION)
        .bind(org)
        .bind(project)
        .bind(session.id)
        .bind(key)
        .bind(Value::from_iter(artifacts).to_string())
        .bind(signed(session.cap))
        .bind(signed(session.runs_max))
        .bind(created_at)
        .bind(session.expires_at)
        .bind(key_sha256)
        .execute(connection)?;
    Ok(())
}

/// A session's limits and its use of them. `None` if there is no such session.
pub(crate) fn allowance(
    connection: &mut Connection,
    Owner { org, project }: Owner,
    id: SessionId,
) -> Result<Option<Allowance>, StoreError> {
    let row = sql::query(statements::SESSION)
        .bind(org)
        .bind(project)
        .bind(id)
        .optional(connection)?;
    Ok(match row {
        Some(row) => Some(counted(connection, &row)?),
        None => None,
    })
}

/// A session's use of its limits, from the records of its runs.
fn counted(connection: &mut Connection, row: &Row) -> Result<Allowance, SqlError> {
    let unsigned = |row: &Row, column: &str| -> Result<u64, SqlError> {
        Ok(row.get::<i64>(column)?.cast_unsigned())
    };
    let runs = sql::query(statements::USED_OF_SESSION)
        .bind(row.get::<OrgId>("org_id")?)
        .bind(row.get::<ProjectId>("project_id")?)
        .bind(row.get::<SessionId>("session_id")?)
        .one(connection)?;
    Ok(Allowance {
        cap: unsigned(row, "cap")?,
        spent: unsigned(&runs, "charged")?,
        held: unsigned(&runs, "held")?,
        runs_max: unsigned(row, "runs_max")?,
        runs_ended: unsigned(&runs, "started")?,
        runs_held: unsigned(&runs, "queued")?,
        expires_at: row.get("expires_at")?,
    })
}

fn artifacts_in(row: &Row) -> Result<Vec<ArtifactId>, SqlError> {
    let ids: Value = row.json("artifacts")?;
    let ids = ids.as_array().into_iter().flatten();
    let parsed = ids.map(|id| id.as_str().unwrap_or_default().parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(SqlError::unreadable)
}
