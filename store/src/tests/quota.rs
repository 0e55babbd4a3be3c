//! What an org keeps, and what it may.

use super::*;

/// The length of the description of a tool that asks for nothing. Each release has one.
fn about_bytes() -> u64 {
    with_terms(&json!({})).to_string().len() as u64
}

/// Room for ten bytes of tools beside so many releases' descriptions.
fn small(releases: u64) -> Quota {
    Quota {
        artifacts: 3,
        stored_bytes: 10 + releases * about_bytes(),
    }
}

async fn create(store: &Store, made: &NewOrg, name: &str, bytes: &[u8], quota: Quota) -> Upload {
    let owner = made.owner;
    let created = store.create_artifact(owner, name.to_owned(), draft(bytes), quota);
    created.await.expect("written")
}

fn made(upload: Upload) -> ArtifactId {
    match upload {
        Upload::Made(id) => id,
        other => panic!("{other:?}"),
    }
}

fn bytes_over(releases: u64, used: u64, more: u64) -> OverQuota {
    let about = releases * about_bytes();
    OverQuota::StoredBytes {
        limit: 10 + about,
        used: used + about,
        more,
    }
}

#[tokio::test]
async fn bytes_are_counted_once_a_tool_in_drafts_and_releases_of_the_org() {
    let opened = open().await;
    let store = &opened.store;
    let (one, other) = (org(store).await, org(store).await);
    let first = made(create(store, &one, "first", b"123456", small(0)).await);
    let place = (one.owner.org, first);
    publish(store, place, b"123456", &json!({})).await;
    let over = create(store, &one, "second", b"12345", small(1)).await;
    assert_eq!(over, Upload::OverQuota(bytes_over(1, 6, 5)));
    let second = made(create(store, &one, "second", b"1234", small(1)).await);
    // It is full; what is kept already takes no more, as a draft or a release.
    let over = store.put_draft(place, draft(b"!"), small(1)).await;
    assert_eq!(
        over.expect("written"),
        Drafted::OverQuota(bytes_over(1, 10, 1))
    );
    for (releases, kept) in [(1, b"1234".as_slice()), (2, b"123456")] {
        let drafted = store.put_draft(place, draft(kept), small(releases)).await;
        assert_eq!(drafted.expect("written"), Drafted::Made);
        publish(store, place, kept, &json!({})).await;
    }
    assert!(
        store
            .delete_draft((one.owner.org, second))
            .await
            .expect("written")
    );
    // The release keeps the bytes of the draft that is gone.
    let over = store.put_draft(place, draft(b"!"), small(3)).await;
    assert_eq!(
        over.expect("written"),
        Drafted::OverQuota(bytes_over(3, 10, 1))
    );
    made(create(store, &other, "another org's", b"1234567890", small(0)).await);
}

#[tokio::test]
async fn artifacts_are_counted_over_the_projects_of_the_org() {
    let opened = open().await;
    let store = &opened.store;
    let (one, other) = (org(store).await, org(store).await);
    let (project, _) = store
        .create_project(actor(&one), "another".to_owned())
        .await
        .expect("made");
    let sibling = NewOrg {
        owner: Owner {
            project,
            ..one.owner
        },
        ..one.clone()
    };
    for (owner, name) in [(&one, "a"), (&sibling, "a"), (&one, "b")] {
        made(create(store, owner, name, b"1", small(0)).await);
    }
    let full = Upload::OverQuota(OverQuota::Artifacts { limit: 3, used: 3 });
    for owner in [&one, &sibling] {
        assert_eq!(create(store, owner, "c", b"1", small(0)).await, full);
    }
    let taken = create(store, &one, "b", b"1", small(0)).await;
    assert!(matches!(taken, Upload::NameTaken(_)), "{taken:?}");
    made(create(store, &other, "a", b"1", small(0)).await);
}
