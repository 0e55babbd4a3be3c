//! Money: whatever is done, and wherever the server dies, everything adds up, nothing is charged twice, and what was
//! acknowledged is there.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

const FEE_BASIS_POINTS: u32 = 1000;

pub(super) async fn opened(folder: &tempfile::TempDir) -> Store {
    let settings = Settings {
        folder: folder.path().to_owned(),
        master_key: None,
        fee_basis_points: FEE_BASIS_POINTS,
        caps: Caps::default(),
    };
    let store = Store::open(settings).await.expect("opens");
    store.first_start(None).await.expect("written");
    store
}

fn payer(org: &NewOrg) -> Payer {
    Payer {
        owner: org.owner,
        key: org.key.key.id,
        session: None,
    }
}

async fn held(store: &Store, org: &NewOrg, tokens: u64) -> Result<Hold, NotHeld> {
    held_by(store, payer(org), tokens, Time::now()).await
}

async fn first_budget(store: &Store, org: &NewOrg) -> Budget {
    let page = store.budgets(org.owner, None, 1).await;
    page.expect("read").items[0]
}

async fn held_by(store: &Store, payer: Payer, tokens: u64, at: Time) -> Result<Hold, NotHeld> {
    store.hold(payer, tokens, at).await.expect("read")
}

pub(super) async fn credit(store: &Store, org: OrgId, tokens: u64) -> LedgerEntry {
    let credit = Credit {
        org,
        tokens,
        reason: "a test".to_owned(),
        request_sha256: None,
    };
    match store.credit(somebody(), credit).await.expect("written") {
        Credited::Made(entry) => entry,
        other => panic!("{other:?}"),
    }
}

pub(super) fn paid_run(buyer: &NewOrg, seller: &NewOrg, price: u64) -> NewRun {
    NewRun {
        price,
        seller: Some(seller.owner.org),
        is_own: false,
        ..new_run(buyer, ArtifactId::new())
    }
}

pub(super) fn charged(tokens: u64) -> Finish {
    Finish {
        charged: tokens,
        ..succeeded("1")
    }
}

fn failed() -> Finish {
    Finish {
        status: FinishStatus::Failed,
        ..succeeded("1")
    }
}

pub(super) async fn kinds(store: &Store, org: OrgId) -> Vec<(String, i64)> {
    let page = store.entries_of_wallet(org, None, 100).await.expect("read");
    let lines = page.items.into_iter().map(|it| (it.kind, it.tokens));
    lines.collect()
}

pub(super) async fn adds_up(folder: &tempfile::TempDir) -> Audit {
    let audit = Store::audit(folder.path()).await.expect("read");
    assert_eq!(audit.differences, Vec::<String>::new());
    audit
}

#[tokio::test]
async fn a_run_that_succeeds_is_paid_for_once_and_the_platform_has_its_fee() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 100).await;
    let hold = held(&store, &buyer, 19).await.expect("100 are there");
    let wallet = store.wallet(buyer.owner.org);
    assert_eq!(
        (wallet.posted, wallet.held, wallet.available()),
        (100, 19, 81)
    );
    let run = paid_run(&buyer, &seller, 19);
    let settled = settle_held(&store, run.clone(), None, charged(19), hold);
    assert!(settled.await.expect("written"));
    // The same again, as after an answer that was lost.
    assert!(
        !settle(&store, run.clone(), None, charged(19))
            .await
            .expect("written")
    );
    assert!(!settle(&store, run, None, failed()).await.expect("written"));
    let unpaid = paid_run(&buyer, &seller, 19);
    assert!(
        settle(&store, unpaid, None, failed())
            .await
            .expect("written")
    );
    assert_eq!(
        store.wallet(buyer.owner.org),
        Wallet {
            posted: 81,
            held: 0
        }
    );
    assert_eq!(
        store.wallet(seller.owner.org),
        Wallet {
            posted: 18,
            held: 0
        }
    );
    let line = |kind: &str, tokens| (kind.to_owned(), tokens);
    assert_eq!(
        kinds(&store, buyer.owner.org).await,
        [line("charge", -19), line("credit", 100)]
    );
    let mut earned = kinds(&store, seller.owner.org).await;
    earned.sort();
    assert_eq!(earned, [line("earning", 19), line("fee", -1)]);
    let audit = adds_up(&folder).await;
    assert_eq!((audit.wallets, audit.entries), (3, 6));
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(store.wallet(buyer.owner.org).posted, 81);
    assert_eq!(store.wallet(seller.owner.org).posted, 18);
}

#[tokio::test]
async fn runs_that_end_together_are_settled_each_for_itself() {
    end_together(0).await;
}

#[tokio::test]
async fn so_are_those_that_end_while_something_else_is_written() {
    end_together(100).await;
}

/// 200 runs, and so many credits of one token.
async fn end_together(credits: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(opened(&folder).await);
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 1000).await;
    let ended_before = paid_run(&buyer, &seller, 5);
    let before = settle(&store, ended_before.clone(), None, failed());
    assert!(before.await.expect("written"));
    // Nobody held what it costs, and nobody has it: the database refuses it.
    let unaffordable = paid_run(&buyer, &seller, 5000);
    let (mut ending, mut credited) = (JoinSet::new(), JoinSet::new());
    for place in 0..200 {
        if place < credits {
            let (store, org) = (Arc::clone(&store), buyer.owner.org);
            credited.spawn(async move { credit(&store, org, 1).await });
        }
        let store = Arc::clone(&store);
        let (run, tokens) = match place {
            50 => (ended_before.clone(), 5),
            150 => (unaffordable.clone(), 5000),
            _ => (paid_run(&buyer, &seller, 5), 5),
        };
        let hold = held_by(&store, run.payer(), tokens.min(5), Time::now()).await;
        let hold = hold.expect("1000 are there");
        ending.spawn(async move {
            let settled = settle_held(&store, run, None, charged(tokens), hold).await;
            (place, settled)
        });
    }
    credited.join_all().await;
    while let Some(ended) = ending.join_next().await {
        match ended.expect("no panic") {
            (50, settled) => assert!(!settled.expect("read"), "it ended before"),
            (150, settled) => assert!(settled.is_err(), "{settled:?}"),
            (_, settled) => assert!(settled.expect("written")),
        }
    }
    let wallet = store.wallet(buyer.owner.org);
    assert_eq!((wallet.posted, wallet.held), (1000 + credits - 198 * 5, 0));
    // A tenth of 5 is less than a token: it is carried to the next payment, however they are settled.
    assert_eq!(store.wallet(seller.owner.org).posted, 198 * 5 - 99);
    adds_up(&folder).await;
}

#[tokio::test]
async fn a_credit_is_given_once_for_a_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let made = org(&store).await;
    let asked = |tokens| Credit {
        org: made.owner.org,
        tokens,
        reason: "an invoice".to_owned(),
        request_sha256: Some([1; 32]),
    };
    let (first, at_once) = tokio::join!(
        store.credit(somebody(), asked(5)),
        store.credit(somebody(), asked(5))
    );
    let first = first.expect("written");
    assert_eq!(at_once.expect("written"), first);
    assert_eq!(
        store.credit(somebody(), asked(5)).await.expect("written"),
        first
    );
    assert_eq!(
        store.credit(somebody(), asked(6)).await.expect("read"),
        Credited::Conflict
    );
    assert_eq!(store.wallet(made.owner.org).posted, 5);
    let nobody = Credit {
        org: OrgId::new(),
        request_sha256: None,
        ..asked(5)
    };
    assert_eq!(
        store.credit(somebody(), nobody).await.expect("read"),
        Credited::NoOrg
    );
    let too_much = Credit {
        tokens: i64::MAX as u64,
        request_sha256: None,
        ..asked(5)
    };
    assert_eq!(
        store.credit(somebody(), too_much).await.expect("read"),
        Credited::TooMuch
    );
    adds_up(&folder).await;
}

#[tokio::test]
async fn what_is_held_for_queued_runs_survives_and_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 30).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        let run = paid_run(&buyer, &seller, 10);
        let hold = held(&store, &buyer, 10).await.expect("there");
        store
            .queue_run(run.clone(), "{}".to_owned(), None, u64::MAX)
            .await
            .expect("written");
        hold.keep();
        runs.push(run);
    }
    assert!(held(&store, &buyer, 1).await.is_err());
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(
        store.wallet(buyer.owner.org),
        Wallet {
            posted: 30,
            held: 30
        }
    );
    assert!(
        store
            .cancel_queued(runs[2].owner, runs[2].id)
            .await
            .expect("written")
    );
    assert!(
        !store
            .cancel_queued(runs[2].owner, runs[2].id)
            .await
            .expect("written")
    );
    assert_eq!(store.wallet(buyer.owner.org).held, 20);
    let claimed = store.claim_run(&[]).await.expect("written").expect("a run");
    let hold = store.take_up_hold(&claimed.run);
    let attempt = Some(claimed.attempt);
    let ended = settle_held(&store, claimed.run, attempt, charged(10), hold);
    assert!(ended.await.expect("written"));
    assert_eq!(
        store.wallet(buyer.owner.org),
        Wallet {
            posted: 20,
            held: 10
        }
    );
    let retention = Retention {
        outputs: Duration::ZERO,
        logs: Duration::ZERO,
        runs: Duration::ZERO,
        answers: Duration::ZERO,
        queued: Duration::ZERO,
    };
    assert_eq!(store.expire_queued(retention).await.expect("written"), 1);
    assert_eq!(
        store.wallet(buyer.owner.org),
        Wallet {
            posted: 20,
            held: 0
        }
    );
    // Entries outlive the records of the runs they are of.
    store.purge(retention).await.expect("written");
    adds_up(&folder).await;
}

#[tokio::test]
async fn an_audit_finds_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 100).await;
    let run = paid_run(&buyer, &seller, 10);
    settle(&store, run, None, charged(10))
        .await
        .expect("written");
    adds_up(&folder).await;
    for (change, undo, told) in [
        (
            "UPDATE wallets SET posted = posted + 1",
            "UPDATE wallets SET posted = posted - 1",
            "tokens, and its entries",
        ),
        (
            "UPDATE payments SET tokens = 11 WHERE run_id IS NOT NULL",
            "UPDATE payments SET tokens = 10 WHERE run_id IS NOT NULL",
            "10 tokens were charged, and its entries 11",
        ),
        (
            "UPDATE payments SET fee = 0, platform_id = NULL WHERE run_id IS NOT NULL",
            "UPDATE payments SET fee = 1, platform_id = (SELECT MIN(org_id) FROM orgs) WHERE run_id IS NOT NULL",
            "tokens, and its entries",
        ),
        (
            "UPDATE runs SET charged = 11",
            "UPDATE runs SET charged = 10",
            "11 tokens were charged",
        ),
        (
            "UPDATE runs SET status = 'FAILED'",
            "UPDATE runs SET status = 'SUCCEEDED'",
            "and is FAILED",
        ),
    ] {
        execute(&store, change).await.expect("written");
        let audit = Store::audit(folder.path()).await.expect("read");
        assert!(
            audit.differences.iter().any(|it| it.contains(told)),
            "{change}: {audit:?}"
        );
        execute(&store, undo).await.expect("written");
        adds_up(&folder).await;
    }
}

#[tokio::test]
async fn a_subscription_is_paid_for_once_and_only_where_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 100).await;
    let new = NewSubscription {
        artifact: ArtifactId::new(),
        seller: seller.owner.org,
        release: ReleaseId::new(),
        price: 40,
        key: buyer.key.key.id,
        at: Time::now(),
    };
    let owner = buyer.owner;
    let hold = held(&store, &buyer, 40).await.expect("there");
    let made = store
        .subscribe(owner, new, hold)
        .await
        .expect("written")
        .expect("the first");
    let hold = held(&store, &buyer, 40).await.expect("there");
    let again = store.subscribe(owner, new, hold).await;
    assert_eq!(again.expect("written"), None);
    assert_eq!(
        store.wallet(buyer.owner.org),
        Wallet {
            posted: 60,
            held: 0
        }
    );
    assert_eq!(store.wallet(seller.owner.org).posted, 36);
    let found = store
        .subscription_to(owner, new.artifact)
        .await
        .expect("read");
    assert_eq!(found, Some(made));
    let other = ReleaseId::new();
    assert!(store.accept(owner, made.id, other).await.expect("written"));
    assert!(store.unsubscribe(owner, made.id).await.expect("written"));
    assert!(!store.unsubscribe(owner, made.id).await.expect("written"));
    assert!(!store.accept(owner, made.id, other).await.expect("written"));
    assert_eq!(
        store
            .subscription_to(owner, new.artifact)
            .await
            .expect("read"),
        None
    );
    let listed = store
        .subscriptions(owner, None, 10)
        .await
        .expect("read")
        .items;
    assert_eq!((listed.len(), listed[0].release), (1, other));
    assert!(listed[0].ended_at.is_some());
    // Again, for its price.
    let hold = held(&store, &buyer, 40).await.expect("there");
    assert!(
        store
            .subscribe(owner, new, hold)
            .await
            .expect("written")
            .is_some()
    );
    assert_eq!(store.wallet(buyer.owner.org).posted, 20);
    adds_up(&folder).await;
}

#[tokio::test]
async fn a_budget_counts_what_was_charged_and_is_held_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 1000).await;
    let owner = buyer.owner;
    let queued = paid_run(&buyer, &seller, 7);
    let run = paid_run(&buyer, &seller, 10);
    settle(&store, run, None, charged(10))
        .await
        .expect("written");
    let key = Some(buyer.key.key.id);
    let set = |store: Store, cap| async move {
        let made = store.set_budget(owner, key, Period::Day, cap).await;
        (made.expect("written"), store)
    };
    let (budget, store) = set(store, 30).await;
    assert_eq!((budget.cap, budget.spent, budget.held), (30, 10, 0));
    let run = paid_run(&buyer, &seller, 5);
    let hold = held_by(&store, payer(&buyer), 5, run.created_at)
        .await
        .expect("15 of 30");
    assert_eq!(first_budget(&store, &buyer).await.held, 5);
    settle(&store, run, None, charged(5))
        .await
        .expect("written");
    drop(hold);
    let queued = NewRun {
        created_at: Time::now(),
        id: RunId::new(),
        ..queued
    };
    let hold = held_by(&store, payer(&buyer), 7, queued.created_at)
        .await
        .expect("22 of 30");
    store
        .queue_run(queued.clone(), "{}".to_owned(), None, u64::MAX)
        .await
        .expect("written");
    hold.keep();
    let new = NewSubscription {
        artifact: ArtifactId::new(),
        seller: seller.owner.org,
        release: ReleaseId::new(),
        price: 8,
        key: buyer.key.key.id,
        at: Time::now(),
    };
    let hold = held_by(&store, payer(&buyer), 8, new.at)
        .await
        .expect("30 of 30");
    store.subscribe(owner, new, hold).await.expect("written");
    let counted = async |store: &Store| {
        let budget = first_budget(store, &buyer).await;
        (budget.spent, budget.held)
    };
    assert_eq!(counted(&store).await, (23, 7));
    let refused = held_by(&store, payer(&buyer), 1, Time::now())
        .await
        .expect_err("30 of 30");
    assert_eq!(refused, NotHeld::Budget(budget.resets_at));
    assert!(
        held_by(&store, payer(&buyer), 0, Time::now()).await.is_ok(),
        "it costs nothing"
    );
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(counted(&store).await, (23, 7));
    // Another cap counts at once, and what is spent stays spent.
    let (raised, store) = set(store, 31).await;
    assert_eq!((raised.id, counted(&store).await), (budget.id, (23, 7)));
    assert!(held_by(&store, payer(&buyer), 1, Time::now()).await.is_ok());
    store
        .cancel_queued(owner, queued.id)
        .await
        .expect("written");
    assert_eq!(counted(&store).await, (23, 0));
    let removed = store
        .remove_budget(owner, key, Period::Day)
        .await
        .expect("written");
    assert_eq!(removed.map(|it| it.id), Some(budget.id));
    assert_eq!(
        store
            .remove_budget(owner, key, Period::Day)
            .await
            .expect("read"),
        None
    );
    assert!(
        held_by(&store, payer(&buyer), 900, Time::now())
            .await
            .is_ok()
    );
    adds_up(&folder).await;
}

#[tokio::test]
async fn a_month_s_budget_counts_what_is_no_longer_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 1000).await;
    let owner = buyer.owner;
    let made = store.set_budget(owner, None, Period::Month, 100).await;
    made.expect("written");
    let run = paid_run(&buyer, &seller, 10);
    settle(&store, run.clone(), None, charged(10))
        .await
        .expect("written");
    let new = NewSubscription {
        artifact: ArtifactId::new(),
        seller: seller.owner.org,
        release: ReleaseId::new(),
        price: 8,
        key: buyer.key.key.id,
        at: Time::now(),
    };
    let hold = held_by(&store, payer(&buyer), 8, new.at)
        .await
        .expect("18 of 100");
    let subscribed = store.subscribe(owner, new, hold).await.expect("written");
    let id = subscribed.expect("the first").id;
    store.unsubscribe(owner, id).await.expect("written");
    let none = Duration::ZERO;
    let forgotten = Retention {
        outputs: none,
        logs: none,
        runs: none,
        answers: none,
        queued: none,
    };
    store.purge(forgotten).await.expect("written");
    let kept = store.whole_run(owner, run.id).await.expect("read");
    assert!(kept.is_none(), "its record is gone");
    store.close().await;
    let store = opened(&folder).await;
    assert_eq!(first_budget(&store, &buyer).await.spent, 18);
    adds_up(&folder).await;
}

#[tokio::test]
async fn what_was_held_while_a_budget_was_written_is_no_part_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let buyer = org(&store).await;
    credit(&store, buyer.owner.org, 1000).await;
    let owner = buyer.owner;
    for _ in 0..20 {
        let setting = store.set_budget(owner, None, Period::Day, 100);
        let holding = async {
            let mut holds = Vec::new();
            for _ in 0..20 {
                holds.push(
                    held_by(&store, payer(&buyer), 1, Time::now())
                        .await
                        .expect("room"),
                );
                tokio::task::yield_now().await;
            }
            holds
        };
        let (set, holds) = tokio::join!(setting, holding);
        set.expect("written");
        let later = held_by(&store, payer(&buyer), 7, Time::now())
            .await
            .expect("room");
        let before = first_budget(&store, &buyer).await.held;
        drop(holds);
        assert!(before >= 7);
        assert_eq!(
            first_budget(&store, &buyer).await.held,
            7,
            "{before} before"
        );
        drop(later);
        let removed = store.remove_budget(owner, None, Period::Day).await;
        assert!(removed.expect("written").is_some());
    }
}

/// What may happen, by the numbers of orgs.
#[derive(Debug, Clone)]
enum Step {
    Credit(usize, u64),
    /// Held, run, and charged or not.
    Run(usize, usize, u64, bool),
    Queue(usize, usize, u64),
    Claim(bool),
    Cancel,
    Expire,
    /// The server dies, with a run under way where there is one, and starts again.
    Crash(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let org = 0..3_usize;
    prop_oneof![
        (org.clone(), 1..200_u64).prop_map(|(org, tokens)| Step::Credit(org, tokens)),
        (org.clone(), org.clone(), 0..60_u64, any::<bool>())
            .prop_map(|(buyer, seller, price, is_good)| Step::Run(buyer, seller, price, is_good)),
        (org.clone(), org.clone(), 0..60_u64)
            .prop_map(|(buyer, seller, price)| Step::Queue(buyer, seller, price)),
        any::<bool>().prop_map(Step::Claim),
        Just(Step::Cancel),
        Just(Step::Expire),
        (org, 0..60_u64).prop_map(|(org, tokens)| Step::Crash(org, tokens)),
    ]
}

/// What orgs should have.
#[derive(Debug, Default)]
struct Model {
    posted: HashMap<usize, i64>,
    held: HashMap<usize, i64>,
    /// Of each seller, before fees: what is rounded down is carried.
    earned: HashMap<usize, i64>,
    fees: i64,
    queued: Vec<(usize, usize, u64, NewRun)>,
}

impl Model {
    fn available(&self, org: usize) -> i64 {
        self.posted.get(&org).unwrap_or(&0) - self.held.get(&org).unwrap_or(&0)
    }

    fn pay(&mut self, buyer: usize, seller: usize, price: u64) {
        let price = price as i64;
        let fee_of = |earned: i64| earned * i64::from(FEE_BASIS_POINTS) / 10_000;
        let earned = self.earned.entry(seller).or_default();
        let fee = fee_of(*earned + price) - fee_of(*earned);
        *earned += price;
        *self.posted.entry(buyer).or_default() -= price;
        *self.posted.entry(seller).or_default() += price - fee;
        self.fees += fee;
    }
}

async fn follow(steps: Vec<Step>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = opened(&folder).await;
    let mut orgs = Vec::new();
    for _ in 0..3 {
        orgs.push(org(&store).await);
    }
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Credit(to, tokens) => {
                credit(&store, orgs[to].owner.org, tokens).await;
                *model.posted.entry(to).or_default() += tokens as i64;
            }
            Step::Run(buyer, seller, price, is_good) => {
                let hold = held(&store, &orgs[buyer], price).await;
                assert_eq!(hold.is_ok(), model.available(buyer) >= price as i64);
                let Ok(hold) = hold else { continue };
                let run = paid_run(&orgs[buyer], &orgs[seller], price);
                let finish = if is_good { charged(price) } else { failed() };
                let ended = settle_held(&store, run, None, finish, hold).await;
                assert!(ended.expect("written"));
                if is_good {
                    model.pay(buyer, seller, price);
                }
            }
            Step::Queue(buyer, seller, price) => {
                let Ok(hold) = held(&store, &orgs[buyer], price).await else {
                    continue;
                };
                let run = paid_run(&orgs[buyer], &orgs[seller], price);
                store
                    .queue_run(run.clone(), "{}".to_owned(), None, u64::MAX)
                    .await
                    .expect("written");
                hold.keep();
                *model.held.entry(buyer).or_default() += price as i64;
                model.queued.push((buyer, seller, price, run));
            }
            Step::Claim(is_good) => {
                let claimed = store.claim_run(&[]).await.expect("written");
                assert_eq!(claimed.is_some(), !model.queued.is_empty());
                let Some(claimed) = claimed else { continue };
                let (buyer, seller, price, run) = model.queued.remove(0);
                assert_eq!(claimed.run, run);
                let hold = store.take_up_hold(&claimed.run);
                let finish = if is_good { charged(price) } else { failed() };
                let ended = settle_held(&store, run, Some(claimed.attempt), finish, hold).await;
                assert!(ended.expect("written"));
                *model.held.entry(buyer).or_default() -= price as i64;
                if is_good {
                    model.pay(buyer, seller, price);
                }
            }
            Step::Cancel => {
                let Some((buyer, _, price, run)) = model.queued.pop() else {
                    continue;
                };
                assert!(
                    store
                        .cancel_queued(run.owner, run.id)
                        .await
                        .expect("written")
                );
                *model.held.entry(buyer).or_default() -= price as i64;
            }
            Step::Expire => {
                let retention = Retention {
                    outputs: Duration::ZERO,
                    logs: Duration::ZERO,
                    runs: Duration::MAX,
                    answers: Duration::ZERO,
                    queued: Duration::ZERO,
                };
                store.expire_queued(retention).await.expect("written");
                for (buyer, _, price, _) in model.queued.drain(..) {
                    *model.held.entry(buyer).or_default() -= price as i64;
                }
            }
            Step::Crash(buyer, price) => {
                let hold = held(&store, &orgs[buyer], price).await;
                if hold.is_ok() {
                    let run = paid_run(&orgs[buyer], &orgs[0], price);
                    store.begin_run(run, None).await.expect("written");
                }
                // Its memory is gone: holds, too.
                std::mem::forget(hold);
                store.close().await;
                store = opened(&folder).await;
                store.lose_running().await.expect("written");
            }
        }
        for (index, made) in orgs.iter().enumerate() {
            let wallet = store.wallet(made.owner.org);
            let posted = *model.posted.get(&index).unwrap_or(&0);
            let held = *model.held.get(&index).unwrap_or(&0);
            assert_eq!((wallet.posted as i64, wallet.held as i64), (posted, held));
        }
        adds_up(&folder).await;
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn wallets_are_as_a_model_has_them_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let tokio = tokio::runtime::Runtime::new().expect("tokio");
        tokio.block_on(follow(steps));
    }
}
