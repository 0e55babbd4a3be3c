//! Subscriptions that have ended are forgotten with the runs of their time.

use super::*;

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_and_what_goes_on_is_not() {
    let opened = open().await;
    let store = &opened.store;
    let made = org(store).await;
    let owner = made.owner;
    let subscribe = async || {
        let new = NewSubscription {
            artifact: ArtifactId::new(),
            seller: made.owner.org,
            release: ReleaseId::new(),
            price: 0,
            key: made.key.key.id,
            at: Time::now().before(Duration::from_secs(7200)),
        };
        let payer = Payer {
            owner,
            key: new.key,
            session: None,
        };
        let hold = store
            .hold(payer, 0, new.at)
            .await
            .expect("read")
            .expect("nothing");
        let made = store.subscribe(owner, new, hold).await.expect("written");
        made.expect("the first").id
    };
    let (ended, going_on) = (subscribe().await, subscribe().await);
    assert!(store.unsubscribe(owner, ended).await.expect("written"));
    let listed = async || {
        let page = store.subscriptions(owner, None, 10).await.expect("read");
        page.items.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    let hour = Duration::from_secs(3600);
    let keep = |runs: Duration| Retention {
        outputs: hour,
        logs: hour,
        runs,
        answers: hour,
        queued: hour,
    };
    // It began two hours ago, and ended just now.
    store.purge(keep(hour)).await.expect("written");
    assert_eq!(listed().await, [going_on, ended]);
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.purge(keep(Duration::ZERO)).await.expect("written");
    assert_eq!(listed().await, [going_on]);
    assert_eq!(store.subscription(owner, ended).await.expect("read"), None);
}
