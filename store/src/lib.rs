//! Durable state: who may call, what is published, what ran. Embedded SQLite, with the bytes of tools beside it.
//!
//! [`Store::open`] takes a folder for itself. Reads go to a pool of connections; every write goes through one
//! writer, which commits what is queued in one transaction and answers once that is on the disk: what was
//! acknowledged is not lost.

mod action;
mod allowance;
mod artifact;
mod audit;
mod backup;
mod breaker;
mod budget;
mod cap;
mod caps;
mod cover;
mod credit;
mod database;
mod day;
mod draft;
mod environment;
mod error;
mod files;
mod folder;
mod id;
mod idempotency;
mod kept;
mod key;
mod ledger;
mod ledger_entry;
mod life;
mod log;
mod number;
mod page;
mod payment;
mod posting;
mod quota;
mod readers;
mod release;
mod remembered;
mod rotation;
mod run;
mod run_life;
mod run_status;
mod run_usage;
mod scope;
mod secret;
mod session;
mod settlement;
mod sql;
mod subscription;
mod suspension;
mod tenancy;
mod terms;
#[cfg(test)]
mod tests;
mod time;
mod token;
mod upload;
mod uploaded_spans;
mod usage;
mod vault;
mod wallet;
mod words;
mod writer;

pub use action::{Action, Actor};
pub use artifact::{Artifact, DescribedArtifact, Upload};
pub use audit::Audit;
pub use backup::{BackedUp, BackupError, BackupStep};
pub use budget::{Budget, Payer, Period};
pub use caps::Caps;
pub use credit::{Credit, Credited};
pub use database::{OpenError, Settings, Store};
pub use day::{Day, InvalidDay};
pub use draft::{Draft, Drafted, NewDraft, VerdictRecord, VerdictStatus};
pub use environment::{Entry, EntryScope, NewEntry, SecretEntry};
pub use error::StoreError;
pub use files::Digest;
pub use folder::FolderError;
pub use id::{
    ActionId, ArtifactId, BudgetId, EntryId, Id, InvalidId, KeyId, Kind as IdKind, OrgId,
    ProjectId, ReleaseId, RunId, SessionId, SubscriptionId,
};
pub use idempotency::{KeptAnswer, KeptBody, Slot};
pub use kept::KeptBytes;
pub use key::{Key, KeyMade, KnownKey, NewKey};
pub use ledger_entry::LedgerEntry;
pub use life::Retention;
pub use page::Page;
pub use quota::{OverQuota, Quota};
pub use release::{Published, Release, ShownRelease, Widens};
pub use rotation::{RotateError, Rotated};
pub use run::{Claimed, Finish, FoundRun, NewRun, RunFilter, RunRecord};
pub use run_life::FIRST_ATTEMPT;
pub use run_status::{FinishStatus, RunStatus, UnknownStatus};
pub use run_usage::RunUsage;
pub use scope::{Scope, Scopes};
pub use secret::KeyText;
pub use session::{KnownSession, NewSession, Session, SessionMade};
pub use settlement::{NotSettled, Settled, Settlement};
pub use sql::{MigrateError, SqlError};
pub use subscription::{NewSubscription, Subscription};
pub use suspension::Suspendable;
pub use tenancy::NewOrg;
pub use terms::{CredentialTerms, Terms};
pub use time::{InvalidTime, Time};
pub use token::TokenRefused;
pub use upload::Kept;
pub use usage::{Usage, Used};
pub use vault::VaultError;
pub use wallet::{Hold, NotHeld, Wallet};
