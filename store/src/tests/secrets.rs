//! A secret goes where its owner said, whoever writes to the database.

use super::rotation::settings;
use super::*;
use crate::environment::purpose_of_old;
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
        project: (caller.org, caller.project),
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
            .secrets(scope.project, artifact, ["SOME_KEY", "ANOTHER"])
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
            .secrets(scope.project, artifact, ["SOME_KEY", "ANOTHER"])
            .await;
        assert!(matches!(read_all, Err(StoreError::Vault(_))), "{change}");
        execute(&store, undo).await.expect("written");
        assert_eq!(read().await.expect("opens again"), "0123456789abcdef");
    }
}

#[tokio::test]
async fn secrets_of_before_are_sealed_anew_at_the_next_start_and_by_a_rotation() {
    for rotates in [false, true] {
        let Opened { store, folder } = open().await;
        let caller = org(&store).await;
        let scope = EntryScope {
            project: (caller.org, caller.project),
            artifact: None,
        };
        let new = NewEntry {
            name: "SOME_KEY".to_owned(),
            value: "0123456789abcdef".to_owned().into(),
            hosts: vec!["good.example".to_owned()],
            allow_expose: true,
        };
        store.set_entry(scope, new).await.expect("written");
        let key = store.data_key(caller.org).await.expect("there");
        let before = key.seal(
            &"0123456789abcdef".to_owned().into(),
            &purpose_of_old(scope, "SOME_KEY"),
        );
        let sealing = store.writer.write(move |transaction| {
            Box::pin(async move {
                sqlx::query("UPDATE environment SET sealed = $1")
                    .bind(before)
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("DELETE FROM meta WHERE name = 'secrets_with_hosts'")
                    .execute(transaction)
                    .await?;
                Ok(())
            })
        });
        sealing.await.expect("written");
        let before = store
            .secrets(scope.project, ArtifactId::new(), ["SOME_KEY", "ANOTHER"])
            .await;
        assert!(
            matches!(before, Err(StoreError::Vault(_))),
            "not sealed anew yet"
        );
        store.close().await;
        if rotates {
            let rotated = Store::rotate_master_key(settings(&folder, None), None).await;
            assert_eq!(rotated.expect("rotated").secrets, 1);
        }
        let store = open_in(&folder).await.expect("opens");
        let secrets = store
            .secrets(scope.project, ArtifactId::new(), ["SOME_KEY", "ANOTHER"])
            .await;
        let secrets = secrets.expect("open");
        let value = secrets["SOME_KEY"].value.expose_secret();
        assert_eq!(value, "0123456789abcdef");
    }
}
