//! The owners that ask for tools that are not loaded yet.

use crate::digest::ToolDigest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For each tool that is being loaded, its owners with the number of their requests.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<HashMap<ToolDigest, HashMap<Arc<str>, usize>>>);

/// One owner's request, until it is dropped.
pub(super) struct Asks<'a> {
    pub(super) asking: &'a Asking,
    pub(super) digest: ToolDigest,
    pub(super) owner: Arc<str>,
}

impl Asking {
    /// Adds a request. True if it is the owner's first for that tool.
    pub(super) fn add(&self, digest: ToolDigest, owner: &Arc<str>) -> bool {
        let mut tools = self.lock();
        let owners = tools.entry(digest).or_default();
        let requests = owners.entry(Arc::clone(owner)).or_default();
        *requests += 1;
        *requests == 1
    }

    /// Everyone who asks for a tool.
    pub(super) fn owners(&self, digest: &ToolDigest) -> Vec<Arc<str>> {
        let tools = self.lock();
        let owners = tools.get(digest).into_iter().flatten();
        owners.map(|(owner, _)| Arc::clone(owner)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ToolDigest, HashMap<Arc<str>, usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        let mut tools = self.asking.lock();
        let Some(owners) = tools.get_mut(&self.digest) else {
            return;
        };
        if let Some(requests) = owners.get_mut(&self.owner) {
            *requests -= 1;
            if *requests == 0 {
                owners.remove(&self.owner);
            }
        }
        if owners.is_empty() {
            tools.remove(&self.digest);
        }
    }
}
