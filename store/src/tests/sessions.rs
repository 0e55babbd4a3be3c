//! Sessions: what they may do is counted exactly, and survives the server.

use super::*;

pub(super) async fn made(store: &Store, org: &NewOrg, cap: u64, runs_max: u64) -> SessionMade {
    let new = new_session(org, cap, runs_max);
    let made = store.create_session(org.owner, new).await;
    made.expect("made")
}

pub(super) fn new_session(org: &NewOrg, cap: u64, runs_max: u64) -> NewSession {
    NewSession {
        key: org.key.key.id,
        key_sha256: org.key.text.hash(),
        artifacts: vec![ArtifactId::new(), ArtifactId::new()],
        cap,
        runs_max,
        lasts: Duration::from_secs(3600),
    }
}

/// A run of a session's first artifact.
fn run(org: &NewOrg, session: &Session, price: u64) -> NewRun {
    NewRun {
        session: Some(session.id),
        price,
        seller: (price > 0).then_some(org.owner.org),
        ..new_run(org, session.artifacts[0])
    }
}

async fn hold(store: &Store, run: &NewRun) -> Result<Hold, NotHeld> {
    let held = store.hold(run.payer(), run.price, run.created_at);
    held.await.expect("read")
}

async fn used(store: &Store, org: &NewOrg, session: &Session) -> (u64, u64) {
    let found = store.session(org.owner, session.id).await;
    let found = found.expect("read").expect("there");
    (found.spent, found.runs_used)
}

async fn credited(store: &Store, org: &NewOrg) {
    let credit = Credit {
        org: org.owner.org,
        tokens: 1000,
        reason: "test".to_owned(),
        request_sha256: None,
    };
    let credited = store.credit(actor(org), credit).await;
    credited.expect("written");
}

#[tokio::test]
async fn a_token_is_of_its_session_until_that_or_its_key_is_taken_back() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let (caller, stranger) = (org(&store).await, org(&store).await);
    let [one, other] = [
        made(&store, &caller, 10, 1).await,
        made(&store, &caller, 10, 1).await,
    ];
    let known = async |token: &str| store.known_session(token).await.expect("read");
    let found = known(&one.token).await.expect("good");
    assert_eq!(
        (found.id, &found.artifacts, found.key.key),
        (one.session.id, &one.session.artifacts, caller.key.key.id)
    );
    assert!(found.key.scopes.is_empty() && !found.key.is_suspended);
    let revoke = async |of: &NewOrg, id| {
        let revoked = store.revoke_session(of.owner, id).await;
        revoked.expect("written")
    };
    assert!(!revoke(&stranger, one.session.id).await);
    assert!(known(&one.token).await.is_ok());
    for _ in 0..2 {
        assert!(revoke(&caller, one.session.id).await);
        assert_eq!(known(&one.token).await, Err(TokenRefused::Invalid));
    }
    for target in [
        Suspendable::Org(caller.owner.org),
        Suspendable::Key(caller.key.key.id),
    ] {
        for is_suspended in [true, false] {
            store
                .set_suspended(actor(&caller), target, is_suspended)
                .await
                .expect("written");
            let found = known(&other.token).await.expect("good");
            assert_eq!(found.key.is_suspended, is_suspended, "{target:?}");
        }
    }
    assert!(
        store
            .revoke_key(actor(&caller), caller.key.key.id)
            .await
            .expect("written")
    );
    assert_eq!(known(&other.token).await, Err(TokenRefused::Invalid));
}

#[tokio::test]
async fn runs_and_tokens_are_counted_once_each_and_survive_a_restart() {
    let Opened { store, folder } = open().await;
    let buyer = org(&store).await;
    credited(&store, &buyer).await;
    let session = made(&store, &buyer, 25, 4).await.session;
    let ended = |status, charged, started_at| Finish {
        status,
        charged,
        started_at,
        ..succeeded("1")
    };
    let now = Some(Time::now());
    // Of these two were started.
    for finish in [
        ended(FinishStatus::Succeeded, 5, now),
        ended(FinishStatus::Failed, 0, now),
        ended(FinishStatus::Cancelled, 0, None),
    ] {
        let run = run(&buyer, &session, 5);
        let hold = hold(&store, &run).await.expect("there is room");
        let settled = settle_held(&store, run, None, finish, hold).await;
        assert!(settled.expect("written"));
    }
    assert_eq!(used(&store, &buyer, &session).await, (5, 2));
    // One is queued, one was and is cancelled.
    for is_cancelled in [false, true] {
        let run = run(&buyer, &session, 20);
        hold(&store, &run).await.expect("there is room").keep();
        let (owner, id) = (run.owner, run.id);
        store
            .queue_run(run, "{}".to_owned(), None, u64::MAX)
            .await
            .expect("written");
        assert_eq!(used(&store, &buyer, &session).await, (25, 3));
        if !is_cancelled {
            assert!(store.cancel_queued(owner, id).await.expect("written"));
        }
    }
    let too_dear = hold(&store, &run(&buyer, &session, 1)).await.map(drop);
    assert_eq!(too_dear, Err(NotHeld::Session));
    drop(
        hold(&store, &run(&buyer, &session, 0))
            .await
            .expect("the fourth, for nothing"),
    );
    store.close().await;
    let store = open_in(&folder).await.expect("opens");
    store.lose_running().await.expect("written");
    assert_eq!(used(&store, &buyer, &session).await, (25, 3));
    let claimed = store.claim_run(&[]).await.expect("written");
    let claimed = claimed.expect("the queued one");
    assert_eq!(claimed.run.session, Some(session.id));
    let held = store.take_up_hold(&claimed.run);
    let finish = ended(FinishStatus::Failed, 0, now);
    let attempt = Some(claimed.attempt);
    let written = settle_held(&store, claimed.run, attempt, finish, held);
    assert!(written.await.expect("written"));
    assert_eq!(used(&store, &buyer, &session).await, (5, 3));
    let last = hold(&store, &run(&buyer, &session, 20))
        .await
        .expect("the fourth");
    let fifth = hold(&store, &run(&buyer, &session, 0)).await.map(drop);
    assert_eq!(fifth, Err(NotHeld::Session));
    drop(last);
    let filter = |session| RunFilter {
        session,
        ..RunFilter::default()
    };
    let owner = buyer.owner;
    for (of, count) in [
        (Some(session.id), 5),
        (Some(SessionId::new()), 0),
        (None, 5),
    ] {
        let page = store
            .runs(owner, filter(of), None, 100)
            .await
            .expect("read");
        assert_eq!(page.items.len(), count, "{of:?}");
    }
}

#[tokio::test]
async fn a_session_is_kept_as_long_as_records_of_runs() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let caller = org(&store).await;
    let owner = caller.owner;
    let new = NewSession {
        key: caller.key.key.id,
        key_sha256: caller.key.text.hash(),
        artifacts: Vec::new(),
        cap: 7,
        runs_max: 3,
        lasts: Duration::ZERO,
    };
    let made = store.create_session(owner, new).await.expect("made");
    let known = store.known_session(&made.token).await.expect("read");
    assert_eq!(known, Err(TokenRefused::Expired));
    let retention = |runs| Retention {
        outputs: Duration::ZERO,
        logs: Duration::ZERO,
        runs,
        answers: Duration::ZERO,
        queued: Duration::ZERO,
    };
    let there = async || store.session(owner, made.session.id).await.expect("read");
    store
        .purge(retention(Duration::from_secs(60)))
        .await
        .expect("written");
    // No longer from memory.
    assert_eq!(there().await.expect("there"), made.session);
    let refused = store.hold(
        run(
            &caller,
            &Session {
                artifacts: vec![ArtifactId::new()],
                ..made.session.clone()
            },
            0,
        )
        .payer(),
        0,
        Time::now(),
    );
    let refused = refused.await.expect("read");
    assert_eq!(refused.map(drop), Err(NotHeld::Session));
    store
        .purge(retention(Duration::ZERO))
        .await
        .expect("written");
    assert_eq!(there().await, None);
}

/// Ended sessions count against the cap for a day. Revoking a session or its key ends the session at once.
#[tokio::test]
async fn a_session_that_is_taken_back_ends_then() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let caller = org(&store).await;
    let [first, second] = [
        made(&store, &caller, 10, 1).await.session,
        made(&store, &caller, 10, 1).await.session,
    ];
    let ends = async |id: SessionId| -> Time {
        let ends = sqlite_only("SELECT expires_at FROM sessions WHERE session_id = ?1");
        let ends = store.readers.scalar(sql::query(ends).bind(id)).await;
        ends.expect("a row")
    };
    let owner = caller.owner;
    assert!(
        store
            .revoke_session(owner, first.id)
            .await
            .expect("written")
    );
    assert!(ends(first.id).await <= Time::now());
    assert!(ends(second.id).await > Time::now());
    let revoked = store.revoke_key(actor(&caller), caller.key.key.id);
    assert!(revoked.await.expect("written"));
    assert!(ends(second.id).await <= Time::now());
}

/// An org takes one of the few connections for lists, and its next list waits for it.
#[tokio::test]
async fn an_org_s_lists_leave_a_connection_for_the_others() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let (noisy, quiet) = (OrgId::new(), OrgId::new());
    let readers = &store.list_readers;
    let first = readers.acquire(noisy).await.expect("a connection");
    let again = tokio::time::timeout(Duration::from_millis(50), readers.acquire(noisy));
    assert!(again.await.is_err(), "the org has one");
    drop(readers.acquire(quiet).await.expect("another connection"));
    drop(first);
    drop(readers.acquire(noisy).await.expect("its turn"));
}

#[tokio::test]
async fn a_list_that_takes_too_long_is_ended() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT i FROM n WHERE i < 0";
    let (org, readers) = (OrgId::new(), &store.list_readers);
    let reading = readers.read(org, move |connection| {
        sql::query(sqlite_only(endless)).optional(connection)
    });
    let error = reading.await.expect_err("ended");
    assert!(matches!(error, StoreError::TooLong), "{error}");
    let reading = readers.read(org, |connection| {
        sql::query(sqlite_only("SELECT 1")).scalar::<i64>(connection)
    });
    reading.await.expect("it has its time again");
}

/// A statement goes on after its caller has left, so its org keeps the turn.
#[tokio::test]
async fn a_list_whose_caller_left_keeps_its_turn_until_it_ends() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let (noisy, readers) = (OrgId::new(), &store.list_readers);
    let soon = Duration::from_millis(20);
    let long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000)
        SELECT i FROM n WHERE i < 0";
    let reading = readers.read(noisy, move |connection| {
        sql::query(sqlite_only(long)).optional(connection)
    });
    assert!(
        tokio::time::timeout(soon, reading).await.is_err(),
        "it is long"
    );
    let again = tokio::time::timeout(soon, readers.acquire(noisy));
    assert!(again.await.is_err(), "its statement goes on");
    drop(readers.acquire(noisy).await.expect("its turn"));
}
