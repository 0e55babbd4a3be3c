//! Lists of what sellers wrote: whole, whatever its size, and found by its words.

use super::*;

/// Half of what a page takes.
const LARGE: usize = 1 << 20;

async fn published(store: &Store, made: &NewOrg, name: &str, about: &Value) -> ArtifactId {
    let owner = made.owner;
    let created = store.create_artifact(owner, name.to_owned(), draft(b"tool"), NO_LIMIT);
    let Upload::Made(id) = created.await.expect("written") else {
        panic!("{name} is there");
    };
    publish(store, (made.owner.org, id), b"tool", about).await;
    id
}

#[tokio::test]
async fn are_short_where_items_are_large_and_miss_none() {
    let opened = open().await;
    let store = &opened.store;
    let made = org(store).await;
    let large = json!({"examples": "x".repeat(LARGE - 1000)});
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(published(store, &made, name, &large).await);
    }
    ids.reverse();
    let (mut seen, mut pages, mut before) = (Vec::new(), Vec::new(), None);
    loop {
        let owner = made.owner;
        let page = store.artifacts(owner, false, "", before, 100).await;
        let page = page.expect("read");
        pages.push(page.items.len());
        seen.extend(page.items.iter().map(|it| it.artifact.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(pages, [2, 2, 1]);

    // An item that is larger than a page makes a page of its own. Releases are listed without their descriptions.
    let place = (made.owner.org, ids[0]);
    let huge = json!({"examples": "x".repeat(3 * LARGE)});
    for bytes in [b"second", b"third!"] {
        let drafted = store.put_draft(place, draft(bytes), NO_LIMIT).await;
        assert_eq!(drafted.expect("written"), Drafted::Made);
        publish(store, place, bytes, &huge).await;
    }
    let owner = made.owner;
    let first = store.artifacts(owner, false, "", None, 100).await;
    let first = first.expect("read");
    assert_eq!((first.items.len(), first.next), (1, Some(ids[0])));
    let releases = store.releases(place, None, 100).await.expect("read");
    let versions: Vec<_> = releases
        .items
        .iter()
        .map(|it| it.release.version.as_str())
        .collect();
    assert_eq!(versions, ["0.0.3", "0.0.2", "0.0.1"]);
    let described = store.described_artifact(made.owner.org, ids[0]).await;
    let described = described.expect("read").expect("there");
    assert_eq!(described.about, Some(with_terms(&huge)));
}

/// Reading an artifact does not read its description. Invalid terms are an error.
#[tokio::test]
async fn terms_are_read_without_the_rest_and_never_guessed() {
    let opened = open().await;
    let store = &opened.store;
    let made = org(store).await;
    let about = json!({"examples": "x".repeat(LARGE)});
    let id = published(store, &made, "large", &about).await;
    let artifact = store.artifact(id).await.expect("read").expect("there");
    let active = artifact.active.as_ref().expect("published");
    assert_eq!(active.terms, Terms::default());
    execute(store, "UPDATE releases SET terms = '{\"price\": \"free\"}'")
        .await
        .expect("written");
    store.remembered.artifacts.forget(&id);
    assert!(store.artifact(id).await.is_err());
}

#[tokio::test]
async fn are_searched_by_the_words_of_what_runs() {
    let opened = open().await;
    let store = &opened.store;
    let made = org(store).await;
    let about = |description: &str, function: &str| json!({"description": description, "functions": [{"name": function, "description": null}]});
    let html = published(
        store,
        &made,
        "markdown",
        &about("Makes 100% HTML", "render"),
    )
    .await;
    let owner = made.owner;
    let found = async |text: &str| {
        let page = store.artifacts(owner, false, text, None, 100).await;
        page.expect("read").items.len()
    };
    for text in ["MARK", "html", "100%", "rend", ""] {
        assert_eq!(found(text).await, 1, "{text}");
    }
    for text in ["%", "m_rk", "pdf", "description"] {
        let expected = usize::from(text == "%");
        assert_eq!(found(text).await, expected, "{text}");
    }
    let place = (made.owner.org, html);
    let drafted = store.put_draft(place, draft(b"next"), NO_LIMIT).await;
    assert_eq!(drafted.expect("written"), Drafted::Made);
    publish(store, place, b"next", &about("Makes PDF", "render")).await;
    assert_eq!((found("pdf").await, found("html").await), (1, 0));
    store.activate(place, None).await.expect("written");
    assert_eq!((found("pdf").await, found("html").await), (0, 1));
}

/// A list with a filter looks at some of the rows at a time, however few it finds.
#[tokio::test]
async fn of_many_runs_the_one_that_is_asked_for_is_found_in_pages() {
    const RUNS: i64 = 25_000;
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let (org, project) = (OrgId::new(), ProjectId::new());
    insert_runs(&store, Owner { org, project }, RUNS).await;
    let with = |status: Option<&str>| RunFilter {
        status: status.map(|name| name.parse().expect("a status")),
        ..RunFilter::default()
    };
    let owner = Owner { org, project };
    let (mut pages, mut found, mut before) = (0, Vec::new(), None);
    loop {
        let page = store.runs(owner, with(Some("FAILED")), before, 20);
        let page = page.await.expect("read");
        pages += 1;
        found.extend(page.items.iter().map(|it| it.run.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!((pages, found.len()), (3, 1));
    let all = store.runs(owner, with(None), None, 20).await;
    let all = all.expect("read");
    assert_eq!(
        (all.items.len(), all.next),
        (20, Some(all.items[19].run.id))
    );
}

/// Inserts runs. The oldest has FAILED, the others have SUCCEEDED.
async fn insert_runs(store: &Store, Owner { org, project }: Owner, runs: i64) {
    let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO runs (org_id, project_id, run_id, key_id, artifact_id, digest, is_own, share_diagnostics,
            status, input_sha256, input_bytes, created_at, price)
        SELECT ?2, ?3, unhex(printf('%032x', i)), zeroblob(16), zeroblob(16), zeroblob(32), 1, 0,
            CASE WHEN i = 1 THEN 'FAILED' ELSE 'SUCCEEDED' END, zeroblob(32), 0, 0, 0
        FROM n";
    let written = store.writer.write(move |transaction| {
        let inserting = sql::query(sqlite_only(insert));
        let inserting = inserting.bind(runs).bind(org).bind(project);
        inserting.execute(transaction)?;
        Ok(())
    });
    written.await.expect("written");
}

#[tokio::test]
async fn a_record_with_an_unknown_status_is_an_error() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let owner = Owner {
        org: OrgId::new(),
        project: ProjectId::new(),
    };
    insert_runs(&store, owner, 2).await;
    let runs = async || store.runs(owner, RunFilter::default(), None, 20).await;
    assert_eq!(runs().await.expect("read").items.len(), 2);
    execute(
        &store,
        "UPDATE runs SET status = 'DONE' WHERE status = 'FAILED'",
    )
    .await
    .expect("written");
    assert!(runs().await.is_err());
}
