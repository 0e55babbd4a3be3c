//! What runs used is added up once each, as they end, and stays when they are forgotten.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn used(status: FinishStatus, charged: u64, cpu_us: u64, wall_us: u64) -> Finish {
    Finish {
        status,
        charged,
        usage: Some(RunUsage {
            cpu_us,
            wall_us,
            load_us: 5,
            ..RunUsage::default()
        }),
        ..succeeded("1")
    }
}

fn cancelled(started_at: Option<Time>) -> Finish {
    Finish {
        status: FinishStatus::Cancelled,
        usage: None,
        started_at,
        ..succeeded("1")
    }
}

async fn by_day(store: &Store, made: &NewOrg) -> Vec<(String, Used)> {
    let page = store.usage_by_day(made.owner, None, 100).await;
    let usages = page.expect("read").items.into_iter();
    usages
        .map(|usage| (usage.of.to_string(), usage.used))
        .collect()
}

async fn finish(store: &Store, run: &NewRun, finish: Finish) -> bool {
    let finished = settle(store, run.clone(), None, finish).await;
    finished.expect("written")
}

#[tokio::test]
async fn each_run_that_ended_is_counted_once_on_the_day_it_was_asked_for() {
    let opened = open().await;
    let store = &opened.store;
    let (made, other) = (org(store).await, org(store).await);
    let asked = |at: &str| NewRun {
        created_at: at.parse().expect("a time"),
        ..new_run(&made, ArtifactId::new())
    };
    let last = asked("2026-11-24T23:59:59.999999Z");
    let first = asked("2026-11-25T00:00:00Z");
    assert!(finish(store, &last, used(FinishStatus::Succeeded, 0, 3, 7)).await);
    assert!(finish(store, &first, used(FinishStatus::Failed, 0, 10, 20)).await);
    // The same again, as after an answer that was lost.
    assert!(!finish(store, &first, used(FinishStatus::Failed, 0, 10, 20)).await);
    let late = NewRun {
        id: RunId::new(),
        ..first.clone()
    };
    assert!(finish(store, &late, used(FinishStatus::TimedOut, 0, 100, 200)).await);
    for (id, started_at) in [(RunId::new(), Some(Time::now())), (RunId::new(), None)] {
        let run = NewRun {
            id,
            ..first.clone()
        };
        assert!(finish(store, &run, cancelled(started_at)).await);
    }
    let expected = [
        (
            "2026-11-25".to_owned(),
            Used {
                runs: 3,
                cpu_us: 110,
                wall_us: 220,
                ..Used::default()
            },
        ),
        (
            "2026-11-24".to_owned(),
            Used {
                runs: 1,
                succeeded: 1,
                cpu_us: 3,
                wall_us: 7,
                charged: 0,
            },
        ),
    ];
    assert_eq!(by_day(store, &made).await, expected);
    assert_eq!(by_day(store, &other).await, []);
    let now = Retention {
        outputs: HOUR,
        logs: HOUR,
        runs: Duration::ZERO,
        answers: HOUR,
        queued: HOUR,
    };
    store.purge(now).await.expect("written");
    assert_eq!(
        store.whole_run(first.owner, first.id).await.expect("read"),
        None
    );
    assert_eq!(by_day(store, &made).await, expected);
    let owner = made.owner;
    let artifacts = store.usage_by_artifact(owner, None, 1).await.expect("read");
    let newest = artifacts.items[0];
    assert_eq!((newest.of, newest.used.runs), (first.artifact, 3));
    let rest = store.usage_by_artifact(owner, artifacts.next, 1).await;
    let rest = rest.expect("read");
    assert_eq!((rest.items[0].of, rest.next), (last.artifact, None));
    let keys = store.usage_by_key(owner, None, 1).await.expect("read");
    let (key, runs) = (keys.items[0].of, keys.items[0].used.runs);
    assert_eq!((key, runs, keys.next), (made.key.key.id, 4, None));
}

#[tokio::test]
async fn what_is_lost_or_expires_is_counted_and_what_is_cancelled_in_the_queue_is_not() {
    let opened = open().await;
    let store = &opened.store;
    let made = org(store).await;
    let runs = [(); 3].map(|()| new_run(&made, ArtifactId::new()));
    store.begin_run(runs[0].clone(), None).await.expect("begun");
    for run in &runs[1..] {
        let queued = store
            .queue_run(run.clone(), "{}".to_owned(), None, u64::MAX)
            .await;
        queued.expect("queued");
    }
    let cancelled = store.cancel_queued(runs[1].owner, runs[1].id).await;
    assert!(cancelled.expect("written"));
    let counts = async || {
        by_day(store, &made)
            .await
            .iter()
            .map(|(_, used)| used.runs)
            .sum::<u64>()
    };
    assert_eq!(counts().await, 0);
    assert_eq!(store.lose_running().await.expect("written"), 1);
    assert_eq!(counts().await, 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let at_once = Retention {
        outputs: HOUR,
        logs: HOUR,
        runs: HOUR,
        answers: HOUR,
        queued: Duration::ZERO,
    };
    assert_eq!(store.expire_queued(at_once).await.expect("written"), 1);
    assert_eq!(counts().await, 2);
}
