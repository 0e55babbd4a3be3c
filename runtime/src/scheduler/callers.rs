//! Callers hear of ended runs several at a time while more runs wait: to wake a caller's thread costs as much as a short
//! run does.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// So many callers are held back at most,
const HELD_MAX: usize = 16;
/// and for so long, beside the turn that a thread is in.
const HELD_FOR: Duration = Duration::from_micros(100);

thread_local! {
    /// Whom this thread has not told yet; nothing where it tells at once.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Held {
    callers: Vec<Waker>,
    since: Option<Instant>,
}

/// One who waits for a run.
struct Caller(Waker);

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        let caller = match Arc::try_unwrap(self) {
            Ok(Caller(waker)) => waker,
            Err(shared) => shared.0.clone(),
        };
        let told_now = HELD.with_borrow_mut(|held| match held {
            Some(held) => {
                held.since.get_or_insert_with(Instant::now);
                held.callers.push(caller);
                None
            }
            None => Some(caller),
        });
        if let Some(caller) = told_now {
            caller.wake();
        }
    }
}

/// A waker for the caller polling with `context`, which a thread of the scheduler may hold back.
pub(super) fn waker(context: &Context<'_>) -> Waker {
    Waker::from(Arc::new(Caller(context.waker().clone())))
}

/// From now on this thread holds callers back, until it [tells](tell) them.
pub(super) fn hold() {
    HELD.set(Some(Held::default()));
}

/// Tells the callers that this thread has held back for long enough.
pub(super) fn tell_if_due() {
    let is_due = HELD.with_borrow(|held| {
        held.as_ref().is_some_and(|held| {
            held.callers.len() >= HELD_MAX || held.since.is_some_and(|it| it.elapsed() >= HELD_FOR)
        })
    });
    if is_due {
        tell();
    }
}

/// Tells all callers that this thread holds back.
pub(super) fn tell() {
    let callers = HELD.with_borrow_mut(|held| {
        let held = held.as_mut()?;
        held.since = None;
        Some(std::mem::take(&mut held.callers))
    });
    // A caller's waker may do anything: nothing is borrowed here.
    callers.into_iter().flatten().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted(count: &Arc<Count>) -> Waker {
        waker(&Context::from_waker(&Waker::from(Arc::clone(count))))
    }

    #[test]
    fn are_told_at_once_by_a_thread_that_does_not_hold_back() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        counted(&count).wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn are_held_back_until_they_are_many_or_it_takes_long() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let told = || count.0.load(Ordering::Relaxed);
        hold();
        (0..HELD_MAX - 1).for_each(|_| counted(&count).wake());
        assert_eq!(told(), 0);
        counted(&count).wake();
        tell_if_due();
        assert_eq!(told(), HELD_MAX);
        counted(&count).wake();
        assert_eq!(told(), HELD_MAX);
        thread::sleep(HELD_FOR);
        tell_if_due();
        assert_eq!(told(), HELD_MAX + 1);
        tell();
        assert_eq!(told(), HELD_MAX + 1);
    }
}
