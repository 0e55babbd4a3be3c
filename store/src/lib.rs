//! Durable state: who may call, what is published, what ran. Embedded SQLite, with the bytes of tools beside it.
//!
//! [`Store::open`] takes a folder for itself. Reads go to a pool of connections; every write goes through one
//! writer, which commits what is queued in one transaction and answers once that is on the disk: what was
//! acknowledged is not lost.

mod catalogue;
mod connections;
mod database;
mod day;
mod digest;
mod error;
mod folder;
mod id;
mod money;
mod number;
mod owner;
mod page;
mod remembered;
mod runs;
mod sql;
mod tenancy;
#[cfg(test)]
mod tests;
mod time;
mod upkeep;

pub use catalogue::artifact::{Artifact, DescribedArtifact, Upload};
pub use catalogue::draft::{Draft, Drafted, NewDraft, VerdictRecord, VerdictStatus};
pub use catalogue::quota::{OverQuota, Quota};
pub use catalogue::release::{Published, Release, ShownRelease, Widens};
pub use catalogue::terms::{CredentialTerms, Terms};
pub use catalogue::upload::Kept;
pub use database::{OpenError, Settings, Store};
pub use day::{Day, InvalidDay};
pub use digest::Digest;
pub use error::{StoreError, VaultError};
pub use folder::FolderError;
pub use id::{
    ActionId, ArtifactId, BudgetId, EntryId, Id, IdKind, InvalidId, KeyId, OrgId, ProjectId,
    ReleaseId, RunId, SessionId, SubscriptionId,
};
pub use money::budget::{Budget, Payer, Period};
pub use money::credit::{Credit, Credited};
pub use money::ledger_entry::LedgerEntry;
pub use money::subscription::{NewSubscription, Subscription};
pub use money::wallet::{Hold, NotHeld, Wallet};
pub use owner::Owner;
pub use page::Page;
pub use runs::failure::RecordedFailure;
pub use runs::idempotency::{KeptAnswer, KeptBody, Slot};
pub use runs::kept::KeptBytes;
pub use runs::life::FIRST_ATTEMPT;
pub use runs::run::{Claimed, Finish, FoundRun, NewRun, RunFilter, RunRecord};
pub use runs::run_usage::RunUsage;
pub use runs::settlement::{NotSettled, Settled, Settlement};
pub use runs::status::{FinishStatus, RunStatus, UnknownStatus};
pub use runs::usage::{Usage, Used};
pub use sql::{MigrateError, SqlError};
pub use tenancy::action::{Action, Actor};
pub use tenancy::caps::Caps;
pub use tenancy::environment::{Entry, EntryScope, NewEntry, SecretEntry};
pub use tenancy::key::{Key, KeyMade, KnownKey, NewKey};
pub use tenancy::orgs::NewOrg;
pub use tenancy::scope::{Scope, Scopes};
pub use tenancy::secret::KeyText;
pub use tenancy::session::{KnownSession, NewSession, Session, SessionMade};
pub use tenancy::suspension::Suspendable;
pub use tenancy::token::TokenRefused;
pub use time::{InvalidTime, Time};
pub use upkeep::audit::Audit;
pub use upkeep::backup::{BackedUp, BackupError, BackupStep};
pub use upkeep::retention::Retention;
pub use upkeep::rotation::{RotateError, Rotated};
