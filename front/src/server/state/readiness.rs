//! The last look at whether the server is ready.

use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// The longest time that a result is reused. Anybody may ask, and each check flushes the disk.
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

/// The last result.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Found>>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    at: Instant,
    /// `None` if the store cannot write and read.
    ready: Option<Ready>,
}

impl Readiness {
    /// Returns the last result or checks again. Concurrent callers share one check, which goes on when they leave.
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
