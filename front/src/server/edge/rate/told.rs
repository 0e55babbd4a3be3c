//! What callers are told of the limits: `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-11
//! has them, on every answer to a caller that is known.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What each header takes of three limits.
const HEADER_BYTES: usize = 128;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Visible ASCII without quotation marks.
    pub(super) name: &'static str,
    pub(super) quota: u32,
    /// What an empty quota takes to fill. `None`: the quota is of requests at once.
    pub(super) window: Option<Duration>,
}

/// How a limit stands for somebody, after what was just asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) policy: Policy,
    /// Requests that are let through now.
    pub(super) left: u32,
    /// Until there is one more at least. `None`: when one under way is over.
    pub(super) more_in: Option<Duration>,
}

/// The standings of a request's limits: in its extensions, for whoever counts it. Its answer says them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Standing>>>);

impl Told {
    pub(super) fn is_counted(&self) -> bool {
        !self.lock().is_empty()
    }

    pub(super) fn add(&self, standings: impl IntoIterator<Item = Standing>) {
        self.lock().extend(standings);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let standings = self.lock();
        if standings.is_empty() {
            return;
        }
        let text = || String::with_capacity(HEADER_BYTES);
        let (mut policies, mut lefts) = (text(), text());
        for standing in standings.iter() {
            if !policies.is_empty() {
                policies.push_str(", ");
                lefts.push_str(", ");
            }
            // A text takes everything.
            let _ = standing.policy.item(&mut policies);
            let _ = standing.item(&mut lefts);
        }
        for (name, value) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, lefts)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

impl Policy {
    /// A quota of `q` that fills within `w` seconds: it gives `q` in every `w`, and `q` at once after a pause.
    fn item(&self, list: &mut String) -> fmt::Result {
        let Self {
            name,
            quota,
            window,
        } = self;
        match window {
            Some(window) => write!(list, "\"{name}\";q={quota};w={}", whole_s(*window)),
            None => write!(list, "\"{name}\";q={quota};qu=\"concurrent-requests\""),
        }
    }
}

impl Standing {
    /// Seconds, at least one.
    pub(super) fn more_in_s(&self) -> u64 {
        whole_s(self.more_in.unwrap_or_default())
    }

    /// `r` are let through now, and no more than that within `t` seconds.
    fn item(&self, list: &mut String) -> fmt::Result {
        let (name, left) = (self.policy.name, self.left);
        match self.more_in {
            Some(_) => write!(list, "\"{name}\";r={left};t={}", self.more_in_s()),
            None => write!(list, "\"{name}\";r={left}"),
        }
    }
}

/// Rounded up, and at least one: neither a wait nor a window may be none.
fn whole_s(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}
