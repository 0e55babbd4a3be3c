//! What a host hears of compiling and loading.

use crate::digest::ToolDigest;
use crate::tool::artifacts::ArtifactRefusal;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What compiling and loading came to. For logs and metrics.
#[derive(Debug, Clone)]
pub enum Observed {
    /// A tool was compiled, or its compilation failed.
    Compiled {
        /// Which.
        digest: ToolDigest,
        /// From its order to its end, waiting for its turn included.
        took: Duration,
        /// The violation's code, where there is no code.
        failure: Option<&'static str>,
    },
    /// A tool was loaded from its kept file.
    Loaded {
        /// Which.
        digest: ToolDigest,
        /// Looking at the file and linking it.
        took: Duration,
    },
    /// A kept file was not believed. It is removed, and the tool compiled again.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: ArtifactRefusal,
    },
    /// A compiled tool could not be kept. It runs, and the next process compiles it again.
    NotKept {
        /// Which.
        digest: ToolDigest,
        /// Why.
        error: String,
    },
}

/// Called for everything observed, by the threads that do the work.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Observed) + Send + Sync>);

impl Observer {
    /// An observer that calls `observe`, which must not block.
    pub fn new(observe: impl Fn(&Observed) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(crate) fn observe(&self, observed: &Observed) {
        (self.0)(observed);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
