//! Rotating the master key: everything opens with the new one, nothing with the old one, and nothing is lost between.

use super::sessions::made;
use super::{Opened, open, open_in, org};
use crate::{ArtifactId, EntryScope, NewEntry, NewOrg, OpenError, RotateError, Rotated};
use crate::{Settings, Store, VaultError};
use secrecy::ExposeSecret;
use std::path::Path;
use tempfile::TempDir;

async fn set(store: &Store, made: &NewOrg, name: &str) {
    let new = NewEntry {
        name: name.to_owned(),
        value: format!("secret of {name}").into(),
        hosts: Vec::new(),
        allow_expose: false,
    };
    let scope = EntryScope {
        owner: made.owner,
        artifact: None,
    };
    store.set_entry(scope, new).await.expect("written");
}

async fn read(store: &Store, made: &NewOrg, name: &str) -> String {
    let project = made.owner;
    let secrets = store
        .secrets(project, ArtifactId::new(), ["ONE", "TWO", name])
        .await;
    let secrets = secrets.expect("they open");
    secrets[name].value.expose_secret().to_owned()
}

/// Two orgs with a secret each, and nobody who uses the folder.
async fn begun() -> (TempDir, [NewOrg; 2]) {
    let Opened { store, folder } = open().await;
    let orgs = [org(&store).await, org(&store).await];
    set(&store, &orgs[0], "ONE").await;
    set(&store, &orgs[1], "TWO").await;
    store.close().await;
    (folder, orgs)
}

pub(super) fn settings(folder: &TempDir, master_key: Option<&str>) -> Settings {
    Settings {
        folder: folder.path().to_owned(),
        master_key: master_key.map(Into::into),
        fee_basis_points: 0,
        caps: crate::Caps::default(),
    }
}

fn key(folder: &TempDir, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.path().join(name)).ok()
}

async fn is_whole(store: Store, orgs: &[NewOrg; 2]) {
    assert_eq!(read(&store, &orgs[0], "ONE").await, "secret of ONE");
    assert_eq!(read(&store, &orgs[1], "TWO").await, "secret of TWO");
    set(&store, &orgs[0], "THREE").await;
    store.close().await;
}

#[tokio::test]
async fn every_secret_opens_with_the_next_key_and_none_with_the_old_one() {
    let (folder, orgs) = begun().await;
    let old = key(&folder, "master.key").expect("a key");
    let rotated = Store::rotate_master_key(settings(&folder, None), None).await;
    let expected = Rotated {
        orgs: 2,
        secrets: 2,
        key: Some(folder.path().join("master.key")),
        removed: None,
    };
    assert_eq!(rotated.expect("rotated"), expected);
    assert_ne!(key(&folder, "master.key").expect("a key"), old);
    assert_eq!(key(&folder, "master.key.next"), None);
    is_whole(open_in(&folder).await.expect("opens"), &orgs).await;
    let with_old = Store::open(settings(&folder, Some(&old))).await;
    assert!(
        matches!(with_old, Err(OpenError::Vault(VaultError::WrongMasterKey))),
        "{with_old:?}"
    );
}

#[tokio::test]
async fn tokens_of_sessions_are_good_with_every_next_key() {
    let (folder, orgs) = begun().await;
    let store = open_in(&folder).await.expect("opens");
    let made = made(&store, &orgs[0], 10, 1).await;
    store.close().await;
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    for (given, next) in [(None, None), (None, Some(&one)), (Some(&one), Some(&two))] {
        let next = next.map(|next| next.as_str().into());
        let given = given.map(String::as_str);
        let rotated = Store::rotate_master_key(settings(&folder, given), next).await;
        rotated.expect("rotated");
    }
    let store = Store::open(settings(&folder, Some(&two))).await;
    let store = store.expect("opens");
    let known = store.known_session(&made.token).await.expect("read");
    assert_eq!(known.expect("good").id, made.session.id);
    store.close().await;
}

#[tokio::test]
async fn broken_off_anywhere_the_key_that_fits_is_found() {
    // After the next key was kept, before anything was sealed with it.
    let (folder, orgs) = begun().await;
    std::fs::copy(folder.path().join("master.key"), folder.path().join("old")).expect("copied");
    let next = folder.path().join("master.key.next");
    std::fs::write(&next, "ab".repeat(32)).expect("written");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&next, private).expect("changed");
    is_whole(open_in(&folder).await.expect("opens"), &orgs).await;
    assert_eq!(key(&folder, "master.key.next"), None);
    // After everything was sealed with it, before it was put in place.
    let rotate = || Store::rotate_master_key(settings(&folder, None), None);
    for again in [false, true] {
        rotate().await.expect("rotated");
        let (own, old) = (folder.path().join("master.key"), folder.path().join("old"));
        std::fs::rename(&own, &next).expect("renamed");
        std::fs::copy(&old, &own).expect("copied");
        match again {
            false => is_whole(open_in(&folder).await.expect("opens"), &orgs).await,
            true => {
                rotate().await.expect("rotated");
            }
        }
    }
    assert_eq!(key(&folder, "master.key.next"), None);
    is_whole(open_in(&folder).await.expect("opens"), &orgs).await;
}

#[tokio::test]
async fn a_key_from_elsewhere_is_followed_by_one_from_elsewhere() {
    let (folder, orgs) = begun().await;
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let rotated =
        Store::rotate_master_key(settings(&folder, None), Some(one.as_str().into())).await;
    let rotated = rotated.expect("rotated");
    assert_eq!(
        (rotated.key, rotated.removed),
        (None, Some(folder.path().join("master.key")))
    );
    assert_eq!(key(&folder, "master.key"), None);
    let none = Store::rotate_master_key(settings(&folder, Some(&one)), None).await;
    assert!(matches!(none, Err(RotateError::NextNotGiven)), "{none:?}");
    let next = Some(two.as_str().into());
    let rotated = Store::rotate_master_key(settings(&folder, Some(&one)), next).await;
    assert_eq!(rotated.expect("rotated").removed, None);
    is_whole(
        Store::open(settings(&folder, Some(&two)))
            .await
            .expect("opens"),
        &orgs,
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_rotated_stays_as_it_was() {
    let (folder, orgs) = begun().await;
    let rotate = |key: Option<&str>, next: Option<&str>| {
        Store::rotate_master_key(settings(&folder, key), next.map(Into::into))
    };
    let (wrong, good) = ("0".repeat(64), "3".repeat(64));
    let ended = rotate(Some(&wrong), Some(&good)).await.expect_err("wrong");
    assert!(
        ended.to_string().contains("not the one this data folder"),
        "{ended}"
    );
    let ended = rotate(None, Some("abc")).await.expect_err("malformed");
    assert!(
        ended.to_string().contains("64 hexadecimal digits"),
        "{ended}"
    );
    let store = open_in(&folder).await.expect("opens");
    let ended = rotate(None, None).await.expect_err("in use");
    assert!(
        ended.to_string().contains("in use by another server"),
        "{ended}"
    );
    is_whole(store, &orgs).await;
    let nothing = tempfile::tempdir().expect("a folder");
    let ended = Store::rotate_master_key(settings(&nothing, None), None).await;
    assert!(matches!(ended, Err(RotateError::Empty(_))), "{ended:?}");
    assert_eq!(
        std::fs::read_dir(nothing.path()).expect("a folder").count(),
        0
    );
    // A row that does not open is not passed over: nothing is rotated.
    let before = key(&folder, "master.key");
    damage(&folder.path().join("tollgate.db"));
    let ended = rotate(None, None).await.expect_err("damaged");
    assert!(ended.to_string().contains("cannot be opened"), "{ended}");
    let store = open_in(&folder).await.expect("opens with the key in use");
    assert_eq!(read(&store, &orgs[1], "TWO").await, "secret of TWO");
    assert_eq!(key(&folder, "master.key"), before);
}

fn damage(database: &Path) {
    let mut connection = crate::sql::sqlite::open(database).expect("opens");
    let damage = "UPDATE environment SET sealed = x'00' WHERE name = 'ONE'";
    connection.batch(damage).expect("done");
}
