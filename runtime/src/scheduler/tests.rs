use super::*;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use wasmtime::Config;

const PATIENCE: Duration = Duration::from_secs(10);

fn scheduler(threads: usize) -> Scheduler {
    let mut config = Config::new();
    let engine = Engine::new(config.epoch_interruption(true)).expect("an engine");
    Scheduler::new(threads, &tokio::runtime::Handle::current(), &engine).expect("threads")
}

fn meter(owner: &str) -> Arc<Meter> {
    Meter::new(Arc::from(owner))
}

/// Does what a spinning guest does: works for a while, yields, for ever.
fn spin(meter: &Arc<Meter>) -> impl Future<Output = ()> + Send + use<> {
    let meter = Arc::clone(meter);
    poll_fn(move |cx| {
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {}
        meter.add_cpu(Duration::from_millis(1));
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
}

/// Says when it is dropped, and by which thread.
struct Dropped(mpsc::Sender<Option<String>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let name = thread::current().name().map(ToOwned::to_owned);
        let _ = self.0.send(name);
    }
}

#[tokio::test]
async fn a_panic_ends_only_its_own_run() {
    let scheduler = scheduler(1);
    let panics = scheduler.spawn(async { panic!("the host's own fault") }, meter("a"));
    let works = scheduler.spawn(async { 7 }, meter("a"));
    let panicked: Result<(), _> = panics.await;
    assert!(panicked.is_err());
    assert_eq!(works.await.ok(), Some(7));
}

#[tokio::test]
async fn short_runs_end_beside_endless_ones_of_the_same_and_of_other_owners() {
    let scheduler = scheduler(1);
    let endless: Vec<_> = (0..8)
        .map(|index| {
            let meter = meter(["a", "b"][index % 2]);
            tokio::spawn(scheduler.spawn(spin(&meter), Arc::clone(&meter)))
        })
        .collect();
    for index in 0..200 {
        let ended = scheduler.spawn(async move { index }, meter("a")).await;
        assert_eq!(ended.ok(), Some(index));
    }
    for run in endless {
        run.abort();
        assert!(run.await.is_err(), "it would never have ended");
    }
}

#[tokio::test]
async fn a_run_that_takes_long_ends_although_the_fresh_tier_never_rests() {
    let scheduler = Arc::new(scheduler(1));
    let stop = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..4)
        .map(|index| {
            let (scheduler, stop) = (Arc::clone(&scheduler), Arc::clone(&stop));
            tokio::spawn(async move {
                let owner = format!("crowd {index}");
                while !stop.load(Ordering::Relaxed) {
                    let busy = async {
                        let until = Instant::now() + Duration::from_millis(1);
                        while Instant::now() < until {}
                    };
                    let _ = scheduler.spawn(busy, meter(&owner)).await;
                }
            })
        })
        .collect();
    let long = meter("long");
    let (worked, mut turns) = (spin(&long), 0);
    let mut worked = Box::pin(worked);
    let run = poll_fn(move |cx| {
        turns += 1;
        match turns {
            100 => Poll::Ready(()),
            _ => worked.as_mut().poll(cx),
        }
    });
    let ended = tokio::time::timeout(PATIENCE, scheduler.spawn(run, long)).await;
    stop.store(true, Ordering::Relaxed);
    for caller in crowd {
        let _ = caller.await;
    }
    assert!(ended.is_ok(), "100 ms of work");
}

#[tokio::test]
async fn a_cancelled_run_is_dropped_by_the_fresh_tier_without_waiting_for_its_turn() {
    let scheduler = scheduler(1);
    let (sender, dropped) = mpsc::channel();
    let guard = Dropped(sender.clone());
    let suspended = scheduler.spawn(
        async move {
            let _guard = guard;
            pending::<()>().await;
        },
        meter("a"),
    );
    // The one thread of the tier is busy, so that what is spawned now waits.
    let (started, has_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let busy = scheduler.spawn(
        async move {
            let _ = started.send(());
            let _ = released.recv();
        },
        meter("b"),
    );
    has_started.recv_timeout(PATIENCE).expect("it runs");
    let ran = Arc::new(AtomicUsize::new(0));
    let (guard, count) = (Dropped(sender), Arc::clone(&ran));
    let queued = scheduler.spawn(
        async move {
            let _guard = guard;
            count.fetch_add(1, Ordering::Relaxed);
        },
        meter("a"),
    );
    drop(queued);
    drop(suspended);
    release.send(()).expect("it waits");
    for _ in 0..2 {
        let thread = dropped.recv_timeout(PATIENCE).expect("dropped");
        assert_eq!(thread.as_deref(), Some("tollgate-run-0"));
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0, "its turn never came");
    assert!(busy.await.is_ok());
}

#[tokio::test]
async fn an_alarm_wakes_what_is_suspended_and_one_taken_back_does_not() {
    let scheduler = Arc::new(scheduler(1));
    let polls = Arc::new(AtomicUsize::new(0));
    let run = |keeps: bool| {
        let (scheduler, polls) = (Arc::clone(&scheduler), Arc::clone(&polls));
        let meter = meter("a");
        let (mut alarms, of) = (Vec::new(), Arc::clone(&meter));
        let run = poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            if of.is_ending() {
                return Poll::Ready(());
            }
            let at = Instant::now() + Duration::from_millis(30);
            alarms.push(scheduler.alarm(at, &of, cx.waker()));
            if !keeps {
                alarms.clear();
            }
            Poll::Pending
        });
        (run, meter)
    };
    let (kept, meter) = run(true);
    let rings = scheduler.spawn(kept, meter);
    assert!(tokio::time::timeout(PATIENCE, rings).await.is_ok());
    assert_eq!(polls.swap(0, Ordering::Relaxed), 2);
    let (taken_back, meter) = run(false);
    let mut silent = Box::pin(scheduler.spawn(taken_back, meter));
    let waited = tokio::time::timeout(Duration::from_millis(200), silent.as_mut()).await;
    assert!(waited.is_err());
    assert!(scheduler.core.clock.is_silent(), "nothing runs");
    assert_eq!(scheduler.stalled_for(), Duration::ZERO);
}

#[tokio::test]
async fn is_dropped_also_while_the_long_tier_is_owed_its_share() {
    let mut scheduler = scheduler(1);
    scheduler.core.clock.close();
    let clock = scheduler.threads.pop().expect("started last");
    clock.join().expect("it ends");
    // Nobody settles any more: what is owed now stays owed, and the long tier's thread stands back after its turn.
    scheduler.core.share.settle(Duration::from_secs(1), 1, true);
    let long = meter("a");
    long.add_cpu(FRESH_CPU_MAX);
    assert!(scheduler.spawn(async {}, long).await.is_ok());
    let (sender, dropped) = mpsc::channel();
    thread::spawn(move || {
        drop(scheduler);
        let _ = sender.send(());
    });
    assert!(dropped.recv_timeout(PATIENCE).is_ok());
}

/// One turn that nothing interrupts, such as filling a large memory.
async fn hold_a_thread() {
    let began_at = super::metered::thread_cpu();
    while super::metered::thread_cpu() - began_at < Duration::from_millis(50) {}
}

#[tokio::test]
async fn an_owner_whose_turn_took_too_long_begins_in_the_long_tier() {
    let scheduler = scheduler(1);
    let thread = || async { thread::current().name().map(ToOwned::to_owned) };
    let named = async |owner: &str| scheduler.spawn(thread(), meter(owner)).await;
    let is_on = |name: Result<Option<String>, Panicked>, tier: &str| {
        name.is_ok_and(|name| name.is_some_and(|name| name.contains(tier)))
    };
    assert!(is_on(named("noisy").await, "-run-"));
    let held = scheduler.spawn(hold_a_thread(), meter("noisy")).await;
    assert!(held.is_ok());
    // The fresh tier counts the turn after it has ended.
    let has_debt = || scheduler.core.debts.has("noisy", Instant::now);
    let began_at = Instant::now();
    while !has_debt() && began_at.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
    }
    assert!(is_on(named("noisy").await, "-long-"));
    assert!(is_on(named("quiet").await, "-run-"));
}
