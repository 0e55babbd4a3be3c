//! A secret goes where its owner said, whoever writes to the database.

use super::*;
use secrecy::ExposeSecret;

#[tokio::test]
async fn where_a_secret_may_go_is_authenticated_with_it() {
    let Opened {
        store,
        folder: _folder,
    } = open().await;
    let caller = org(&store).await;
    let artifact = ArtifactId::new();
    let scope = EntryScope {
        owner: caller.owner,
        artifact: Some(artifact),
    };
    let new = NewEntry {
        name: "SOME_KEY".to_owned(),
        value: "0123456789abcdef".to_owned().into(),
        hosts: vec!["good.example".to_owned()],
        allow_expose: false,
    };
    store.set_entry(scope, new).await.expect("written");
    let read = async || {
        let secrets = store
            .secrets(scope.owner, artifact, ["SOME_KEY", "ANOTHER"])
            .await?;
        Ok::<_, StoreError>(secrets["SOME_KEY"].value.expose_secret().to_owned())
    };
    assert_eq!(read().await.expect("opens"), "0123456789abcdef");
    for (change, undo) in [
        (
            "UPDATE environment SET hosts = '[\"evil.example\"]'",
            "UPDATE environment SET hosts = '[\"good.example\"]'",
        ),
        (
            "UPDATE environment SET allow_expose = 1",
            "UPDATE environment SET allow_expose = 0",
        ),
        (
            "UPDATE environment SET name = 'ANOTHER'",
            "UPDATE environment SET name = 'SOME_KEY'",
        ),
    ] {
        execute(&store, change).await.expect("written");
        let read_all = store
            .secrets(scope.owner, artifact, ["SOME_KEY", "ANOTHER"])
            .await;
        assert!(matches!(read_all, Err(StoreError::Vault(_))), "{change}");
        execute(&store, undo).await.expect("written");
        assert_eq!(read().await.expect("opens again"), "0123456789abcdef");
    }
}
