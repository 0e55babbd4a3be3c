//! Sums that are learned from the database once in the life of a server: what a payer's budgets and session have spent.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ProjectId, SessionId};
use crate::money::budget::{Budget, Payer};
use crate::money::cap;
use crate::money::wallet::Wallets;
use crate::sql::Connection;
use crate::tenancy::allowance::Allowance;
use crate::tenancy::session;
use crate::time::Time;
use std::sync::Arc;

/// The budgets and the session of a payer, as the database has them.
#[derive(Debug)]
pub(crate) struct Learned {
    /// `None` if they are known.
    budgets: Option<(ProjectId, Vec<Budget>)>,
    session: Option<(SessionId, Allowance)>,
}

impl Learned {
    /// Tells the wallets. Call it right after the commit, so that no settlement comes between.
    pub(crate) fn give_to(&self, wallets: &Wallets) {
        let budgets = self.budgets.as_ref();
        let budgets = budgets.map(|(project, budgets)| (*project, budgets.as_slice()));
        wallets.learn(budgets, self.session);
    }

    pub(crate) fn read(
        transaction: &mut Connection,
        payer: Payer,
        knows_budgets: bool,
    ) -> Result<Self, StoreError> {
        let budgets = match knows_budgets {
            true => None,
            false => {
                let budgets = cap::of_project(transaction, payer.owner)?;
                Some((payer.owner.project, budgets))
            }
        };
        let session = match payer.session {
            Some(session) => {
                let allowance = session::allowance(transaction, payer.owner, session)?;
                let lasting = allowance.filter(|it| it.expires_at > Time::now());
                lasting.map(|it| (session, it))
            }
            None => None,
        };
        Ok(Self { budgets, session })
    }
}

impl Store {
    /// Adds up what the payer's budgets and session have spent so far, once in the life of the server.
    pub(crate) async fn learn(&self, payer: &Payer) -> Result<(), StoreError> {
        if self.wallets.knows(payer) {
            return Ok(());
        }
        // Without a turn, concurrent calls would each queue the same sum in the writer.
        let turn = self.learning.of(payer.owner.org).await;
        if self.wallets.knows(payer) {
            return Ok(());
        }
        let (wallets, payer) = (Arc::clone(&self.wallets), *payer);
        // The budgets of a project are the same for each of its sessions.
        let knows_budgets = wallets.knows(&Payer {
            session: None,
            ..payer
        });
        let learning = self.writer.write_then(
            move |transaction| Learned::read(transaction, payer, knows_budgets),
            move |learned| {
                learned.give_to(&wallets);
                // The turn ends here, even if the caller has left: the next one must see what was learned.
                drop(turn);
            },
        );
        learning.await.map(drop)
    }
}
