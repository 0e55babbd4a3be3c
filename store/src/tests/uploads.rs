//! Files of tools: there as long as something names them, and not much longer.

use super::*;

const AT_ONCE: Duration = Duration::ZERO;
const SMALL: Quota = Quota {
    artifacts: u64::MAX,
    stored_bytes: 10,
};

async fn create(store: &Store, made: &NewOrg, name: &str, draft: NewDraft) -> ArtifactId {
    let owner = made.owner;
    let created = store.create_artifact(owner, name.to_owned(), draft, NO_LIMIT);
    match created.await.expect("written") {
        Upload::Made(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn removed(store: &Store) -> u64 {
    let removing = store.remove_tools_unnamed_for(AT_ONCE);
    removing.await.expect("removed")
}

#[tokio::test]
async fn what_nothing_names_is_removed_after_a_while_and_nothing_else() {
    let Opened { store, folder } = open().await;
    let (one, other) = (org(&store).await, org(&store).await);
    let refused = keep(&store, &one, b"refused").await;
    let drafted = keep(&store, &one, b"drafted").await;
    let released = keep(&store, &one, b"released").await;
    let shared = keep(&store, &one, b"shared").await;
    create(&store, &one, "drafted", drafted).await;
    let id = create(&store, &one, "released", released).await;
    publish(&store, (one.owner.org, id), b"released", &json!({})).await;
    create(&store, &other, "shared", shared).await;
    let is_there = |draft: NewDraft| tool_file(&folder, draft.digest).exists();
    assert_eq!(store.remove_unnamed_tools().await.expect("removed"), 0);
    assert!(is_there(refused), "it may become a draft");
    assert_eq!(removed(&store).await, 1);
    assert!(!is_there(refused));
    assert!(is_there(drafted) && is_there(released) && is_there(shared));
    let missing = store.tool(&refused.digest).await.expect_err("it is gone");
    assert!(missing.is_missing(), "{missing}");

    // Uploaded again, it is there again.
    keep(&store, &one, b"refused").await;
    assert!(is_there(refused));
    assert_eq!(removed(&store).await, 1);
    assert_eq!(removed(&store).await, 0);
}

#[tokio::test]
async fn the_tool_of_a_draft_that_is_discarded_outlives_its_runs() {
    let Opened { store, folder } = open().await;
    let made = org(&store).await;
    let tool = keep(&store, &made, b"tool").await;
    let id = create(&store, &made, "tool", tool).await;
    assert_eq!(removed(&store).await, 0);
    let run = NewRun {
        digest: tool.digest,
        ..new_run(&made, id)
    };
    let queued = store.queue_run(run, "{}".to_owned(), None, u64::MAX);
    queued.await.expect("written");
    assert!(
        store
            .delete_draft((made.owner.org, id))
            .await
            .expect("written")
    );
    assert_eq!(removed(&store).await, 0, "it is to be run");
    let is_there = || tool_file(&folder, tool.digest).exists();
    assert!(is_there());
    let claimed = store.claim_run(&[]).await.expect("written");
    let claimed = claimed.expect("a run");
    assert_eq!(removed(&store).await, 0, "it runs");
    assert!(is_there());
    let ended = settle(&store, claimed.run, Some(claimed.attempt), succeeded("1"));
    assert!(ended.await.expect("written"));
    assert_eq!(removed(&store).await, 1);
    assert!(!is_there());
}

#[tokio::test]
async fn what_comes_to_nothing_is_bounded_as_what_is_kept() {
    let Opened { store, folder } = open().await;
    let (one, other) = (org(&store).await, org(&store).await);
    let kept = async |made: &NewOrg, bytes: &'static [u8]| {
        let keeping = store.keep_tool(made.owner.org, bytes.into(), SMALL);
        keeping.await.expect("written")
    };
    let over = |used, more| {
        Kept::OverQuota(OverQuota::UnusedBytes {
            limit: 10,
            used,
            more,
            minutes: 10,
        })
    };
    assert!(matches!(kept(&one, b"123456").await, Kept::Kept(_)));
    assert_eq!(kept(&one, b"abcde").await, over(6, 5));
    assert!(!tool_file(&folder, Digest::of(b"abcde")).exists());
    assert!(matches!(kept(&one, b"123456").await, Kept::Kept(_)));
    assert!(matches!(kept(&other, b"abcde").await, Kept::Kept(_)));
    // A draft is counted among what is kept, and again here once it is discarded.
    let id = create(&store, &one, "tool", draft(b"123456")).await;
    assert!(matches!(kept(&one, b"abcde").await, Kept::Kept(_)));
    assert!(
        store
            .delete_draft((one.owner.org, id))
            .await
            .expect("written")
    );
    assert_eq!(kept(&one, b"!").await, over(11, 1));
    assert_eq!(removed(&store).await, 2);
    assert!(matches!(kept(&one, b"!").await, Kept::Kept(_)));
}

#[tokio::test]
async fn small_tools_that_come_to_nothing_are_bounded_in_number() {
    let Opened { store, folder } = open().await;
    let made = org(&store).await;
    let kept = async |number: u32| {
        let bytes = number.to_le_bytes().to_vec();
        let keeping = store.keep_tool(made.owner.org, bytes.into(), NO_LIMIT);
        keeping.await.expect("written")
    };
    for number in 0..1000 {
        assert!(matches!(kept(number).await, Kept::Kept(_)), "{number}");
    }
    let over = Kept::OverQuota(OverQuota::UnusedTools {
        limit: 1000,
        minutes: 10,
    });
    assert_eq!(kept(1000).await, over);
    assert!(!tool_file(&folder, Digest::of(&1000_u32.to_le_bytes())).exists());
    assert!(matches!(kept(7).await, Kept::Kept(_)), "it is there");
    assert_eq!(removed(&store).await, 1000);
    assert!(matches!(kept(1000).await, Kept::Kept(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_on_where_a_draft_is_discarded_meanwhile() {
    let Opened { store, folder } = open().await;
    let made = org(&store).await;
    let (kept, discarded) = (
        keep(&store, &made, b"kept").await,
        keep(&store, &made, b"discarded").await,
    );
    create(&store, &made, "kept", kept).await;
    let id = create(&store, &made, "discarded", discarded).await;
    let handle = tokio::runtime::Handle::current();
    let discard = |step: BackupStep| {
        if matches!(step, BackupStep::Tool(1, _)) {
            tokio::task::block_in_place(|| {
                handle.block_on(async {
                    assert!(
                        store
                            .delete_draft((made.owner.org, id))
                            .await
                            .expect("written")
                    );
                    assert_eq!(removed(&store).await, 1);
                });
            });
        }
    };
    let to = tempfile::tempdir().expect("a folder");
    let backed_up = Store::back_up(folder.path(), to.path(), false, &discard).await;
    assert_eq!(backed_up.expect("done").tools, 1);
    assert!(tool_file(&to, kept.digest).exists());
    // One that is still named must be there.
    std::fs::remove_file(tool_file(&folder, kept.digest)).expect("removed");
    let to = tempfile::tempdir().expect("a folder");
    let refused = Store::back_up(folder.path(), to.path(), false, &|_| ()).await;
    assert!(
        matches!(refused, Err(BackupError::Tool { .. })),
        "{refused:?}"
    );
}

/// A start compiles each tool that may run once, even if many releases share it.
#[tokio::test]
async fn tools_of_active_releases_are_walked_once_each() {
    let Opened {
        store,
        folder: _kept,
    } = open().await;
    let made = org(&store).await;
    assert_eq!(store.active_digest_after(None).await.expect("read"), None);
    let about = json!({});
    let first = create(&store, &made, "first", draft(b"old")).await;
    publish(&store, (made.owner.org, first), b"old", &about).await;
    let next = store.put_draft((made.owner.org, first), draft(b"new"), NO_LIMIT);
    assert!(
        matches!(next.await.expect("written"), Drafted::Made),
        "drafted"
    );
    publish(&store, (made.owner.org, first), b"new", &about).await;
    for (name, bytes) in [("second", b"new"), ("third", b"own")] {
        let id = create(&store, &made, name, draft(bytes)).await;
        publish(&store, (made.owner.org, id), bytes, &about).await;
    }
    create(&store, &made, "fourth", draft(b"draft")).await;
    let (mut walked, mut last) = (Vec::new(), None);
    while let Some(digest) = store.active_digest_after(last).await.expect("read") {
        walked.push(digest);
        last = Some(digest);
    }
    let mut active = vec![Digest::of(b"new"), Digest::of(b"own")];
    active.sort_by_key(|it| it.as_bytes().to_vec());
    assert_eq!(walked, active);
    let lately = store.digests_of_latest_runs().await.expect("read");
    assert!(lately.is_empty(), "nothing ran: {lately:?}");
}
