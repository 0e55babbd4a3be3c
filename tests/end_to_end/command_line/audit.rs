//! `tollgate audit`: says what does not add up.

use rusqlite::Connection;
use serde_json::json;
use std::path::Path;
use tollgate_tests::server::Server;
use tollgate_tests::{Ended, tollgate};

fn audit(data: &Path) -> Ended {
    tollgate(&["audit", "--data", data.to_str().expect("a path")])
}

/// Changes what a server that has ended left behind.
fn tamper(data: &Path, statement: &'static str) {
    let database = Connection::open(data.join("tollgate.db")).expect("a database");
    database.execute_batch(statement).expect("changed");
}

#[test]
fn a_difference_is_named_and_exits_1() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 100));
    let tool = seller.published("markdown");
    buyer.subscribe(&tool);
    let run = buyer.run(&tool, &json!({"input": {"markdown": "# Hello"}}));
    let run = run.expect(200)["run_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (data, folder) = (server.data(), server.kill());
    let good = audit(&data);
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""), "{good:?}");
    let org = &buyer.org;
    let wallet = format!("{org} has 1099 tokens, and its entries sum to 99");
    let payment = format!("{run} says that 1 tokens were charged, and its entries 2");
    let charge = format!("{run} says that 3 tokens were charged, and its entries 1");
    let status = format!("{run} was charged for, and is FAILED");
    for (label, change, undo, named) in [
        (
            "a wallet",
            "UPDATE wallets SET posted = posted + 1000 WHERE posted = 99",
            "UPDATE wallets SET posted = posted - 1000 WHERE posted = 1099",
            &wallet,
        ),
        (
            "a payment",
            "UPDATE payments SET tokens = tokens + 1 WHERE run_id IS NOT NULL",
            "UPDATE payments SET tokens = tokens - 1 WHERE run_id IS NOT NULL",
            &payment,
        ),
        (
            "a record's charge",
            "UPDATE runs SET charged = charged + 2",
            "UPDATE runs SET charged = charged - 2",
            &charge,
        ),
        (
            "a record's status",
            "UPDATE runs SET status = 'FAILED'",
            "UPDATE runs SET status = 'SUCCEEDED'",
            &status,
        ),
    ] {
        tamper(&data, change);
        let found = audit(&data);
        assert_eq!(found.code, Some(1), "{label}: {found:?}");
        let told = format!("{}{}", found.stdout, found.stderr);
        assert!(told.contains(named.as_str()), "{label}: {found:?}");
        assert!(!told.contains("everything adds up"), "{label}: {found:?}");
        tamper(&data, undo);
        assert_eq!(audit(&data).code, Some(0), "{label}, undone");
    }
    drop(folder);
}
