//! Statements whose lines are told of payments, and of what older versions entered line by line.

use super::money::{adds_up, charged, credit, kinds, opened, paid_run};
use super::*;

/// Lines of one payment, as they had rows of their own.
const AS_ENTRIES: &str =
    "INSERT INTO entries (org_id, entry_id, posting_id, kind, tokens, run_id, at)
    SELECT buyer_id, randomblob(16), run_id, 'charge', -tokens, run_id, at FROM payments
    UNION ALL SELECT seller_id, randomblob(16), run_id, 'earning', tokens, run_id, at FROM payments
    UNION ALL SELECT seller_id, randomblob(16), run_id, 'fee', -fee, run_id, at FROM payments
    UNION ALL SELECT platform_id, randomblob(16), run_id, 'fee', fee, run_id, at FROM payments";

async fn execute(store: &Store, statement: &'static str) {
    let work = store.writer.write(move |transaction| {
        Box::pin(async move {
            sqlx::query(statement).execute(transaction).await?;
            Ok(())
        })
    });
    work.await.expect("written");
}

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
        credit(&store, buyer.org, 25).await;
        let run = paid_run(buyer, seller, 20);
        let settled = settle(&store, run, None, charged(20)).await;
        assert!(settled.expect("written"));
    }
    for (org, count) in [(one.org, 24), (other.org, 12), (platform, 9)] {
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
async fn what_an_older_version_entered_is_told_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.org, 100).await;
    let run = paid_run(&buyer, &seller, 30);
    let settled = settle(&store, run.clone(), None, charged(30)).await;
    assert!(settled.expect("written"));
    let line = |kind: &str, tokens| (kind.to_owned(), tokens);
    let told = adds_up(&folder).await;
    execute(&store, AS_ENTRIES).await;
    execute(&store, "DELETE FROM payments").await;
    assert_eq!(adds_up(&folder).await, told);
    let mut paid = kinds(&store, buyer.org).await;
    paid.sort();
    assert_eq!(paid, [line("charge", -30), line("credit", 100)]);
    let mut earned = kinds(&store, seller.org).await;
    earned.sort();
    assert_eq!(earned, [line("earning", 30), line("fee", -3)]);
    // Beside what is paid now.
    let now = settle(&store, paid_run(&buyer, &seller, 30), None, charged(30));
    assert!(now.await.expect("written"));
    adds_up(&folder).await;
    execute(&store, "UPDATE runs SET status = 'FAILED'").await;
    let audit = Store::audit(folder.path()).await.expect("read");
    assert_eq!(audit.differences.len(), 2, "{audit:?}");
}

#[tokio::test]
async fn the_database_takes_no_payment_twice_and_none_that_is_not_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.org, 100).await;
    let run = paid_run(&buyer, &seller, 30);
    let settled = settle(&store, run, None, charged(30)).await;
    assert!(settled.expect("written"));
    for refused in [
        "INSERT INTO payments SELECT at + 1, run_id, subscription_id, buyer_id, seller_id, tokens, platform_id, fee
            FROM payments",
        "UPDATE payments SET tokens = 0",
        "UPDATE payments SET fee = 31",
        "UPDATE payments SET fee = 0",
        "UPDATE payments SET platform_id = NULL",
        "UPDATE payments SET run_id = NULL",
        "UPDATE payments SET subscription_id = run_id",
    ] {
        let work = store.writer.write(move |transaction| {
            Box::pin(async move {
                sqlx::query(refused).execute(transaction).await?;
                Ok(())
            })
        });
        assert!(work.await.is_err(), "{refused}");
    }
    adds_up(&folder).await;
}
