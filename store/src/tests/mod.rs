//! The store on a real database in a folder of its own.

mod caps;
mod engines;
mod log;
mod money;
mod pages;
mod payments;
mod plans;
mod quota;
mod replays;
mod rotation;
mod secrets;
mod sessions;
mod subscriptions;
mod uploads;
mod usage;

use crate::sql::{self, sqlite, sqlite_only, statements};
use crate::*;
use serde_json::{Value, json};
use std::time::Duration;

struct Opened {
    store: Store,
    folder: tempfile::TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open_in(&folder).await.expect("opens");
    Opened { store, folder }
}

async fn open_in(folder: &tempfile::TempDir) -> Result<Store, OpenError> {
    let settings = Settings {
        folder: folder.path().to_owned(),
        master_key: None,
        fee_basis_points: 0,
        caps: Caps::default(),
    };
    Store::open(settings).await
}

async fn org(store: &Store) -> NewOrg {
    let made = store.create_org(somebody(), "acme".to_owned()).await;
    made.expect("made")
}

const NO_LIMIT: Quota = Quota {
    artifacts: u64::MAX,
    stored_bytes: u64::MAX,
};

/// An actor that is no other.
fn somebody() -> Actor {
    Actor {
        owner: Owner {
            org: OrgId::new(),
            project: ProjectId::new(),
        },
        key: KeyId::new(),
    }
}

/// Whoever has an org's first key.
fn actor(made: &NewOrg) -> Actor {
    Actor {
        owner: made.owner,
        key: made.key.key.id,
    }
}

fn new_run(made: &NewOrg, artifact: ArtifactId) -> NewRun {
    NewRun {
        id: RunId::new(),
        owner: made.owner,
        key: made.key.key.id,
        session: None,
        artifact,
        release: None,
        digest: Digest::of(b"tool"),
        function: None,
        external_id: Some("mine".to_owned()),
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

async fn keep(store: &Store, made: &NewOrg, bytes: &'static [u8]) -> NewDraft {
    let kept = store
        .keep_tool(made.owner.org, bytes.into(), NO_LIMIT)
        .await;
    match kept.expect("kept") {
        Kept::Kept(draft) => draft,
        over => panic!("{over:?}"),
    }
}

fn tool_file(folder: &tempfile::TempDir, digest: Digest) -> std::path::PathBuf {
    let name = digest.to_string().replace("sha256:", "");
    let shard = folder.path().join("tools").join(&name[..2]);
    shard.join(format!("{name}.wasm"))
}

fn draft(bytes: &[u8]) -> NewDraft {
    NewDraft {
        digest: Digest::of(bytes),
        size_bytes: bytes.len() as u64,
    }
}

/// Publishes the draft of those bytes, which says that of itself.
async fn publish(store: &Store, place: (OrgId, ArtifactId), bytes: &[u8], about: &Value) {
    let admitted = VerdictRecord {
        status: VerdictStatus::Admitted,
        violations: json!([]),
        notes: json!([]),
        about: Some(with_terms(about)),
        version: None,
    };
    assert!(store.ask_validation(place).await.expect("written"));
    let recorded = store.record_verdict(place, Digest::of(bytes), admitted, String::new());
    assert!(recorded.await.expect("written"));
    let published = store.publish(place, Some("<svg/>".to_owned()), nothing_wider);
    let published = published.await.expect("written");
    assert!(matches!(published, Published::Made(_)), "{published:?}");
}

/// The same of a tool that asks for nothing.
fn with_terms(about: &Value) -> Value {
    let mut about = about.clone();
    about["price"] = 0.into();
    about["subscription_price"] = 0.into();
    about["egress"] = json!([]);
    about["credentials"] = json!([]);
    about
}

fn nothing_wider(_: &Terms, _: &Terms) -> serde_json::Value {
    serde_json::json!([])
}

fn succeeded(output: &str) -> Finish {
    Finish {
        status: FinishStatus::Succeeded,
        failure: None,
        usage: Some(RunUsage {
            wall_us: 1,
            ..RunUsage::default()
        }),
        charged: 0,
        output: Some(output.to_owned()),
        keeps_output: true,
        logs: Some("[]".to_owned()),
        spans: Some("[]".to_owned()),
        uploaded_spans: None,
        started_at: Some(Time::now()),
        finished_at: Time::now(),
    }
}

/// Settles a run, for which nothing need be held.
/// A statement of a test's own, past everything.
async fn execute(store: &Store, statement: &'static str) -> Result<(), StoreError> {
    let work = store.writer.write(move |transaction| {
        sql::query(sqlite_only(statement)).execute(transaction)?;
        Ok(())
    });
    work.await
}

async fn settle(
    store: &Store,
    run: NewRun,
    attempt: Option<i64>,
    finish: Finish,
) -> Result<bool, StoreError> {
    let hold = store.hold(run.payer(), 0, Time::now()).await?;
    settle_held(store, run, attempt, finish, hold.expect("nothing")).await
}

async fn settle_held(
    store: &Store,
    run: NewRun,
    attempt: Option<i64>,
    finish: Finish,
    hold: Hold,
) -> Result<bool, StoreError> {
    let settlement = Settlement {
        run,
        attempt,
        finish,
        hold,
    };
    match store.settle(Box::new(settlement)).await {
        Ok(Settled::Recorded(..)) => Ok(true),
        Ok(Settled::Before) => Ok(false),
        Err(not_settled) => Err(not_settled.error),
    }
}

#[tokio::test]
async fn one_folder_serves_one_store() {
    let opened = open().await;
    let error = open_in(&opened.folder).await.expect_err("in use");
    assert!(
        error.to_string().contains("in use by another server"),
        "{error}"
    );
    opened.store.close().await;
    open_in(&opened.folder)
        .await
        .expect("free again")
        .close()
        .await;
}

#[tokio::test]
async fn a_wrong_master_key_does_not_open() {
    let opened = open().await;
    opened.store.close().await;
    let settings = |text: &str| Settings {
        folder: opened.folder.path().to_owned(),
        master_key: Some(text.to_owned().into()),
        fee_basis_points: 0,
        caps: Caps::default(),
    };
    let wrong = Store::open(settings(&"0".repeat(64))).await;
    assert!(
        matches!(wrong, Err(OpenError::Vault(VaultError::WrongMasterKey))),
        "{wrong:?}"
    );
    let malformed = Store::open(settings("abc")).await;
    assert!(matches!(
        malformed,
        Err(OpenError::Folder(FolderError::KeyMalformed(_)))
    ));
    let right = std::fs::read_to_string(opened.folder.path().join("master.key")).expect("a key");
    Store::open(settings(&right))
        .await
        .expect("the right key")
        .close()
        .await;
}

#[tokio::test]
async fn a_master_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let opened = open().await;
    opened.store.close().await;
    let key = opened.folder.path().join("master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let error = open_in(&opened.folder).await.expect_err("exposed");
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let opened = open().await;
    opened.store.close().await;
    let file = opened.folder.path().join("tollgate.db");
    let mut connection = sqlite::open(&file).expect("opened");
    let newer = "PRAGMA user_version = 999";
    connection.batch(newer).expect("set");
    drop(connection);
    let error = open_in(&opened.folder).await.expect_err("newer");
    assert!(
        matches!(error, OpenError::Schema(MigrateError::Newer)),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_is_known_until_it_is_revoked_or_replaced() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let made = org(&store).await;
    let known = store
        .known_key(&made.key.text)
        .await
        .expect("read")
        .expect("known");
    assert_eq!(
        (known.owner.org, known.owner.project, known.key),
        (made.owner.org, made.owner.project, made.key.key.id)
    );
    assert_eq!(store.known_key(&KeyText::new()).await.expect("read"), None);

    let overlap = Duration::from_secs(60);
    let rotated = store
        .rotate_key(actor(&made), made.key.key.id, overlap)
        .await
        .expect("written")
        .expect("there");
    for text in [&made.key.text, &rotated.text] {
        assert!(store.known_key(text).await.expect("read").is_some());
    }
    let again = store
        .rotate_key(actor(&made), made.key.key.id, Duration::ZERO)
        .await
        .expect("written")
        .expect("there");
    for text in [&made.key.text, &rotated.text] {
        assert!(store.known_key(text).await.expect("read").is_none());
    }
    assert!(
        store
            .revoke_key(actor(&made), made.key.key.id)
            .await
            .expect("written")
    );
    assert!(store.known_key(&again.text).await.expect("read").is_none());
    assert!(
        store
            .rotate_key(actor(&made), made.key.key.id, overlap)
            .await
            .expect("written")
            .is_none()
    );
    assert!(
        !store
            .revoke_key(actor(&made), KeyId::new())
            .await
            .expect("written")
    );
}

#[tokio::test]
async fn a_draft_becomes_a_release_once_it_is_admitted() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let made = org(&store).await;
    let draft = keep(&store, &made, b"tool").await;
    let digest = draft.digest;
    let owner = made.owner;
    let Upload::Made(id) = store
        .create_artifact(owner, "a".to_owned(), draft, NO_LIMIT)
        .await
        .expect("written")
    else {
        panic!("the name is free");
    };
    assert_eq!(
        store
            .create_artifact(owner, "a".to_owned(), draft, NO_LIMIT)
            .await
            .expect("written"),
        Upload::NameTaken(id)
    );
    let place = (made.owner.org, id);
    let second = store.put_draft(place, draft, NO_LIMIT).await;
    assert_eq!(second.expect("written"), Drafted::Exists);
    assert_eq!(
        store
            .publish(place, Some("<svg/>".to_owned()), nothing_wider)
            .await
            .expect("written"),
        Published::NotAdmitted(None)
    );
    let admitted = |version: Option<&str>| VerdictRecord {
        status: VerdictStatus::Admitted,
        violations: serde_json::json!([]),
        notes: serde_json::json!([]),
        about: Some(with_terms(&serde_json::json!({"description": "a tool"}))),
        version: version.map(str::to_owned),
    };
    let mut versions = Vec::new();
    for wanted in [None, Some("1.0.0"), None, Some("1.0.0")] {
        store
            .put_draft(place, draft, NO_LIMIT)
            .await
            .expect("written");
        assert!(store.ask_validation(place).await.expect("written"));
        assert!(!store.ask_validation(place).await.expect("asked already"));
        assert_eq!(
            store.pending_validations().await.expect("read"),
            vec![place]
        );
        let other =
            store.record_verdict(place, Digest::of(b"other"), admitted(wanted), String::new());
        assert!(!other.await.expect("written"), "a verdict of other bytes");
        let recorded = store.record_verdict(place, digest, admitted(wanted), "log".to_owned());
        assert!(recorded.await.expect("written"));
        match store
            .publish(place, Some("<svg/>".to_owned()), nothing_wider)
            .await
            .expect("written")
        {
            Published::Made(shown) => versions.push(shown.release.version),
            other => assert_eq!(other, Published::VersionExists("1.0.0".to_owned())),
        }
    }
    assert_eq!(versions, ["0.0.1", "1.0.0", "0.0.3"]);
    let back = store
        .activate(place, None)
        .await
        .expect("written")
        .expect("one before");
    assert_eq!(back.release.version, "1.0.0");
    let active = store
        .artifact(id)
        .await
        .expect("read")
        .expect("there")
        .active
        .clone()
        .expect("active");
    assert_eq!(
        (active.id, active.version.as_str()),
        (back.release.id, "1.0.0")
    );
    assert!(
        store
            .activate(place, None)
            .await
            .expect("written")
            .is_some()
    );
    assert!(
        store
            .activate(place, None)
            .await
            .expect("written")
            .is_none(),
        "nothing before the first"
    );
}

#[tokio::test]
async fn a_secret_is_kept_sealed_and_the_artifact_s_own_wins() {
    let Opened { store, folder } = open().await;
    let made = org(&store).await;
    let owner = made.owner;
    let artifact = ArtifactId::new();
    for (scope, value) in [
        (None, "of-the-project-0123"),
        (Some(artifact), "of-the-artifact-0123"),
    ] {
        let scope = EntryScope {
            owner,
            artifact: scope,
        };
        let new = NewEntry {
            name: "KEY".to_owned(),
            value: value.to_owned().into(),
            hosts: vec!["a.example".to_owned()],
            allow_expose: false,
        };
        let entry = store.set_entry(scope, new).await.expect("written");
        assert_eq!(entry.last4, "0123");
    }
    let value = async |artifact| {
        let secrets = store.secrets(owner, artifact, ["KEY"]).await.expect("read");
        secrecy::ExposeSecret::expose_secret(&secrets["KEY"].value).to_owned()
    };
    assert_eq!(value(artifact).await, "of-the-artifact-0123");
    assert_eq!(value(ArtifactId::new()).await, "of-the-project-0123");
    let all = store.entries(owner, None, 1).await.expect("read");
    assert_eq!((all.items.len(), all.next.is_some()), (1, true));
    let rest = store.entries(owner, all.next, 1).await.expect("read");
    assert_eq!((rest.items[0].artifact, rest.next), (Some(artifact), None));
    for file in ["tollgate.db", "tollgate.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|it| it == b"of-the-"), "{file}");
    }
    let scope = EntryScope {
        owner,
        artifact: Some(artifact),
    };
    store
        .delete_entry(scope, "KEY".to_owned())
        .await
        .expect("written");
    assert_eq!(value(artifact).await, "of-the-project-0123");
}

#[tokio::test]
async fn rows_of_secrets_cannot_be_exchanged() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let made = org(&store).await;
    let project = made.owner;
    for name in ["ONE", "TWO"] {
        let new = NewEntry {
            name: name.to_owned(),
            value: format!("secret of {name}").into(),
            hosts: Vec::new(),
            allow_expose: false,
        };
        let scope = EntryScope {
            owner: project,
            artifact: None,
        };
        store.set_entry(scope, new).await.expect("written");
    }
    let swap =
        "UPDATE environment SET sealed = (SELECT sealed FROM environment WHERE name = 'TWO')";
    execute(&store, swap).await.expect("swapped");
    assert!(
        store
            .secrets(project, ArtifactId::new(), ["ONE", "TWO"])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn queued_runs_are_taken_up_in_order_and_a_late_writer_is_refused() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let (one, other) = (org(&store).await, org(&store).await);
    let artifact = ArtifactId::new();
    let runs = [&one, &one, &other].map(|made| new_run(made, artifact));
    for run in &runs {
        store
            .queue_run(run.clone(), "{}".to_owned(), None, u64::MAX)
            .await
            .expect("queued");
    }
    let passed_over = store
        .claim_run(&[one.owner.org])
        .await
        .expect("written")
        .expect("one of the other's");
    assert_eq!(passed_over.run, runs[2]);
    let claimed = store
        .claim_run(&[])
        .await
        .expect("written")
        .expect("the first");
    assert_eq!((claimed.run.id, claimed.input.as_str()), (runs[0].id, "{}"));
    for expected in [true, false] {
        let requeued = store.requeue_run(claimed.run.owner, claimed.run.id, claimed.attempt);
        let requeued = requeued.await.expect("written");
        assert_eq!(requeued, expected, "the second time it waits already");
    }
    let again = store
        .claim_run(&[])
        .await
        .expect("written")
        .expect("the first again");
    assert_eq!(
        (again.run.id, again.attempt),
        (runs[0].id, claimed.attempt + 1)
    );
    let late = settle(&store, claimed.run, Some(claimed.attempt), succeeded("1"));
    assert!(
        !late.await.expect("written"),
        "an earlier start must not end a later one"
    );
    let ended = settle(&store, again.run, Some(again.attempt), succeeded("2"));
    assert!(ended.await.expect("written"));
    let record = store
        .whole_run(runs[0].owner, runs[0].id)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        (record.status.name(), record.output.as_deref()),
        ("SUCCEEDED", Some("2"))
    );
    assert!(
        store
            .whole_run(runs[2].owner, runs[0].id)
            .await
            .expect("read")
            .is_none()
    );
    assert!(
        store
            .cancel_queued(runs[1].owner, runs[1].id)
            .await
            .expect("written")
    );
    assert!(
        !store
            .cancel_queued(runs[1].owner, runs[1].id)
            .await
            .expect("written")
    );
}

#[tokio::test]
async fn a_run_that_a_server_died_at_is_lost_and_a_queued_one_goes_on() {
    let opened = open().await;
    let made = org(&opened.store).await;
    let (running, queued) = (
        new_run(&made, ArtifactId::new()),
        new_run(&made, ArtifactId::new()),
    );
    let slot = Slot::new(running.owner, "POST", "/v1/artifacts/x/run", "once");
    let answer = KeptAnswer {
        body_sha256: [1; 32],
        run: Some(running.id),
        status: None,
        location: None,
        body: None,
        is_long: false,
        scope: None,
    };
    opened
        .store
        .begin_run(running.clone(), Some((slot, answer.clone())))
        .await
        .expect("begun");
    opened
        .store
        .queue_run(queued.clone(), "{}".to_owned(), None, u64::MAX)
        .await
        .expect("queued");
    opened.store.close().await;
    let store = open_in(&opened.folder).await.expect("opens");
    assert_eq!(store.lose_running().await.expect("written"), 1);
    let lost = store
        .whole_run(running.owner, running.id)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        (lost.status.name(), &lost.failure.expect("a failure").kind),
        ("FAILED", &"lost".into())
    );
    let hour_ago = Time::now().before(Duration::from_secs(3600));
    assert_eq!(
        store.kept_answer(slot, hour_ago).await.expect("read"),
        Some(answer)
    );
    assert_eq!(
        store
            .claim_run(&[])
            .await
            .expect("written")
            .map(|it| it.run),
        Some(queued)
    );
    let failures = store
        .failures((running.owner.org, running.artifact), None, 10)
        .await
        .expect("read");
    assert_eq!(failures.items.len(), 1);
}

#[tokio::test]
async fn time_ends_what_waits_and_forgets_what_is_old() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let made = org(&store).await;
    let now = Duration::ZERO;
    let long = Duration::from_secs(3600);
    let keep = Retention {
        outputs: long,
        logs: long,
        runs: long,
        answers: long,
        queued: long,
    };
    let (queued, ended) = (
        new_run(&made, ArtifactId::new()),
        new_run(&made, ArtifactId::new()),
    );
    store
        .queue_run(queued.clone(), "{}".to_owned(), None, u64::MAX)
        .await
        .expect("queued");
    settle(&store, ended.clone(), None, succeeded("1"))
        .await
        .expect("ended");
    assert_eq!(store.expire_queued(keep).await.expect("written"), 0);
    store.purge(keep).await.expect("written");
    let read = async |run: &NewRun| store.whole_run(run.owner, run.id).await.expect("read");
    assert!(read(&ended).await.expect("kept").output.is_some());
    let spans = store
        .run_spans(made.owner.org, ended.id)
        .await
        .expect("read");
    assert_eq!(spans.as_deref(), Some("[]"));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(
        store
            .expire_queued(Retention {
                queued: now,
                ..keep
            })
            .await
            .expect("written"),
        1
    );
    assert_eq!(
        read(&queued)
            .await
            .expect("there")
            .failure
            .expect("why")
            .kind,
        "expired"
    );
    store
        .purge(Retention {
            outputs: now,
            logs: now,
            ..keep
        })
        .await
        .expect("written");
    assert!(read(&ended).await.expect("kept").output.is_none());
    let logs = store
        .run_logs(made.owner.org, ended.id)
        .await
        .expect("read");
    let spans = store
        .run_spans(made.owner.org, ended.id)
        .await
        .expect("read");
    assert_eq!((logs, spans), (None, None));
    store
        .purge(Retention { runs: now, ..keep })
        .await
        .expect("written");
    assert!(read(&ended).await.is_none());
}

#[tokio::test]
async fn a_command_that_fails_or_panics_leaves_nothing_and_harms_no_other() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let failing = store.writer.write(|transaction| {
        transaction.batch("INSERT INTO meta (name, value) VALUES ('half', x'00')")?;
        transaction.batch("INSERT INTO nothing VALUES (1)")?;
        Ok(())
    });
    let panicking = store.writer.write::<()>(|_| panic!("a fault of ours"));
    let fine = store.create_org(somebody(), "fine".to_owned());
    let (failed, panicked, fine) = tokio::join!(failing, panicking, fine);
    assert!(failed.is_err() && panicked.is_err() && fine.is_ok());
    let half = sql::query(statements::META).bind("half");
    let half: Option<Vec<u8>> = store.readers.optional_scalar(half).await.expect("read");
    assert_eq!(half, None);
}

#[tokio::test]
async fn a_damaged_file_is_never_handed_out() {
    let Opened { store, folder } = open().await;
    let made = org(&store).await;
    let digest = keep(&store, &made, b"tool").await.digest;
    assert_eq!(keep(&store, &made, b"tool").await.digest, digest);
    std::fs::write(tool_file(&folder, digest), b"loot").expect("altered");
    assert!(matches!(
        store.tool(&digest).await,
        Err(StoreError::FileDamaged(_))
    ));
}
