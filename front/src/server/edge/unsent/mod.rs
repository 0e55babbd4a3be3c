//! Answers that their clients have not taken yet. Each is held here until the last byte of it is with the kernel, and a
//! client may take one byte in a while.

pub(crate) mod showing;

use crate::problem::{Kind, Problem};
use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use tollgate_fair::{Most, Part, Shares};
use tollgate_store::OrgId;

/// Bytes of an answer that is not counted: every connection may have one.
const SMALL_BYTES: u64 = 64 * 1024;

/// Bytes of answers on their way, by org.
#[derive(Debug)]
pub(crate) struct Unsent(Shares<OrgId>);

impl Default for Unsent {
    /// For a server whose answers belong to no org.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Unsent {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self(Shares::new(Most::halves(bytes_max)))
    }

    /// Refuses an org that has its share of them, before it asks for more. One that has none is never refused.
    /// Sessions have half of the share: what was given away must not keep its org out.
    pub(crate) fn check(&self, org: OrgId, is_session: bool) -> Result<(), Problem> {
        let most = self.0.most();
        let share = if is_session { most.own / 2 } else { most.own };
        let (all, own) = (self.0.all(), self.0.of(&org));
        if own == 0 || (own < share && all < most.all) {
            return Ok(());
        }
        let hint = "Answers to this org wait for their clients to read them, and no more are held: read them, or close their connections.";
        Err(Problem::of(Kind::AtCapacity).with_hint(hint))
    }

    /// Counts a large answer until it is sent. One that only read something is refused where the org has its share by
    /// now; one that did something is given.
    pub(crate) async fn count(
        &self,
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
        let part = self.0.add(org, bytes);
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
}

/// An answer's bytes. The connection drops them once they are written.
struct Counted {
    bytes: Bytes,
    _part: Part<OrgId>,
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
        let mut parts = vec![unsent.0.add(first, 49)];
        assert!(unsent.check(first, true).is_err(), "a session has less");
        assert!(unsent.check(first, false).is_ok(), "not its half yet");
        parts.push(unsent.0.add(first, 10));
        assert!(unsent.check(first, false).is_err());
        assert!(unsent.check(second, false).is_ok());
        let others = unsent.0.add(second, 41);
        assert!(unsent.check(second, false).is_err(), "all is taken");
        assert!(unsent.check(third, false).is_ok());
        drop(parts);
        assert!(unsent.check(first, false).is_ok() && unsent.check(second, false).is_ok());
        drop(others);
        assert_eq!(unsent.0.all(), 0);
    }
}
