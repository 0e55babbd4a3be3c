//! How the database goes about what is asked often: by an index, however many rows there are.

use super::*;
use crate::sql::statements as s;
use crate::sql::{Connection, Statement, Value};

/// Asked for by requests, or by the writer for every run.
const HOT: [(&str, Statement); 79] = [
    ("KNOWN_KEY", s::KNOWN_KEY),
    ("KEY", s::KEY),
    ("KEYS", s::KEYS),
    ("KEY_HASHES", s::KEY_HASHES),
    ("REVOKE_KEY", s::REVOKE_KEY),
    ("ARTIFACT", s::ARTIFACT),
    ("ARTIFACT_NAMED", s::ARTIFACT_NAMED),
    ("MY_ARTIFACTS", s::MY_ARTIFACTS),
    ("UNUSED_UPLOADS", s::UNUSED_UPLOADS),
    ("NOTE_DISCARDED", s::NOTE_DISCARDED),
    ("TAKE_OLD_UPLOADS", s::TAKE_OLD_UPLOADS),
    ("IS_NAMED", s::IS_NAMED),
    ("RELEASES", s::RELEASES),
    ("RELEASE_OF_ARTIFACT", s::RELEASE_OF_ARTIFACT),
    ("RELEASES_BEFORE", s::RELEASES_BEFORE),
    ("RELEASE_LOG", s::RELEASE_LOG),
    ("COVER", s::COVER),
    ("ENTRIES", s::ENTRIES),
    ("SECRETS", s::SECRETS),
    ("RUN", s::RUN),
    ("RUNS", s::RUNS),
    ("RUNS_NAMED", s::RUNS_NAMED),
    ("REACH_OF_RUNS", s::REACH_OF_RUNS),
    ("REACH_OF_RUNS_NAMED", s::REACH_OF_RUNS_NAMED),
    ("REACH_OF_RUNS_OF_SESSION", s::REACH_OF_RUNS_OF_SESSION),
    ("RUNS_OF_SESSION", s::RUNS_OF_SESSION),
    ("RUN_INPUT", s::RUN_INPUT),
    ("RUN_LOGS", s::RUN_LOGS),
    ("RUN_SPANS", s::RUN_SPANS),
    ("UPLOADED_SPANS", s::UPLOADED_SPANS),
    ("FAILURES", s::FAILURES),
    ("NEXT_QUEUED", s::NEXT_QUEUED),
    ("QUEUED_BY_ORG", s::QUEUED_BY_ORG),
    ("CLAIM_RUN", s::CLAIM_RUN),
    ("CANCEL_QUEUED", s::CANCEL_QUEUED),
    ("FORGET_RUN", s::FORGET_RUN),
    ("DROP_INPUT", s::DROP_INPUT),
    ("RECORD_RUN", s::RECORD_RUN),
    ("END_RUN", s::END_RUN),
    ("ADD_USAGE", s::ADD_USAGE),
    ("PAYMENT_BY_REQUEST", s::PAYMENT_BY_REQUEST),
    ("LAST_PAYMENT", s::LAST_PAYMENT),
    ("INSERT_PAYMENT", s::INSERT_PAYMENT),
    ("PAYMENTS_OF_BUYER", s::PAYMENTS_OF_BUYER),
    ("PAYMENTS_OF_SELLER", s::PAYMENTS_OF_SELLER),
    ("PAYMENTS_OF_PLATFORM", s::PAYMENTS_OF_PLATFORM),
    ("GIVE_TOKENS", s::GIVE_TOKENS),
    ("TAKE_TOKENS", s::TAKE_TOKENS),
    ("ORG_POSTED", s::ORG_POSTED),
    ("SPENT", s::SPENT),
    ("SUBSCRIPTION_TO", s::SUBSCRIPTION_TO),
    ("SUBSCRIPTION", s::SUBSCRIPTION),
    ("SUBSCRIPTIONS", s::SUBSCRIPTIONS),
    ("IS_RUN_SUSPENDED", s::IS_RUN_SUSPENDED),
    ("KEPT_ANSWER", s::KEPT_ANSWER),
    ("EXPIRE_QUEUED", s::EXPIRE_QUEUED),
    // At each start, or in the writer's thread.
    ("FORGET_SLOT_OF_RUN", s::FORGET_SLOT_OF_RUN),
    ("END_SESSIONS_OF_KEY", s::END_SESSIONS_OF_KEY),
    ("SPENT_OF_PROJECT", s::SPENT_OF_PROJECT),
    ("SECRETS", s::SECRETS),
    ("HELD", s::HELD),
    ("LOSE_RUNNING", s::LOSE_RUNNING),
    ("PENDING_VALIDATIONS", s::PENDING_VALIDATIONS),
    ("RELEASED_DIGEST_AFTER", s::RELEASED_DIGEST_AFTER),
    ("UNCOUNT_OUTPUTS", s::UNCOUNT_OUTPUTS),
    ("PURGE_OUTPUTS", s::PURGE_OUTPUTS),
    ("UNCOUNT_LOGS", s::UNCOUNT_LOGS),
    ("PURGE_LOGS", s::PURGE_LOGS),
    ("UNCOUNT_SPANS", s::UNCOUNT_SPANS),
    ("PURGE_SPANS", s::PURGE_SPANS),
    ("UNCOUNT_UPLOADED_SPANS", s::UNCOUNT_UPLOADED_SPANS),
    ("PURGE_UPLOADED_SPANS", s::PURGE_UPLOADED_SPANS),
    ("UNCOUNT_ANSWERS", s::UNCOUNT_ANSWERS),
    ("PURGE_ANSWERS", s::PURGE_ANSWERS),
    ("UNCOUNT_FAILURES", s::UNCOUNT_FAILURES),
    ("PURGE_RUNS", s::PURGE_RUNS),
    ("PURGE_KEY_TEXTS", s::PURGE_KEY_TEXTS),
    ("PURGE_SESSIONS", s::PURGE_SESSIONS),
    ("PURGE_SUBSCRIPTIONS", s::PURGE_SUBSCRIPTIONS),
];

/// Partial indexes of the few rows that wait for something. Scanning one is quick.
const SHORT: [&str; 3] = ["runs_queued", "runs_running", "drafts_pending"];

/// Steps that scan values or the result of a subquery, and no table.
const NO_TABLES: [&str; 4] = [
    "SCAN CONSTANT ROW",
    "SCAN json_each",
    "SCAN found",
    "SCAN old",
];

/// The steps of SQLite's plan.
async fn steps(store: &Store, name: &'static str, statement: Statement) -> Vec<String> {
    let explained = format!("EXPLAIN QUERY PLAN {}", statement.on_sqlite());
    let explained = sqlite_only(explained.leak());
    let read = move |connection: &mut Connection| {
        let is_last = |place: &usize| statement.on_sqlite().contains(&format!("?{place}"));
        let values = (1..=40).rev().find(is_last).unwrap_or(0);
        let query = (0..values).fold(sql::query(explained), |query, _| query.bind(Value::Null));
        let rows = query.all(connection)?;
        rows.iter().map(|row| row.get("detail")).collect()
    };
    store.readers.read(read).await.expect(name)
}

#[tokio::test]
async fn what_is_asked_often_uses_an_index() {
    let Opened {
        store,
        folder: _kept,
    } = open().await;
    let mut slow = Vec::new();
    for (name, statement) in HOT {
        let text = statement.on_sqlite();
        for step in steps(&store, name, statement).await {
            // A scan is short if its index is short or a limit ends it.
            let is_short = SHORT.iter().any(|it| step.ends_with(it)) || text.contains("LIMIT");
            let walks = step.starts_with("SCAN") && !is_short;
            let is_table = !NO_TABLES.iter().any(|it| step.starts_with(it));
            if walks && is_table {
                slow.push(format!("{name}: {step}"));
            }
            // A page is read in its order, and not sorted out of all there is.
            let sorts = step.contains("TEMP B-TREE") && text.contains("LIMIT");
            if sorts {
                slow.push(format!("{name}: {step}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

/// Each of these statements uses the index that was made for it.
#[tokio::test]
async fn what_an_org_can_make_millions_of_is_found_by_its_own_index() {
    let Opened {
        store,
        folder: _kept,
    } = open().await;
    for (name, statement, index) in [
        (
            "FORGET_SLOT_OF_RUN",
            s::FORGET_SLOT_OF_RUN,
            "idempotency_of_run",
        ),
        (
            "END_SESSIONS_OF_KEY",
            s::END_SESSIONS_OF_KEY,
            "sessions_of_key",
        ),
        ("SPENT", s::SPENT, "spent_days"),
        ("SPENT_OF_PROJECT", s::SPENT_OF_PROJECT, "spent_days"),
    ] {
        let mut steps = steps(&store, name, statement).await.into_iter();
        assert!(steps.any(|step| step.contains(index)), "{name}");
    }
}

/// Columns that can be long. SQLite reads a row through all that stands before a column: behind a description of a
/// megabyte, six bytes took the writer a millisecond.
const LONG: [&str; 13] = [
    "about",
    "body",
    "cut",
    "failure",
    "lines",
    "log",
    "notes",
    "output",
    "spans",
    "svg",
    "terms",
    "usage",
    "violations",
];

#[tokio::test]
async fn nothing_short_stands_behind_what_can_be_long() {
    let Opened {
        store,
        folder: _kept,
    } = open().await;
    let columns = sqlite_only(
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' ORDER BY t.name, c.cid",
    );
    let read = move |connection: &mut Connection| sql::query(columns).pairs(connection);
    let columns: Vec<(String, String)> = store.readers.read(read).await.expect("read");
    assert!(columns.len() > 100, "{columns:?}");
    for pair in columns.windows(2) {
        let [(table, before), (next, column)] = pair else {
            continue;
        };
        let is_long = |name: &String| LONG.contains(&name.as_str()) || name == "widens";
        let is_behind = table == next && is_long(before) && !is_long(column);
        assert!(!is_behind, "{table}.{column} stands behind {before}");
    }
}
