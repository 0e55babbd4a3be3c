//! Statements whose lines are told of payments, and of what older versions entered line by line.

use super::money::{adds_up, charged, credit, kinds, opened, paid_run};
use super::*;
use crate::payment::{self, Paid, Payment};

/// Payments as a version had them that gave each line a row of its own.
const AS_ENTRIES: &str = "INSERT INTO entries
        (org_id, entry_id, posting_id, kind, tokens, run_id, subscription_id, reason, request_sha256, at)
    WITH payment AS MATERIALIZED (
        SELECT *, COALESCE(run_id, subscription_id, randomblob(16)) AS posting_id,
            CASE WHEN run_id IS NOT NULL THEN 'charge' WHEN reason IS NULL THEN 'subscription' ELSE 'credit' END AS kind,
            unhex(printf('%012x7', at / 1000) || substr(hex(randomblob(10)), 2)) AS entry_id
        FROM payments
    )
    SELECT buyer_id, entry_id, posting_id, kind, -tokens, run_id, subscription_id, reason, NULL, at FROM payment
    UNION ALL SELECT seller_id, entry_id, posting_id, CASE kind WHEN 'credit' THEN kind ELSE 'earning' END, tokens,
        run_id, subscription_id, reason, request_sha256, at FROM payment
    UNION ALL SELECT seller_id, unhex(substr(hex(entry_id), 1, 20) || hex(randomblob(6))), posting_id, 'fee', -fee,
        run_id, subscription_id, NULL, NULL, at FROM payment WHERE fee > 0
    UNION ALL SELECT platform_id, entry_id, posting_id, 'fee', fee, run_id, subscription_id, NULL, NULL, at
        FROM payment WHERE fee > 0";

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
    let asked = Credit {
        org: buyer.org,
        tokens: 100,
        reason: "an invoice".to_owned(),
        request_sha256: Some([1; 32]),
    };
    let given = store.credit(somebody(), asked.clone()).await;
    assert!(matches!(given, Ok(Credited::Made(_))), "{given:?}");
    // Identifiers of that time sort by milliseconds.
    std::thread::sleep(Duration::from_millis(2));
    let run = paid_run(&buyer, &seller, 30);
    let settled = settle(&store, run, None, charged(30)).await;
    assert!(settled.expect("written"));
    let told = adds_up(&folder).await;
    execute(&store, AS_ENTRIES).await.expect("written");
    execute(&store, "DELETE FROM payments")
        .await
        .expect("written");
    assert_eq!(adds_up(&folder).await, told);
    let line = |kind: &str, tokens| (kind.to_owned(), tokens);
    assert_eq!(
        kinds(&store, buyer.org).await,
        [line("charge", -30), line("credit", 100)]
    );
    let mut earned = kinds(&store, seller.org).await;
    earned.sort();
    assert_eq!(earned, [line("earning", 30), line("fee", -3)]);
    // The same request gives nothing more, and another one is refused.
    let again = store.credit(somebody(), asked.clone()).await;
    let Ok(Credited::Made(line)) = again else {
        panic!("{again:?}")
    };
    assert_eq!(line.tokens, 100);
    let other = Credit { tokens: 5, ..asked };
    let other = store.credit(somebody(), other).await;
    assert_eq!(other.expect("read"), Credited::Conflict);
    // Beside what is paid now, also page by page.
    std::thread::sleep(Duration::from_millis(2));
    let now = settle(&store, paid_run(&buyer, &seller, 20), None, charged(20));
    assert!(now.await.expect("written"));
    adds_up(&folder).await;
    for (org, count) in [(buyer.org, 3), (seller.org, 4)] {
        let all = listed(&store, org, 100).await;
        assert_eq!(all.len(), count, "{all:?}");
        assert_eq!(all[0].tokens.abs(), if org == buyer.org { 20 } else { 2 });
        assert_eq!(listed(&store, org, 1).await, all);
    }
    for (change, told, count) in [
        ("UPDATE runs SET status = 'FAILED'", "and is FAILED", 2),
        (
            "UPDATE entries SET tokens = 29 WHERE kind = 'earning'",
            "not to zero",
            1,
        ),
    ] {
        execute(&store, change).await.expect("written");
        let audit = Store::audit(folder.path()).await.expect("read");
        let found = audit.differences.iter().filter(|it| it.contains(told));
        assert_eq!(found.count(), count, "{audit:?}");
    }
}

#[tokio::test]
async fn a_database_that_was_not_opened_since_is_audited_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let buyer = org(&store).await;
    credit(&store, buyer.org, 100).await;
    let told = adds_up(&folder).await;
    execute(&store, AS_ENTRIES).await.expect("written");
    execute(&store, "DROP TABLE payments")
        .await
        .expect("written");
    assert_eq!(adds_up(&folder).await, told);
}

#[tokio::test]
async fn lines_sort_as_they_were_made_whatever_the_clock_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (buyer, seller) = (org(&store).await, org(&store).await);
    credit(&store, buyer.org, 100).await;
    // An hour ahead, once.
    execute(&store, "UPDATE payments SET place = place + 3600000000")
        .await
        .expect("written");
    let started = Time::now();
    for _ in 0..3 {
        let run = paid_run(&buyer, &seller, 10);
        let settled = settle(&store, run, None, charged(10)).await;
        assert!(settled.expect("written"));
        credit(&store, buyer.org, 1).await;
    }
    let all = listed(&store, buyer.org, 100).await;
    let made: Vec<_> = all.iter().map(|it| it.tokens).collect();
    assert_eq!(made, [1, -10, 1, -10, 1, -10, 100]);
    assert!(
        all.iter()
            .rev()
            .skip(1)
            .all(|it| it.at >= started && it.at <= Time::now())
    );
    assert_eq!(listed(&store, buyer.org, 1).await, all);
}

#[test]
fn payments_of_one_moment_have_places_one_after_the_other() {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    let table = include_str!("../migrations/0015_payments.sql");
    connection.execute_batch(table).expect("a table");
    let (buyer, seller) = (OrgId::new(), OrgId::new());
    let payment = || {
        let of = Paid::Run(RunId::new());
        Payment::new(of, (buyer, seller), 5).expect("five tokens")
    };
    let payments: Vec<_> = (0..500).map(|_| payment()).collect();
    payment::record(&connection, payments.iter()).expect("written");
    let places = "SELECT MAX(place) - MIN(place), COUNT(*) FROM payments";
    let (over, count): (i64, i64) = connection
        .query_row(places, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("read");
    assert_eq!((over, count), (499, 500));
    payment::record(&connection, [].iter()).expect("nothing");
    let again = payment::record(&connection, payments[..1].iter());
    assert!(again.is_err(), "it is paid for");
}

#[tokio::test]
async fn what_went_through_a_wallet_may_be_more_than_a_number_can_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(&folder).await;
    let (one, other) = (org(&store).await, org(&store).await);
    // A quarter of what can be counted, there and back, until the fees leave too little.
    credit(&store, one.org, i64::MAX as u64 / 3 * 2).await;
    for (buyer, seller) in [(&one, &other), (&other, &one)].repeat(9) {
        let tokens = i64::MAX as u64 / 4;
        let run = paid_run(buyer, seller, tokens);
        let settled = settle(&store, run, None, charged(tokens)).await;
        assert!(settled.is_ok_and(|it| it) || store.wallet(buyer.org).posted < tokens);
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
    credit(&store, buyer.org, 100).await;
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
