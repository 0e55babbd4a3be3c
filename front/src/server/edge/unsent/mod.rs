//! Answers that their clients have not taken yet. Each is held here until the last byte of it is with the kernel, and a
//! client may take one byte in a while.

pub(crate) mod showing;

use crate::problem::{Kind, Problem};
use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_store::OrgId;

/// Bytes of an answer that is not counted: every connection may have one.
const SMALL_BYTES: u64 = 64 * 1024;

/// Bytes of answers on their way, by org.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    /// Of all orgs; one has at most half.
    bytes_max: u64,
    bytes: AtomicU64,
    by_org: Mutex<HashMap<OrgId, u64>>,
}

impl Unsent {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: AtomicU64::new(0),
            by_org: Mutex::default(),
        }
    }

    /// Refuses an org that has its share of them, before it asks for more. One that has none is never refused.
    /// Sessions have half of the share: what was given away must not keep its org out.
    pub(crate) fn check(&self, org: OrgId, is_session: bool) -> Result<(), Problem> {
        let share = self.bytes_max / if is_session { 4 } else { 2 };
        let all = self.bytes.load(Ordering::Acquire);
        if all < share {
            return Ok(());
        }
        let own = self.lock().get(&org).copied().unwrap_or(0);
        if own == 0 || (own < share && all < self.bytes_max) {
            return Ok(());
        }
        let hint = "Answers to this org wait for their clients to read them, and no more are held: read them, or close their connections.";
        Err(Problem::of(Kind::AtCapacity).with_hint(hint))
    }

    /// Counts a large answer until it is sent. One that only read something is refused where the org has its share by
    /// now; one that did something is given.
    pub(crate) async fn count(
        self: &Arc<Self>,
        (org, is_session): (OrgId, bool),
        only_read: bool,
        response: Response,
    ) -> Response {
        let Some(bytes @ SMALL_BYTES..) = response.body().size_hint().exact() else {
            return response;
        };
        if only_read && let Err(problem) = self.check(org, is_session) {
            return problem.into_response();
        }
        self.take(org, bytes);
        let unsent = Arc::clone(self);
        let part = Part { unsent, org, bytes };
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let counted = Counted {
                    bytes: body.to_bytes(),
                    _part: part,
                };
                Response::from_parts(parts, Body::from(Bytes::from_owner(counted)))
            }
            Err(_) => Problem::of(Kind::Internal).into_response(),
        }
    }

    fn take(&self, org: OrgId, bytes: u64) {
        *self.lock().entry(org).or_default() += bytes;
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn give_back(&self, org: OrgId, bytes: u64) {
        let mut by_org = self.lock();
        if let Some(own) = by_org.get_mut(&org) {
            *own -= bytes;
            if *own == 0 {
                by_org.remove(&org);
            }
        }
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, u64>> {
        self.by_org.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer takes, until it is dropped.
struct Part {
    unsent: Arc<Unsent>,
    org: OrgId,
    bytes: u64,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.unsent.give_back(self.org, self.bytes);
    }
}

/// An answer's bytes. The connection drops them once they are written.
struct Counted {
    bytes: Bytes,
    _part: Part,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_has_half_and_one_that_has_none_is_never_refused() {
        let (first, second, third) = (OrgId::new(), OrgId::new(), OrgId::new());
        let unsent = Unsent::new(100);
        unsent.take(first, 49);
        assert!(unsent.check(first, true).is_err(), "a session has less");
        assert!(unsent.check(first, false).is_ok(), "not its half yet");
        unsent.take(first, 10);
        assert!(unsent.check(first, false).is_err());
        assert!(unsent.check(second, false).is_ok());
        unsent.take(second, 41);
        assert!(unsent.check(second, false).is_err(), "all is taken");
        assert!(unsent.check(third, false).is_ok());
        unsent.give_back(first, 59);
        assert!(unsent.check(first, false).is_ok() && unsent.check(second, false).is_ok());
        unsent.give_back(second, 41);
        assert!(unsent.lock().is_empty() && unsent.bytes.load(Ordering::Acquire) == 0);
    }
}
