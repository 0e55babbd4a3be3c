//! What is counted of every request and run. Each counter is found once: the recorder's own way to one allocates its
//! labels and looks for them under a lock.

use metrics::{Counter, Histogram, counter, histogram};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// A router's routes, by the paths they were given. What is none of them is one more.
pub(crate) struct Routes {
    known: matchit::Router<Route>,
    none: Route,
}

/// A route, and what is counted of it.
pub(crate) struct Route {
    name: String,
    seconds: OnceLock<Histogram>,
    answers: Counters<Answer>,
}

/// How a request was answered.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub(crate) method: &'static str,
    pub(crate) status: u16,
    /// A problem's; empty where there is none.
    pub(crate) code: Cow<'static, str>,
}

impl Routes {
    pub(crate) fn of<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut known = matchit::Router::new();
        for path in paths {
            let path = path.into();
            if let Err(error) = known.insert(path.clone(), Route::named(path)) {
                tracing::error!(%error, "requests of a route are counted as of none");
            }
        }
        Self {
            known,
            none: Route::named("none".to_owned()),
        }
    }

    pub(crate) fn find(&self, path: &str) -> &Route {
        self.known.at(path).map_or(&self.none, |found| found.value)
    }
}

impl Route {
    fn named(name: String) -> Self {
        Self {
            name,
            seconds: OnceLock::new(),
            answers: Counters::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn count(&self, answer: Answer, took: Duration) {
        let name = || self.name.clone();
        let seconds = || histogram!("tollgate_request_seconds", "route" => name());
        let seconds = self.seconds.get_or_init(seconds);
        seconds.record(took.as_secs_f64());
        self.answers.increment(answer, |answer| {
            counter!(
                "tollgate_requests_total",
                "route" => name(),
                "method" => answer.method,
                "status" => answer.status.to_string(),
                "code" => answer.code.to_string(),
            )
        });
    }
}

/// Runs, by how they ended: the kind of a failure, or what became of them.
#[derive(Default)]
pub(crate) struct Runs {
    seconds: OnceLock<Histogram>,
    ends: Counters<String>,
}

impl Runs {
    /// `wall` is none of a run that did not start.
    pub(crate) fn count(&self, end: String, wall: Option<Duration>) {
        self.ends.increment(
            end,
            |end| counter!("tollgate_runs_total", "end" => end.clone()),
        );
        if let Some(wall) = wall {
            let seconds = self
                .seconds
                .get_or_init(|| histogram!("tollgate_run_seconds"));
            seconds.record(wall.as_secs_f64());
        }
    }
}

/// Counters by their labels, of whose values there are few.
struct Counters<K>(RwLock<HashMap<K, Counter>>);

impl<K> Default for Counters<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Eq + Hash> Counters<K> {
    fn increment(&self, labels: K, find: impl FnOnce(&K) -> Counter) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(&labels) {
            return counter.increment(1);
        }
        drop(known);
        let counter = find(&labels);
        counter.increment(1);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(labels, counter);
    }
}
