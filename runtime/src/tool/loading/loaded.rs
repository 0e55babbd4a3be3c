//! Loaded tools by the owner they were loaded for. An owner has at most half of the room, so that it cannot evict the tools
//! that others use.

use crate::digest::ToolDigest;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Loaded tools by owner.
#[derive(Debug)]
pub(crate) struct LoadedByOwner {
    share: u64,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    /// An owner's tools, oldest first, and their total weight.
    by_owner: HashMap<Arc<str>, (VecDeque<ToolDigest>, u64)>,
    /// Each tool's owner and weight.
    tools: HashMap<ToolDigest, (Arc<str>, u64)>,
}

impl LoadedByOwner {
    /// `room` is the weight of all loaded tools together; an owner may have half.
    pub(crate) fn new(room: u64) -> Self {
        Self {
            share: room / 2,
            loaded: Mutex::default(),
        }
    }

    /// Counts a loaded tool for its owner. Returns that owner's oldest other tools, which the caller must evict. A tool
    /// without an owner is not counted.
    pub(crate) fn add(&self, owner: &Arc<str>, tool: ToolDigest, weight: u64) -> Vec<ToolDigest> {
        let mut loaded = self.lock();
        loaded.remove(&tool);
        if owner.is_empty() {
            return Vec::new();
        }
        let (tools, sum) = loaded.by_owner.entry(Arc::clone(owner)).or_default();
        tools.push_back(tool);
        *sum += weight;
        let (mut over, mut left) = (Vec::new(), *sum);
        let mut oldest = tools.clone().into_iter();
        loaded.tools.insert(tool, (Arc::clone(owner), weight));
        while left > self.share {
            let Some(first) = oldest.next().filter(|first| *first != tool) else {
                break;
            };
            left -= loaded.remove(&first);
            over.push(first);
        }
        over
    }

    /// A tool is no longer loaded.
    pub(crate) fn remove(&self, tool: &ToolDigest) {
        self.lock().remove(tool);
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// Returns the weight that was removed.
    fn remove(&mut self, tool: &ToolDigest) -> u64 {
        let Some((owner, weight)) = self.tools.remove(tool) else {
            return 0;
        };
        if let Some((tools, sum)) = self.by_owner.get_mut(&owner) {
            tools.retain(|other| other != tool);
            *sum -= weight;
            if tools.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(number: u8) -> ToolDigest {
        ToolDigest::of(&[number])
    }

    #[test]
    fn an_owner_s_oldest_go_when_its_tools_are_more_than_half() {
        let loaded = LoadedByOwner::new(100);
        let (one, other): (Arc<str>, Arc<str>) = (Arc::from("one"), Arc::from("other"));
        assert_eq!(loaded.add(&one, tool(1), 20), []);
        assert_eq!(loaded.add(&one, tool(2), 20), []);
        assert_eq!(loaded.add(&other, tool(3), 50), []);
        assert_eq!(loaded.add(&one, tool(4), 20), [tool(1)]);
        loaded.remove(&tool(2));
        assert_eq!(loaded.add(&one, tool(5), 30), []);
        // One that is larger than the share alone stays alone.
        assert_eq!(loaded.add(&one, tool(6), 70), [tool(4), tool(5)]);
        assert_eq!(loaded.add(&other, tool(3), 50), [], "loaded again");
        assert_eq!(loaded.add(&Arc::from(""), tool(7), 90), [], "nobody's");
        loaded.remove(&tool(6));
        loaded.remove(&tool(3));
        assert!(loaded.lock().by_owner.is_empty() && loaded.lock().tools.is_empty());
    }
}
