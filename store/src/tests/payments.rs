//! Statements, whose lines are derived from payments.

use super::money::{adds_up, charged, credit, opened, paid_run};
use super::*;
use crate::money::payment::{self, Paid, Payment};

/// What is listed page by page.
async fn listed(store: &Store, org: OrgId, limit: usize) -> Vec<LedgerEntry> {
    let (mut items, mut before) = (Vec::new(), None);
    loop {
        let page = store.entries_of_wallet(org, before, limit).await;
        let page = page.expect("read");
        assert!(page.items.len() <= limit);
        items.extend(page.items);
        match page.next {
            Some(next) => before = Some(next),
            None => return items,
        }
    }
}

#[tokio::test]
async fn a_statement_is_the_same_however_long_its_pages_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (one, other) = (org(&store).await, org(&store).await);
    let platform = store.wallets.platform().expect("the first org");
    // Each buys of the other, and of itself.
    for (buyer, seller) in [(&one, &other), (&other, &one), (&one, &one)].repeat(3) {
        credit(&store, buyer.owner.org, 25).await;
        let run = paid_run(buyer, seller, 20);
        let settled = settle(&store, run, None, charged(20)).await;
        assert!(settled.expect("written"));
    }
    for (org, count) in [(one.owner.org, 24), (other.owner.org, 12), (platform, 9)] {
        let all = listed(&store, org, 100).await;
        assert_eq!(all.len(), count, "{all:?}");
        assert!(all.is_sorted_by(|one, next| one.id > next.id), "{all:?}");
        assert!(all.is_sorted_by(|one, next| one.at >= next.at), "{all:?}");
        let sum: i64 = all.iter().map(|it| it.tokens).sum();
        assert_eq!(sum.cast_unsigned(), store.wallet(org).posted);
        for limit in 1..8 {
            assert_eq!(listed(&store, org, limit).await, all, "{limit}");
        }
    }
    adds_up(&folder).await;
}

#[tokio::test]
async fn lines_sort_as_they_were_made_whatever_the_clock_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 100).await;
    // An hour ahead, once.
    execute(&store, "UPDATE payments SET place = place + 3600000000")
        .await
        .expect("written");
    let started = Time::now();
    for _ in 0..3 {
        let run = paid_run(&buyer, &seller, 10);
        let settled = settle(&store, run, None, charged(10)).await;
        assert!(settled.expect("written"));
        credit(&store, buyer.owner.org, 1).await;
    }
    let all = listed(&store, buyer.owner.org, 100).await;
    let made: Vec<_> = all.iter().map(|it| it.tokens).collect();
    assert_eq!(made, [1, -10, 1, -10, 1, -10, 100]);
    assert!(
        all.iter()
            .rev()
            .skip(1)
            .all(|it| it.at >= started && it.at <= Time::now())
    );
    assert_eq!(listed(&store, buyer.owner.org, 1).await, all);
}

#[test]
fn payments_of_one_moment_have_places_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tollgate.db");
    sqlite::migrate(&file).expect("migrated");
    let mut connection = sqlite::open(&file).expect("opened");
    let (buyer, seller) = (OrgId::new(), OrgId::new());
    let payment = || {
        let of = Paid::Run(RunId::new());
        Payment::new(of, (buyer, seller), 5).expect("five tokens")
    };
    let payments: Vec<_> = (0..500).map(|_| payment()).collect();
    payment::record(&mut connection, payments.iter()).expect("written");
    let places = "SELECT MAX(place) - MIN(place), COUNT(*) FROM payments";
    let places = sql::query(sqlite_only(places)).pairs::<i64, i64>(&mut connection);
    assert_eq!(places.expect("read"), [(499, 500)]);
    payment::record(&mut connection, [].iter()).expect("nothing");
    let again = payment::record(&mut connection, payments[..1].iter());
    assert!(again.is_err(), "it is paid for");
}

#[tokio::test]
async fn what_went_through_a_wallet_may_be_more_than_a_number_can_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (one, other) = (org(&store).await, org(&store).await);
    // A quarter of what can be counted, there and back, until the fees leave too little.
    credit(&store, one.owner.org, i64::MAX as u64 / 3 * 2).await;
    for (buyer, seller) in [(&one, &other), (&other, &one)].repeat(9) {
        let tokens = i64::MAX as u64 / 4;
        let run = paid_run(buyer, seller, tokens);
        let settled = settle(&store, run, None, charged(tokens)).await;
        assert!(settled.is_ok_and(|it| it) || store.wallet(buyer.owner.org).posted < tokens);
    }
    let audit = Store::audit(folder.path()).await.expect("read");
    assert_eq!(audit.differences, Vec::<String>::new());
    assert!(audit.entries > 40, "{audit:?}");
}

#[tokio::test]
async fn the_database_takes_no_payment_twice_and_none_that_is_not_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.owner.org, 100).await;
    let run = paid_run(&buyer, &seller, 30);
    let settled = settle(&store, run, None, charged(30)).await;
    assert!(settled.expect("written"));
    for refused in [
        "INSERT INTO payments (place, at, run_id, buyer_id, seller_id, tokens, fee)
            SELECT place + 9, at, run_id, buyer_id, seller_id, tokens, 0 FROM payments WHERE run_id IS NOT NULL",
        "UPDATE payments SET tokens = 0, fee = 0, platform_id = NULL",
        "UPDATE payments SET fee = 31 WHERE run_id IS NOT NULL",
        "UPDATE payments SET fee = 0 WHERE fee > 0",
        "UPDATE payments SET platform_id = NULL",
        "UPDATE payments SET run_id = NULL",
        "UPDATE payments SET subscription_id = run_id WHERE run_id IS NOT NULL",
        "UPDATE payments SET run_id = NULL, reason = NULL, subscription_id = x'01'",
        "UPDATE payments SET request_sha256 = x'01' WHERE run_id IS NOT NULL",
        "UPDATE payments SET buyer_id = seller_id WHERE run_id IS NULL",
        "UPDATE payments SET buyer_id = zeroblob(16) WHERE run_id IS NOT NULL",
    ] {
        let written = execute(&store, refused).await;
        assert!(written.is_err(), "{refused}");
    }
    adds_up(&folder).await;
}
