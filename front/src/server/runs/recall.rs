//! The answer of a run that an equal request started before.

use super::handlers::whole;
use super::run_view;
use crate::problem::answer::replayed;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::edge::turns::Length;
use crate::server::edge::unsent::showing::Shown;
use crate::server::repeated::{Earlier, replay};
use crate::server::state::Server;
use crate::server::state::live::RunEnd;
use axum::response::{IntoResponse, Response};
use tollgate_store::{RecordedFailure, RunRecord};

/// Waits for the run where it is still under way.
pub(crate) async fn answer(
    server: &Server,
    caller: &Caller,
    earlier: Earlier,
) -> Result<Response, Problem> {
    let (Some(id), None) = (earlier.kept.run, earlier.kept.status) else {
        return replay(server, caller.whose(), earlier).await;
    };
    if let Some(live) = server.live.get(id) {
        return Ok(match live.awaited().await {
            // Each answer copies the output.
            RunEnd::Recorded(record) if is_long(&record) => {
                let showing = Some(server.showing(caller.whose()).await?);
                let body = replayed(run_view::answer(&record));
                Shown { body, showing }.into_response()
            }
            RunEnd::Recorded(record) => replayed(run_view::answer(&record)),
            RunEnd::Refused(problem) => problem.into_response(),
        });
    }
    let found = server.store.run(caller.owner(), id).await?;
    let found = found.ok_or_else(|| Problem::of(Kind::Internal))?;
    let (record, showing) = whole(server, (caller.owner(), caller.whose()), found).await?;
    let body = replayed(run_view::answer(&record));
    Ok(Shown { body, showing }.into_response())
}

fn is_long(record: &RunRecord) -> bool {
    let output = record.output.as_ref().map_or(0, String::len);
    let failure = record.failure.as_ref().map_or(0, RecordedFailure::bytes);
    Length::of_json(output + failure) == Length::Long
}
