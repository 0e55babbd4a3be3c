//! Suspensions by the operator. One counts from the next request on, and for runs that are still queued.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId};
use crate::sql::statements;
use crate::sql::{self, Statement};
use crate::tenancy::action::{Actor, note};
use crate::time::Time;
use serde_json::json;
use std::fmt;
use std::sync::Arc;

/// A thing that can be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspendable {
    /// One artifact: nobody runs it.
    Artifact(ArtifactId),
    /// An org: none of its keys may do anything, and nobody runs its artifacts.
    Org(OrgId),
    /// One key.
    Key(KeyId),
}

impl Suspendable {
    fn id(self) -> Vec<u8> {
        match self {
            Suspendable::Artifact(id) => id.as_bytes().to_vec(),
            Suspendable::Org(id) => id.as_bytes().to_vec(),
            Suspendable::Key(id) => id.as_bytes().to_vec(),
        }
    }

    fn action(self, is_suspended: bool) -> &'static str {
        match (self, is_suspended) {
            (Suspendable::Artifact(_), true) => "artifact.suspended",
            (Suspendable::Artifact(_), false) => "artifact.resumed",
            (Suspendable::Org(_), true) => "org.suspended",
            (Suspendable::Org(_), false) => "org.resumed",
            (Suspendable::Key(_), true) => "key.suspended",
            (Suspendable::Key(_), false) => "key.resumed",
        }
    }

    fn is_there(self) -> Statement {
        match self {
            Suspendable::Artifact(_) => statements::HAS_ARTIFACT,
            Suspendable::Org(_) => statements::HAS_ORG,
            Suspendable::Key(_) => statements::HAS_KEY,
        }
    }
}

impl fmt::Display for Suspendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suspendable::Artifact(id) => id.fmt(f),
            Suspendable::Org(id) => id.fmt(f),
            Suspendable::Key(id) => id.fmt(f),
        }
    }
}

impl Store {
    /// Stops something, or lets it go on. `false` where it is not there.
    pub async fn set_suspended(
        &self,
        actor: Actor,
        target: Suspendable,
        is_suspended: bool,
    ) -> Result<bool, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        let set = self.writer.write_then(
            move |transaction| {
                let is_there: bool = sql::query(target.is_there())
                    .bind(target.id())
                    .scalar(transaction)?;
                if !is_there {
                    return Ok(false);
                }
                let set = match is_suspended {
                    true => {
                        let suspend = sql::query(statements::SUSPEND).bind(target.id());
                        suspend.bind(Time::now()).execute(transaction)?
                    }
                    false => {
                        let resume = sql::query(statements::RESUME).bind(target.id());
                        resume.execute(transaction)?
                    }
                };
                // A suspension that was there already is not noted again.
                if set == 1 {
                    let what = target.action(is_suspended);
                    note(transaction, actor, what, target, json!({}))?;
                }
                Ok(true)
            },
            move |_| remembered.forget_suspended(target),
        );
        set.await
    }

    /// True for the org that the server was started with.
    pub fn is_platform(&self, org: OrgId) -> bool {
        self.wallets.platform() == Some(org)
    }
}
