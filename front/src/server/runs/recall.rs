//! The answer of a run that an equal request started before.

use super::run_view;
use crate::problem::answer::replayed;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::repeated::replay;
use crate::server::state::Server;
use crate::server::state::live::RunEnd;
use axum::response::{IntoResponse, Response};
use tollgate_store::KeptAnswer;

/// Waits for the run where it is still under way.
pub(crate) async fn answer(
    server: &Server,
    caller: &Caller,
    kept: KeptAnswer,
) -> Result<Response, Problem> {
    let (Some(id), None) = (kept.run, kept.status) else {
        return Ok(replay(kept));
    };
    if let Some(live) = server.live.get(id) {
        return Ok(match live.awaited().await {
            RunEnd::Recorded(record) => replayed(run_view::answer(&record)),
            RunEnd::Refused(problem) => problem.into_response(),
        });
    }
    let record = server.store.run(caller.owner(), id).await?;
    let record = record.ok_or_else(|| Problem::of(Kind::Internal))?;
    Ok(replayed(run_view::answer(&record)))
}
