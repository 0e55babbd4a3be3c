//! What callers are told of the limits: `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-11
//! has them, on every answer to a caller that is known.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

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

/// The standings of a request's limits: in its extensions, for whoever counts it.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<Standing>>>);

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

    fn write(&self, headers: &mut HeaderMap) {
        let standings = self.lock();
        if standings.is_empty() {
            return;
        }
        let list = |member: fn(&Standing) -> String| {
            let members: Vec<_> = standings.iter().map(member).collect();
            HeaderValue::try_from(members.join(", "))
        };
        for (name, value) in [
            (RATE_LIMIT_POLICY, list(|it| it.policy.item())),
            (RATE_LIMIT, list(Standing::item)),
        ] {
            if let Ok(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

impl Policy {
    /// A quota of `q` that fills within `w` seconds: it gives `q` in every `w`, and `q` at once after a pause.
    fn item(&self) -> String {
        let Self {
            name,
            quota,
            window,
        } = self;
        match window {
            Some(window) => format!("\"{name}\";q={quota};w={}", whole_s(*window)),
            None => format!("\"{name}\";q={quota};qu=\"concurrent-requests\""),
        }
    }
}

impl Standing {
    /// Seconds, at least one.
    pub(super) fn more_in_s(&self) -> u64 {
        whole_s(self.more_in.unwrap_or_default())
    }

    /// `r` are let through now, and no more than that within `t` seconds.
    fn item(&self) -> String {
        let (name, left) = (self.policy.name, self.left);
        match self.more_in {
            Some(_) => format!("\"{name}\";r={left};t={}", self.more_in_s()),
            None => format!("\"{name}\";r={left}"),
        }
    }
}

/// Rounded up, and at least one: neither a wait nor a window may be none.
fn whole_s(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}

/// Middleware: answers say how the limits stand that their request was counted by.
pub(crate) async fn tell(mut request: Request, next: Next) -> Response {
    let told = Told::default();
    request.extensions_mut().insert(told.clone());
    let mut response = next.run(request).await;
    told.write(response.headers_mut());
    response
}
