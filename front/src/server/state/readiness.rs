//! The last look at whether the server is ready.

use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// How old what was found may be: anybody may ask, and each look is a flush.
const LOOK: Duration = Duration::from_secs(1);

/// That the server takes work.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Ready {
    #[schema(example = "ok")]
    pub(crate) status: &'static str,
    /// Whether compiled tools can be kept: `ok`, or `unavailable`, where each start compiles them again.
    #[schema(example = "ok")]
    pub(crate) compiled: &'static str,
}

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Found>>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    at: Instant,
    /// `None`: the store does not write and read.
    ready: Option<Ready>,
}

impl Readiness {
    /// Callers at once share a look, which goes on where they leave.
    pub(crate) async fn of(
        &self,
        look: impl Future<Output = Option<Ready>> + Send + 'static,
    ) -> Option<Ready> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some(found) = *last
            && found.at.elapsed() < LOOK
        {
            return found.ready;
        }
        let looking = tokio::spawn(async move {
            let ready = look.await;
            let at = Instant::now();
            *last = Some(Found { at, ready });
            ready
        });
        looking.await.ok().flatten()
    }
}
