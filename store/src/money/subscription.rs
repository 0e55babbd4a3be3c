//! Subscriptions: which project may run which other project's artifact, on which release's terms.

use crate::Store;
use crate::catalogue::release::{Release, release_in};
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId, ReleaseId, SubscriptionId};
use crate::money::budget::Payer;
use crate::money::payment::{self, Fees, Paid, Payment};
use crate::money::posting::post;
use crate::money::wallet::Hold;
use crate::number::signed;
use crate::owner::Owner;
use crate::page::{Page, one_more};
use crate::sql::statements;
use crate::sql::{self, Connection, Row, SqlError};
use crate::tenancy::caps::Rows;
use crate::time::Time;
use std::iter;
use std::sync::Arc;

/// A subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// Its identifier.
    pub id: SubscriptionId,
    /// To what.
    pub artifact: ArtifactId,
    /// The release whose terms were taken.
    pub release: ReleaseId,
    /// Since when.
    pub created_at: Time,
    /// Until when.
    pub ended_at: Option<Time>,
}

/// A subscription to be made, and its price.
#[derive(Debug, Clone, Copy)]
pub struct NewSubscription {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The org that sells it.
    pub seller: OrgId,
    /// The release whose terms are taken.
    pub release: ReleaseId,
    /// Tokens, which are [held](Store::hold).
    pub price: u64,
    /// With which key.
    pub key: KeyId,
    /// When it was asked for, and the price held.
    pub at: Time,
}

impl Store {
    /// Subscribes a project, and pays with what is held. `None` where it is subscribed.
    pub async fn subscribe(
        &self,
        Owner { org, project }: Owner,
        new: NewSubscription,
        hold: Hold,
    ) -> Result<Option<Subscription>, StoreError> {
        let subscription = Subscription {
            id: SubscriptionId::new(),
            artifact: new.artifact,
            release: new.release,
            created_at: new.at,
            ended_at: None,
        };
        let of = Paid::Subscription(subscription.id);
        let payment = Payment::new(of, (org, new.seller), new.price);
        let fees = self.fees();
        let turn = self.room_for(org, [Rows::Subscriptions]).await?;
        let payer = Payer {
            owner: Owner { org, project },
            key: new.key,
            // Sessions subscribe to nothing.
            session: None,
        };
        let made = self
            .writer
            .write_then(
                move |transaction| {
                    let made = insert(transaction, payer, &subscription, new.price)?;
                    if !made {
                        return Ok(None);
                    }
                    let paid = match payment {
                        Some(payment) => Some(pay(transaction, payment, fees)?),
                        None => None,
                    };
                    Ok(Some(paid))
                },
                move |made| {
                    if let Some(paid) = made {
                        let changes = paid.iter().flat_map(Payment::changes);
                        hold.settle(changes, Some(new.price));
                    }
                    drop(turn);
                },
            )
            .await?;
        Ok(made.map(|_| subscription))
    }

    /// A project's subscription to an artifact that has not ended.
    pub async fn subscription_to(
        &self,
        Owner { org, project }: Owner,
        artifact: ArtifactId,
    ) -> Result<Option<Subscription>, StoreError> {
        let read = || self.read_subscription_to(Owner { org, project }, artifact);
        let subscriptions = &self.remembered.subscriptions;
        subscriptions.get((artifact, org, project), read).await
    }

    async fn read_subscription_to(
        &self,
        Owner { org, project }: Owner,
        artifact: ArtifactId,
    ) -> Result<Option<Subscription>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::SUBSCRIPTION_TO)
                    .bind(artifact)
                    .bind(org)
                    .bind(project),
            )
            .await?;
        Ok(row.as_ref().map(subscription_in).transpose()?)
    }

    /// A project's subscription.
    pub async fn subscription(
        &self,
        Owner { org, project }: Owner,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::SUBSCRIPTION)
                    .bind(org)
                    .bind(project)
                    .bind(id),
            )
            .await?;
        Ok(row.as_ref().map(subscription_in).transpose()?)
    }

    /// A project's subscriptions, those that have ended too, newest first.
    pub async fn subscriptions(
        &self,
        Owner { org, project }: Owner,
        before: Option<SubscriptionId>,
        limit: usize,
    ) -> Result<Page<Subscription, SubscriptionId>, StoreError> {
        let rows = self
            .readers
            .all(
                sql::query(statements::SUBSCRIPTIONS)
                    .bind(org)
                    .bind(project)
                    .bind(before.unwrap_or_else(SubscriptionId::last))
                    .bind(one_more(limit)),
            )
            .await?;
        let all = rows.iter().map(subscription_in).collect::<Result<_, _>>()?;
        Ok(Page::cut(all, limit, |it: &Subscription| it.id))
    }

    /// Ends a subscription, at once. `false` where there is none that has not ended.
    pub async fn unsubscribe(
        &self,
        Owner { org, project }: Owner,
        id: SubscriptionId,
    ) -> Result<bool, StoreError> {
        self.change_subscription(Owner { org, project }, move |transaction| {
            let ended = sql::query(statements::END_SUBSCRIPTION)
                .bind(org)
                .bind(project)
                .bind(id)
                .bind(Time::now())
                .optional_scalar(transaction)?;
            Ok(ended)
        })
        .await
    }

    /// Takes another release's terms. `false` where there is no subscription that has not ended.
    pub async fn accept(
        &self,
        Owner { org, project }: Owner,
        id: SubscriptionId,
        release: ReleaseId,
    ) -> Result<bool, StoreError> {
        self.change_subscription(Owner { org, project }, move |transaction| {
            let accepted = sql::query(statements::ACCEPT_TERMS)
                .bind(org)
                .bind(project)
                .bind(id)
                .bind(release)
                .optional_scalar(transaction)?;
            Ok(accepted)
        })
        .await
    }

    /// Changes one of a project's, which says what it is to. `false` where there is none.
    async fn change_subscription(
        &self,
        Owner { org, project }: Owner,
        change: impl Fn(&mut Connection) -> Result<Option<ArtifactId>, StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let remembered = Arc::clone(&self.remembered);
        let changed = self.writer.write_then(change, move |artifact| {
            if let Some(artifact) = artifact {
                let question = (*artifact, org, project);
                remembered.subscriptions.forget(&question);
            }
        });
        Ok(changed.await?.is_some())
    }

    /// A release, whoever asks.
    pub async fn release(
        &self,
        artifact: ArtifactId,
        id: ReleaseId,
    ) -> Result<Option<Release>, StoreError> {
        let query = sql::query(statements::RELEASE_OF_ARTIFACT);
        let query = query.bind(artifact).bind(id);
        // Terms can be hundreds of kilobytes, so they are parsed where nobody waits for the thread.
        let reading = self.readers.read(move |connection| {
            let row = query.optional(connection)?;
            row.map(|row| release_in(&row, false)).transpose()
        });
        reading.await
    }

    /// Some releases of an artifact before one, newest first.
    pub async fn releases_before(
        &self,
        artifact: ArtifactId,
        before: ReleaseId,
        limit: usize,
    ) -> Result<Vec<Release>, StoreError> {
        let query = sql::query(statements::RELEASES_BEFORE)
            .bind(artifact)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let reading = self.readers.read(move |connection| {
            let rows = query.all(connection)?;
            let releases = rows.iter().map(|row| release_in(row, false));
            releases.collect::<Result<_, SqlError>>()
        });
        reading.await
    }
}

fn insert(
    transaction: &mut Connection,
    payer: Payer,
    subscription: &Subscription,
    price: u64,
) -> Result<bool, StoreError> {
    let Owner { org, project } = payer.owner;
    let inserted = sql::query(statements::INSERT_SUBSCRIPTION)
        .bind(org)
        .bind(project)
        .bind(subscription.id)
        .bind(subscription.artifact)
        .bind(subscription.release)
        .bind(signed(price))
        .bind(payer.key)
        .bind(subscription.created_at)
        .execute(transaction)?;
    Ok(inserted == 1)
}

/// Pays, and gives the payment with its fee.
fn pay(
    connection: &mut Connection,
    mut payment: Payment,
    fees: Option<Fees>,
) -> Result<Payment, StoreError> {
    payment::set_fees(connection, iter::once(&mut payment), fees)?;
    payment::record(connection, iter::once(&payment))?;
    post(connection, payment.changes())?;
    Ok(payment)
}

fn subscription_in(row: &Row) -> Result<Subscription, SqlError> {
    Ok(Subscription {
        id: row.get("subscription_id")?,
        artifact: row.get("artifact_id")?,
        release: row.get("release_id")?,
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
    })
}
