//! Who may start: as many runs as the engine's pool has slots for and the process's budgets have bytes. The rest
//! waits, shared by owner, and no more of it than a queue holds: beyond that the process is at capacity.

use crate::limits::Slots;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tollgate_fair::{Most, Part, Shares, Turns};
use tollgate_host_api::budget::{Budget, Lease};

/// See the module.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: Slots,
    queue_max: usize,
    guest_memory: Budget,
    host_buffers: Budget,
    /// Runs under way, by owner.
    runs: Shares<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: Slots,
    waiting: Turns<Arc<str>, Waiter>,
    waiters: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    demand: Demand,
    admitted: oneshot::Sender<Admitted>,
}

/// What a run needs before it starts.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) owner: Arc<str>,
    pub(crate) slots: Slots,
    /// Linear memory it starts with.
    pub(crate) memory_bytes: u64,
    /// What the host holds of its input.
    pub(crate) buffer_bytes: u64,
}

/// What a run has been given. Dropped, it is given to whoever waits.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) memory: Lease,
    pub(crate) buffers: Lease,
    pub(crate) place: RunPlace,
}

/// Slots of the engine's pool, given back when dropped.
#[derive(Debug)]
pub(crate) struct RunPlace {
    admission: Arc<Admission>,
    slots: Slots,
    /// `None` once it is given back.
    run: Option<Part<Arc<str>>>,
}

/// There is no place, nor one in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Admission {
    pub(crate) fn new(
        slots: Slots,
        queue_max: usize,
        guest_memory: Budget,
        host_buffers: Budget,
    ) -> Arc<Self> {
        Arc::new(Self {
            slots,
            queue_max,
            guest_memory,
            host_buffers,
            runs: Shares::new(Most::halves(u64::from(slots.runs))),
            state: Mutex::default(),
        })
    }

    /// A place, if there is one and nobody waits for it.
    pub(crate) fn enter(self: &Arc<Self>, demand: &Demand) -> Option<Admitted> {
        let mut state = self.lock();
        let is_free = !state.is_closed && state.waiting.is_empty();
        is_free.then(|| self.admit(&mut state, demand)).flatten()
    }

    /// A place, waited for in the queue. Dropping the future gives the place in the queue up.
    pub(crate) async fn wait(self: &Arc<Self>, demand: Demand) -> Result<Admitted, Full> {
        let (admitted, mut granted) = oneshot::channel();
        let _queued = {
            let mut state = self.lock();
            let own = state.waiting.of(&demand.owner).len();
            let is_full = state.waiting.len() >= self.queue_max
                || (!demand.owner.is_empty() && own >= self.queue_max.div_ceil(2));
            if state.is_closed || is_full || !self.could_fit(&demand) {
                return Err(Full);
            }
            state.waiters += 1;
            let (id, owner) = (state.waiters, Arc::clone(&demand.owner));
            let waiter = Waiter {
                id,
                demand,
                admitted,
            };
            state.waiting.push(&owner, waiter);
            self.admit_waiting(&mut state);
            Queued {
                admission: self,
                owner,
                id,
            }
        };
        (&mut granted).await.map_err(|_| Full)
    }

    /// Whether it would fit if nothing else ran.
    fn could_fit(&self, demand: &Demand) -> bool {
        let Demand {
            owner,
            slots,
            memory_bytes,
            buffer_bytes,
        } = demand;
        self.slots.fits(&Slots::default(), slots)
            && self.guest_memory.could_lease(owner, *memory_bytes)
            && self.host_buffers.could_lease(owner, *buffer_bytes)
    }

    /// From now on nothing is admitted, and what waits is refused.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    /// Runs under way.
    pub(crate) fn runs(&self) -> u32 {
        self.lock().taken.runs
    }

    fn admit(self: &Arc<Self>, state: &mut State, demand: &Demand) -> Option<Admitted> {
        let Demand {
            owner,
            slots,
            memory_bytes,
            buffer_bytes,
        } = demand;
        if !self.slots.fits(&state.taken, slots) {
            return None;
        }
        // Runs without an owner may take every slot.
        let run = match owner.is_empty() {
            true => self.runs.add(Arc::clone(owner), 1),
            false => self.runs.take(Arc::clone(owner), 1)?,
        };
        let mut memory = self.guest_memory.lease(owner);
        let mut buffers = self.host_buffers.lease(owner);
        memory.try_grow(*memory_bytes).ok()?;
        buffers.try_grow(*buffer_bytes).ok()?;
        state.taken.add(slots);
        Some(Admitted {
            memory,
            buffers,
            place: RunPlace {
                admission: Arc::clone(self),
                slots: *slots,
                run: Some(run),
            },
        })
    }

    /// Gives what is free to those that wait, in turns. One that needs more than is free does not keep others out.
    fn admit_waiting(self: &Arc<Self>, state: &mut State) {
        loop {
            let mut waiting = std::mem::take(&mut state.waiting);
            let mut admitted = None;
            let waiter = waiting.pop_fitting(|waiter| {
                admitted = self.admit(state, &waiter.demand);
                admitted.is_some()
            });
            state.waiting = waiting;
            let (Some(waiter), Some(admitted)) = (waiter, admitted) else {
                return;
            };
            // Whoever waits leaves the queue before it lets go of its end: sending cannot fail while this lock is held.
            let _ = waiter.admitted.send(admitted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunPlace {
    fn drop(&mut self) {
        let admission = Arc::clone(&self.admission);
        let mut state = admission.lock();
        state.taken.remove(&self.slots);
        self.run = None;
        if !state.waiting.is_empty() {
            admission.admit_waiting(&mut state);
        }
    }
}

/// Somebody in the queue.
struct Queued<'a> {
    admission: &'a Admission,
    owner: Arc<str>,
    id: u64,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        let left = state
            .waiting
            .take(&self.owner, |waiter| waiter.id == self.id);
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn admission(runs: u32, queue_max: usize) -> Arc<Admission> {
        let slots = Slots {
            runs,
            memories: 4,
            tables: 4,
            core_instances: 16,
        };
        let budget = |name| Budget::new(name, 64 * 4096);
        Admission::new(
            slots,
            queue_max,
            budget("guest memory"),
            budget("host buffers"),
        )
    }

    fn demand(owner: &str, memories: u32) -> Demand {
        Demand {
            owner: Arc::from(owner),
            slots: Slots {
                runs: 1,
                memories,
                tables: 1,
                core_instances: 1,
            },
            memory_bytes: 4096,
            buffer_bytes: 1,
        }
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn places_are_given_up_to_the_slots_and_given_back() {
        let admission = admission(4, 4);
        let first = admission.enter(&demand("a", 3)).expect("free");
        assert!(admission.enter(&demand("b", 2)).is_none(), "five memories");
        let second = admission.enter(&demand("b", 1)).expect("the fourth");
        assert_eq!(admission.runs(), 2);
        drop((first, second));
        assert!(admission.runs.all() == 0);
        assert_eq!(admission.lock().taken, Slots::default());
    }

    #[test]
    fn who_waits_is_admitted_in_turns_by_owner_and_one_that_does_not_fit_keeps_nobody_out() {
        let admission = admission(2, 8);
        let held = admission.enter(&demand("x", 1)).expect("free");
        let also_held = admission.enter(&demand("y", 1)).expect("free");
        let mut large = pin!(admission.wait(demand("a", 4)));
        let mut first = pin!(admission.wait(demand("a", 1)));
        let mut second = pin!(admission.wait(demand("b", 1)));
        assert!(poll(large.as_mut()).is_none());
        assert!(poll(first.as_mut()).is_none());
        assert!(poll(second.as_mut()).is_none());
        drop(held);
        let admitted = poll(second.as_mut()).expect("b's turn: a's first does not fit");
        assert!(poll(first.as_mut()).is_none(), "a's own keep their order");
        drop((admitted, also_held));
        assert!(
            poll(large.as_mut())
                .expect("room for four memories")
                .is_ok()
        );
        assert!(poll(first.as_mut()).expect("then the other").is_ok());
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_an_owner_has_half_of_it() {
        let admission = admission(1, 4);
        let _held = admission.enter(&demand("x", 1)).expect("free");
        let mut queued: Vec<_> = (0..2)
            .map(|_| Box::pin(admission.wait(demand("a", 1))))
            .collect();
        for waiting in &mut queued {
            assert!(poll(waiting.as_mut()).is_none());
        }
        let full = |owner| {
            matches!(
                poll(pin!(admission.wait(demand(owner, 1)))),
                Some(Err(Full))
            )
        };
        assert!(full("a"), "half of the queue");
        let mut others: Vec<_> = (0..2)
            .map(|_| Box::pin(admission.wait(demand("b", 1))))
            .collect();
        for waiting in &mut others {
            assert!(poll(waiting.as_mut()).is_none());
        }
        assert!(full("c"), "the whole queue");
        drop(queued);
        assert!(!full("c"), "who leaves makes room");
    }

    #[test]
    fn an_owner_has_half_of_the_places() {
        let admission = admission(4, 4);
        let held: Vec<_> = (0..2)
            .map_while(|_| admission.enter(&demand("a", 1)))
            .collect();
        assert_eq!(held.len(), 2);
        assert!(admission.enter(&demand("a", 1)).is_none());
        assert!(admission.enter(&demand("b", 1)).is_some());
    }

    #[test]
    fn once_closed_nothing_is_admitted_and_what_waits_is_refused() {
        let admission = admission(1, 4);
        let held = admission.enter(&demand("a", 1)).expect("free");
        let mut waiting = pin!(admission.wait(demand("b", 1)));
        assert!(poll(waiting.as_mut()).is_none());
        admission.close();
        assert!(matches!(poll(waiting.as_mut()), Some(Err(Full))));
        drop(held);
        assert!(admission.enter(&demand("a", 1)).is_none());
        assert!(matches!(
            poll(pin!(admission.wait(demand("a", 1)))),
            Some(Err(Full))
        ));
    }

    #[test]
    fn what_could_never_fit_does_not_wait() {
        let admission = admission(4, 4);
        let too_large = Demand {
            memory_bytes: 33 * 4096,
            ..demand("a", 1)
        };
        for demand in [demand("a", 5), too_large] {
            assert!(matches!(
                poll(pin!(admission.wait(demand))),
                Some(Err(Full))
            ));
        }
    }
}
