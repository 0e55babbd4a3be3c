//! What an org may have of everything that it can make.

use super::*;
use crate::owner::Owner;
use crate::tenancy::caps::Rows;
use std::sync::Arc;

async fn capped(folder: &tempfile::TempDir, caps: Caps) -> Store {
    let settings = Settings {
        folder: folder.path().to_owned(),
        master_key: None,
        fee_basis_points: 0,
        caps,
    };
    Store::open(settings).await.expect("opens")
}

fn is_full<T: std::fmt::Debug>(ended: Result<T, StoreError>, named: &str, most: u64) {
    match ended {
        Err(StoreError::Full { what, limit }) => {
            assert_eq!((what, limit), (named, most));
        }
        other => panic!("{named}: {other:?}"),
    }
}

#[tokio::test]
async fn rows_are_made_up_to_their_cap_and_those_of_another_org_are_not_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let caps = Caps {
        projects: 3,
        keys: 4,
        sessions: 2,
        budgets: 2,
        ..Caps::default()
    };
    let store = capped(&folder, caps).await;
    let (one, other) = (org(&store).await, org(&store).await);
    let key = |name: &str| NewKey {
        name: name.to_owned(),
        scopes: Scopes::of([Scope::Run]),
    };
    for named in ["second", "third"] {
        let made = store.create_project(actor(&one), named.to_owned()).await;
        made.expect("made");
    }
    let made = store.create_project(actor(&one), "fourth".to_owned()).await;
    is_full(made, "projects", 3);
    // Each project has a key of its own, and one is left.
    let last = store.create_key(actor(&one), key("last")).await;
    let last = last.expect("made").key.id;
    is_full(store.create_key(actor(&one), key("more")).await, "keys", 4);
    // One that was revoked counts for a day: a loop of making and revoking ends, too.
    store.revoke_key(actor(&one), last).await.expect("written");
    is_full(store.create_key(actor(&one), key("more")).await, "keys", 4);
    store
        .create_key(actor(&other), key("free"))
        .await
        .expect("made");

    for _ in 0..2 {
        sessions::made(&store, &one, 10, 1).await;
    }
    let new = sessions::new_session(&one, 10, 1);
    is_full(store.create_session(one.owner, new).await, "sessions", 2);
    let owner = one.owner;
    let set = async |period| store.set_budget(owner, None, period, 5).await;
    set(Period::Day).await.expect("written");
    set(Period::Month).await.expect("written");
    set(Period::Day).await.expect("the same one again");
    let of_key = Some(one.key.key.id);
    let more = store.set_budget(owner, of_key, Period::Day, 5).await;
    is_full(more, "budgets", 2);
    let page = store.budgets(owner, None, 1).await.expect("read");
    let next = store.budgets(owner, page.next, 1).await.expect("read");
    assert_eq!(
        (page.items.len(), next.items.len(), next.next),
        (1, 1, None)
    );
}

#[tokio::test]
async fn counting_stops_at_the_cap() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let one = org(&store).await;
    let caps = Caps {
        sessions: 3,
        ..Caps::default()
    };
    for _ in 0..5 {
        sessions::made(&store, &one, 10, 1).await;
    }
    let org = one.owner.org;
    let checking = store
        .writer
        .write(move |transaction| caps.check(transaction, org, Rows::Sessions));
    is_full(checking.await, "sessions", 3);
}

#[tokio::test]
async fn a_key_is_rotated_so_often_in_a_day_and_no_more() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let one = org(&store).await;
    let (actor, id) = (actor(&one), one.key.key.id);
    for _ in 0..99 {
        let rotated = store.rotate_key(actor, id, Duration::ZERO).await;
        rotated.expect("written").expect("there");
    }
    let more = store.rotate_key(actor, id, Duration::ZERO).await;
    is_full(more.map(drop), "texts of one key in a day", 100);
}

#[tokio::test]
async fn what_runs_leave_is_cut_above_the_cap_and_forgotten_with_its_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let caps = Caps {
        kept_bytes: 1000,
        ..Caps::default()
    };
    let store = capped(&folder, caps).await;
    let caller = org(&store).await;
    let left = |bytes: usize| Finish {
        output: Some(format!("\"{}\"", "o".repeat(bytes))),
        logs: Some(format!("[\"{}\"]", "l".repeat(bytes))),
        spans: None,
        ..succeeded("1")
    };
    let kept = async || store.kept_bytes(caller.owner.org).await.expect("read").used;
    let settled = async |bytes| {
        let run = new_run(&caller, ArtifactId::new());
        let ended = settle(&store, run.clone(), None, left(bytes)).await;
        assert!(ended.expect("written"));
        let record = store.whole_run(run.owner, run.id).await.expect("read");
        let logs = store
            .run_logs(caller.owner.org, run.id)
            .await
            .expect("read");
        (record.expect("there"), logs)
    };
    let (whole, _) = settled(300).await;
    assert!(whole.cut.is_empty() && whole.output.is_some());
    assert_eq!(kept().await, 302 + 304);
    // The output fits, the log does not.
    let (half, logs) = settled(350).await;
    assert_eq!(
        (half.cut, half.output.is_some()),
        (vec!["logs".to_owned()], true)
    );
    assert!(logs.is_some_and(|text| text.contains("\"cut\":true")));
    let (record, _) = settled(1000).await;
    assert_eq!(record.cut, ["output", "logs"]);
    assert_eq!((record.status.name(), record.output), ("SUCCEEDED", None));
    let full = store.check_kept_bytes(caller.owner.org).await;
    is_full(full, "bytes of outputs, logs, spans and answers", 1000);
    store
        .check_kept_bytes(org(&store).await.owner.org)
        .await
        .expect("another org");
    let retention = Retention {
        outputs: Duration::ZERO,
        logs: Duration::ZERO,
        runs: Duration::from_secs(3600),
        answers: Duration::ZERO,
        queued: Duration::from_secs(3600),
    };
    store.purge(retention).await.expect("written");
    assert_eq!(kept().await, 0);
    store
        .check_kept_bytes(caller.owner.org)
        .await
        .expect("room again");
}

#[tokio::test]
async fn a_session_ends_with_the_text_of_the_key_that_made_it() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let caller = org(&store).await;
    let known = async |token: &str| store.known_session(token).await.expect("read").map(drop);
    let rotate = async |overlap| {
        let rotated = store
            .rotate_key(actor(&caller), caller.key.key.id, overlap)
            .await;
        rotated.expect("written").expect("there").text
    };
    let first = sessions::made(&store, &caller, 10, 1).await.token;
    assert_eq!(known(&first).await, Ok(()));
    let text = rotate(Duration::from_secs(60)).await;
    assert_eq!(
        known(&first).await,
        Ok(()),
        "the old text is good for a minute"
    );
    let by_text = |text: &KeyText| NewSession {
        key_sha256: text.hash(),
        ..sessions::new_session(&caller, 10, 1)
    };
    let owner = caller.owner;
    let made = store.create_session(owner, by_text(&text)).await;
    let second = made.expect("made").token;
    let text = rotate(Duration::ZERO).await;
    for token in [&first, &second] {
        assert_eq!(known(token).await, Err(TokenRefused::Invalid));
    }
    let made = store.create_session(owner, by_text(&text)).await;
    assert_eq!(known(&made.expect("made").token).await, Ok(()));
}

#[tokio::test]
async fn a_large_failure_is_counted_and_cut_as_an_output_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let caps = Caps {
        kept_bytes: 60_000,
        ..Caps::default()
    };
    let store = capped(&folder, caps).await;
    let caller = org(&store).await;
    let kept = async || store.kept_bytes(caller.owner.org).await.expect("read").used;
    let settled = async |bytes| {
        let run = new_run(&caller, ArtifactId::new());
        let failure = RecordedFailure {
            error: serde_json::value::to_raw_value(&"e".repeat(bytes)).ok(),
            ..RecordedFailure::new("error", "it failed")
        };
        let finish = Finish {
            output: None,
            logs: None,
            spans: None,
            failure: Some(failure),
            ..succeeded("1")
        };
        let ended = settle(&store, run.clone(), None, finish).await;
        assert!(ended.expect("written"));
        let record = store.whole_run(run.owner, run.id).await.expect("read");
        record.expect("there")
    };
    // A small one is a part of the record.
    settled(10_000).await;
    assert_eq!(kept().await, 0);
    let whole = settled(40_000).await;
    assert_eq!(
        whole
            .failure
            .expect("why")
            .error
            .map(|it| it.get().len() - 2),
        Some(40_000)
    );
    assert!(whole.cut.is_empty() && kept().await > 40_000);
    let before = kept().await;
    let cut = settled(40_000).await;
    assert_eq!(cut.cut, ["failure"]);
    assert_eq!(
        cut.failure,
        Some(RecordedFailure {
            cut: true,
            ..RecordedFailure::new("error", "it failed")
        })
    );
    assert_eq!(kept().await, before);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let now = Retention {
        outputs: Duration::ZERO,
        logs: Duration::ZERO,
        runs: Duration::ZERO,
        answers: Duration::ZERO,
        queued: Duration::ZERO,
    };
    store.purge(now).await.expect("written");
    assert_eq!(kept().await, 0);
}

/// Holds the writer until the sender is dropped.
fn hold_writer(store: &Arc<Store>) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let holding = store.writer.write(move |_| {
            let _ = held.lock().expect("held once").recv();
            Ok(())
        });
        holding.await.expect("done");
    });
    release
}

/// The writer serves everybody, so counting and parsing are done beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_wait_for_the_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let caps = Caps {
        sessions: 1,
        ..Caps::default()
    };
    let store = Arc::new(capped(&folder, caps).await);
    let one = org(&store).await;
    sessions::made(&store, &one, 10, 1).await;
    let owner = one.owner;
    let created = store.create_artifact(owner, "tool".to_owned(), draft(b"tool"), NO_LIMIT);
    let Upload::Made(artifact) = created.await.expect("written") else {
        panic!("the first")
    };
    let release = hold_writer(&store);
    let session = NewSession {
        key: one.key.key.id,
        key_sha256: [0; 32],
        artifacts: Vec::new(),
        cap: 1,
        runs_max: 1,
        lasts: Duration::from_secs(60),
    };
    let soon = Duration::from_secs(20);
    let refused = tokio::time::timeout(soon, store.create_session(owner, session)).await;
    is_full(refused.expect("without the writer"), "sessions", 1);
    let publishing = store.publish((one.owner.org, artifact), None, nothing_wider);
    let refused = tokio::time::timeout(soon, publishing).await;
    let refused = refused.expect("without the writer").expect("read");
    assert_eq!(refused, Published::NotAdmitted(None));
    drop(release);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_race_do_not_pass_a_cap_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let caps = Caps {
        sessions: 3,
        entries: 3,
        ..Caps::default()
    };
    let store = Arc::new(capped(&folder, caps).await);
    let one = org(&store).await;
    let owner = one.owner;
    let scope = EntryScope {
        owner,
        artifact: None,
    };
    let entry = |name: String| NewEntry {
        name,
        value: "0123456789abcdef".to_owned().into(),
        hosts: vec!["good.example".to_owned()],
        allow_expose: false,
    };
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (store, key) = (Arc::clone(&store), one.key.key.id);
        let entry = entry(format!("KEY_{number}"));
        racing.spawn(async move {
            let run = NewRun {
                owner,
                key,
                ..queued_run(owner)
            };
            let queued = store.queue_run(run, "{}".to_owned(), None, 6).await;
            let session = NewSession {
                key,
                key_sha256: [0; 32],
                artifacts: Vec::new(),
                cap: 1,
                runs_max: 1,
                lasts: Duration::from_secs(60),
            };
            let session = store.create_session(owner, session).await;
            let entry = store.set_entry(scope, entry).await;
            [queued.expect("written"), session.is_ok(), entry.is_ok()]
        });
    }
    let made = racing.join_all().await;
    for kind in 0..3 {
        let made = made.iter().filter(|made| made[kind]).count();
        assert_eq!(made, 3, "of {kind}");
    }
    let entries = store.entries(owner, None, 10).await.expect("read").items;
    let again = store.set_entry(scope, entry(entries[0].name.clone()));
    again
        .await
        .expect("one that is there is replaced at the cap");
}

fn queued_run(owner: Owner) -> NewRun {
    NewRun {
        id: RunId::new(),
        owner,
        key: KeyId::new(),
        session: None,
        artifact: ArtifactId::new(),
        release: None,
        digest: Digest::of(b"tool"),
        function: None,
        external_id: None,
        traceparent: None,
        timeout_ms: None,
        is_own: true,
        share_diagnostics: true,
        input_sha256: [7; 32],
        input_bytes: 2,
        created_at: Time::now(),
        price: 0,
        seller: None,
    }
}
