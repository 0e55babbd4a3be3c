//! Orgs' tokens and holds on them, in memory: the folder's lock proves that no other process spends them. Posted tokens
//! follow the database right after each commit. Tokens are held before they are posted away.

use crate::Store;
use crate::error::StoreError;
use crate::id::{OrgId, ProjectId, SessionId};
use crate::money::budget::{Budget, Budgets, Payer};
use crate::owner::Owner;
use crate::sql::{Row, SqlError};
use crate::tenancy::allowance::{Allowance, Allowances};
use crate::time::Time;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// An org's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wallet {
    /// Tokens that the org has.
    pub posted: u64,
    /// Tokens that are held for runs and subscriptions that may yet cost it.
    pub held: u64,
}

impl Wallet {
    /// Tokens that it may still spend.
    pub fn available(&self) -> u64 {
        self.posted.saturating_sub(self.held)
    }
}

/// Tokens of an org that nothing else may be paid with until this is dropped.
#[derive(Debug)]
pub struct Hold {
    wallets: Arc<Wallets>,
    held: KeptHold,
    /// It is given back already, or a row of the database has it.
    is_over: bool,
}

/// A hold, with the time at which its run or subscription was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptHold {
    pub(crate) payer: Payer,
    pub(crate) tokens: u64,
    pub(crate) at: Time,
}

/// Why nothing is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHeld {
    /// The session has no more runs, or its cap would be passed.
    Session,
    /// A cap would be passed. When that starts again.
    Budget(Time),
    /// The org has too little.
    Balance(Wallet),
}

impl Hold {
    /// Once what it was held for is committed: wallets change by `changes`, what was `charged` is spent, and what is
    /// held is given back, in one step. Else a charge would count twice meanwhile, or could be spent again. Nothing is
    /// charged for a run that did not start; one that did is one of its session's, whatever became of it.
    pub(crate) fn settle(
        mut self,
        changes: impl Iterator<Item = (OrgId, i64)>,
        charged: Option<u64>,
    ) {
        let mut all = self.wallets.lock();
        all.post(changes);
        let spent = charged.unwrap_or(0);
        all.budgets.spend(&self.held.payer, spent, self.held.at);
        all.release(&self.held, charged);
        drop(all);
        self.is_over = true;
    }

    /// Leaves the tokens held: a row of the database has the hold now.
    pub fn keep(mut self) {
        self.is_over = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_over {
            self.wallets.release(&self.held);
        }
    }
}

/// All orgs' wallets, all projects' budgets, and what sessions may do: what is held is held of all at once.
#[derive(Debug, Default)]
pub(crate) struct Wallets {
    all: Mutex<Accounts>,
    /// The org that gets the fees: the one that the server was started with.
    platform: OnceLock<OrgId>,
}

#[derive(Debug, Default)]
struct Accounts {
    wallets: HashMap<OrgId, Wallet>,
    budgets: Budgets,
    allowances: Allowances,
}

impl Wallets {
    /// With what the database has: what is posted, and what is held by queued runs. Budgets and sessions are
    /// [learned](Self::learn) when they are asked about first: there may be a million of them.
    pub(crate) fn new(posted: Vec<(OrgId, i64)>, held: Vec<(OrgId, i64)>) -> Self {
        let mut wallets: HashMap<OrgId, Wallet> = HashMap::new();
        for (org, tokens) in posted {
            wallets.entry(org).or_default().posted = tokens.cast_unsigned();
        }
        for (org, tokens) in held {
            wallets.entry(org).or_default().held = tokens.cast_unsigned();
        }
        Self {
            all: Mutex::new(Accounts {
                wallets,
                ..Accounts::default()
            }),
            platform: OnceLock::new(),
        }
    }

    pub(crate) fn set_platform(&self, org: OrgId) {
        // The first org stays the first.
        let _ = self.platform.set(org);
    }

    pub(crate) fn platform(&self) -> Option<OrgId> {
        self.platform.get().copied()
    }

    fn wallet(&self, org: OrgId) -> Wallet {
        self.lock().wallets.get(&org).copied().unwrap_or_default()
    }

    pub(crate) fn budgets(&self, project: ProjectId) -> Vec<Budget> {
        self.lock().budgets.of_project(project, Time::now())
    }

    pub(crate) fn set_budget(&self, project: ProjectId, budget: Budget) {
        let mut all = self.lock();
        // A new one counts what is held from now on: what was while its row was written is no part of it, nor is it
        // when it is given back.
        let created_at = Time::now();
        all.budgets.set(
            project,
            Budget {
                created_at,
                ..budget
            },
        );
    }

    pub(crate) fn remove_budget(&self, project: ProjectId, removed: &Budget) {
        self.lock().budgets.remove(project, removed);
    }

    /// Takes what the database has of a project's budgets and of a session. It is called right after the commit of the
    /// transaction that read it, so that no settlement comes between.
    pub(crate) fn learn(
        &self,
        budgets: Option<(ProjectId, &[Budget])>,
        session: Option<(SessionId, Allowance)>,
    ) {
        let mut all = self.lock();
        if let Some((project, budgets)) = budgets {
            all.budgets.learn(project, budgets);
        }
        if let Some((session, allowance)) = session {
            all.allowances.learn(session, allowance);
        }
    }

    pub(crate) fn knows(&self, payer: &Payer) -> bool {
        self.lock().knows(payer)
    }

    pub(crate) fn allowance(&self, session: SessionId) -> Option<Allowance> {
        self.lock().allowances.get(session)
    }

    pub(crate) fn set_allowance(&self, session: SessionId, allowance: Allowance) {
        self.lock().allowances.set(session, allowance);
    }

    /// Sessions that are past their time, with nothing under way.
    pub(crate) fn forget_expired_sessions(&self) {
        self.lock().allowances.forget_expired(Time::now());
    }

    /// Counts committed changes.
    pub(crate) fn post(&self, changes: impl IntoIterator<Item = (OrgId, i64)>) {
        self.lock().post(changes);
    }

    /// `None` if the payer's budgets and session are not known yet.
    pub(crate) fn hold(self: &Arc<Self>, held: KeptHold) -> Option<Result<Hold, NotHeld>> {
        let mut all = self.lock();
        if !all.knows(&held.payer) {
            return None;
        }
        Some(match all.hold(&held) {
            Ok(()) => {
                drop(all);
                Ok(self.held_already(held))
            }
            Err(not_held) => Err(not_held),
        })
    }

    pub(crate) fn held_already(self: &Arc<Self>, held: KeptHold) -> Hold {
        Hold {
            wallets: Arc::clone(self),
            held,
            is_over: false,
        }
    }

    /// Gives back what was held for something that did not start.
    pub(crate) fn release(&self, held: &KeptHold) {
        if held.tokens == 0 && held.payer.session.is_none() {
            return;
        }
        self.lock().release(held, None);
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    fn knows(&self, payer: &Payer) -> bool {
        let knows_session = payer.session.is_none_or(|it| self.allowances.knows(it));
        knows_session && self.budgets.knows(payer.owner.project)
    }

    fn hold(&mut self, held: &KeptHold) -> Result<(), NotHeld> {
        if let Some(session) = held.payer.session
            && !self.allowances.has_room(session, held.tokens)
        {
            return Err(NotHeld::Session);
        }
        // A free run passes no cap.
        if held.tokens > 0
            && let Some(resets_at) = self.budgets.refusal(&held.payer, held.tokens, Time::now())
        {
            return Err(NotHeld::Budget(resets_at));
        }
        let wallet = self.wallets.entry(held.payer.owner.org).or_default();
        if wallet.available() < held.tokens {
            return Err(NotHeld::Balance(*wallet));
        }
        wallet.held += held.tokens;
        self.budgets.hold(&held.payer, held.tokens, held.at);
        if let Some(session) = held.payer.session {
            self.allowances.hold(session, held.tokens);
        }
        Ok(())
    }

    fn release(&mut self, held: &KeptHold, charged: Option<u64>) {
        let wallet = self.wallets.entry(held.payer.owner.org).or_default();
        wallet.held = wallet.held.saturating_sub(held.tokens);
        self.budgets.release(&held.payer, held.tokens, held.at);
        if let Some(session) = held.payer.session {
            self.allowances.release(session, held.tokens, charged);
        }
    }

    fn post(&mut self, changes: impl IntoIterator<Item = (OrgId, i64)>) {
        for (org, tokens) in changes {
            let wallet = self.wallets.entry(org).or_default();
            wallet.posted = wallet.posted.saturating_add_signed(tokens);
        }
    }
}

/// The hold that a queued run's row had.
pub(crate) fn kept_hold(row: &Row) -> Result<KeptHold, SqlError> {
    let payer = Payer {
        owner: Owner::of(row)?,
        key: row.get("key_id")?,
        session: row.get("session_id")?,
    };
    Ok(KeptHold {
        payer,
        tokens: row.get::<i64>("price")?.cast_unsigned(),
        at: row.get("created_at")?,
    })
}

impl Store {
    /// An org's wallet now.
    pub fn wallet(&self, org: OrgId) -> Wallet {
        self.wallets.wallet(org)
    }

    /// Holds tokens of an org for what was asked for at a time, within the payer's budgets.
    pub async fn hold(
        &self,
        payer: Payer,
        tokens: u64,
        at: Time,
    ) -> Result<Result<Hold, NotHeld>, StoreError> {
        let held = KeptHold { payer, tokens, at };
        if let Some(decided) = self.wallets.hold(held) {
            return Ok(decided);
        }
        self.learn(&payer).await?;
        // A session that is not in the database has no room.
        Ok(self.wallets.hold(held).unwrap_or(Err(NotHeld::Session)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::KeyId;

    #[test]
    fn what_is_held_cannot_be_held_again_and_comes_back_when_dropped() {
        let (org, now) = (OrgId::new(), Time::now());
        let payer = |org| Payer {
            owner: Owner {
                org,
                project: ProjectId::new(),
            },
            key: KeyId::new(),
            session: None,
        };
        let held = |org, tokens| KeptHold {
            payer: payer(org),
            tokens,
            at: now,
        };
        let wallets = Arc::new(Wallets::new(vec![(org, 10)], vec![(org, 2)]));
        let hold = |held: KeptHold| {
            assert!(
                wallets.hold(held).is_none(),
                "its budgets are not known yet"
            );
            wallets.learn(Some((held.payer.owner.project, &[])), None);
            wallets.hold(held).expect("known")
        };
        let first = hold(held(org, 5)).expect("8 are available");
        match hold(held(org, 4)) {
            Err(NotHeld::Balance(wallet)) => {
                assert_eq!((wallet.held, wallet.available()), (7, 3));
            }
            other => panic!("3 are: {other:?}"),
        }
        let second = hold(held(org, 3)).expect("3 are");
        assert_eq!(wallets.wallet(org).available(), 0);
        drop(first);
        assert_eq!(wallets.wallet(org).available(), 5);
        second.keep();
        assert_eq!(wallets.wallet(org).held, 5);
        drop(wallets.held_already(held(org, 5)));
        wallets.post([(org, -4), (OrgId::new(), 4)]);
        assert_eq!(wallets.wallet(org), Wallet { posted: 6, held: 0 });
        assert!(hold(held(OrgId::new(), 1)).is_err(), "nobody's is empty");
        assert!(hold(held(OrgId::new(), 0)).is_ok());
    }
}
