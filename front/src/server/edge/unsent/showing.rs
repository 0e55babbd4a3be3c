//! Gives an org one long answer at a time. Its turn begins before the text is read, and ends when the answer is counted
//! among the unread answers.
//!
//! Without the turn, every waiting request would hold a text that no budget counts.

use super::Unsent;
use crate::problem::Problem;
use crate::server::edge::turns::{Kind, Turns};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tollgate_store::OrgId;

/// An org's turn for a long answer.
#[derive(Debug, Clone)]
pub(crate) struct Showing(
    #[expect(dead_code, reason = "held until it is dropped")] Arc<OwnedMutexGuard<()>>,
);

impl Showing {
    /// Waits for the turn. Fails if unread answers fill the org's share by then.
    pub(crate) async fn new(
        turns: &Turns,
        unsent: &Unsent,
        (org, is_session): (OrgId, bool),
    ) -> Result<Self, Problem> {
        let turn = turns.of(org, Kind::Show).await;
        unsent.check(org, is_session)?;
        Ok(Self(Arc::new(turn)))
    }
}

/// An answer and its turn.
pub(crate) struct Shown<T> {
    pub(crate) body: T,
    /// `None` for a short one.
    pub(crate) showing: Option<Showing>,
}

impl<T: IntoResponse> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        let mut response = self.body.into_response();
        if let Some(showing) = self.showing {
            response.extensions_mut().insert(showing);
        }
        response
    }
}

/// Ends the turn that an answer was made in, if there is one.
pub(crate) fn end(response: &mut Response) {
    response.extensions_mut().remove::<Showing>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Json;
    use std::time::Duration;

    #[tokio::test]
    async fn an_org_makes_one_long_answer_until_it_is_counted() {
        let (turns, unsent) = (Turns::default(), Unsent::new(1 << 20));
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let soon = Duration::from_millis(50);
        let showing = Showing::new(&turns, &unsent, (noisy, false)).await;
        let showing = Some(showing.expect("nothing is unread"));
        let body = Json(serde_json::json!([]));
        let mut response = Shown { body, showing }.into_response();
        let second = Showing::new(&turns, &unsent, (noisy, false));
        assert!(tokio::time::timeout(soon, second).await.is_err());
        let other = Showing::new(&turns, &unsent, (quiet, false)).await;
        assert!(other.is_ok(), "another org has a turn of its own");
        end(&mut response);
        let second = Showing::new(&turns, &unsent, (noisy, false)).await;
        assert!(second.is_ok());
    }
}
