//! A cache of what admission asks for. A commit that changes an answer removes it.

use crate::catalogue::artifact::Artifact;
use crate::catalogue::release::Release;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId, ProjectId, ReleaseId, SessionId};
use crate::money::subscription::Subscription;
use crate::tenancy::key::KeyUse;
use crate::tenancy::session::SessionUse;
use crate::tenancy::suspension::Suspendable;
use moka::sync::Cache;
use serde_json::Value;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

const KEYS: u64 = 65_536;
const SESSIONS: u64 = 65_536;
const SUBSCRIPTIONS: u64 = 65_536;
const RELEASES: u64 = 65_536;
/// Bytes of memory for cached artifacts.
const ARTIFACT_BYTES: u64 = 128 * 1024 * 1024;
/// Bytes that a field of an object takes beside its name and value.
const FIELD_BYTES: usize = 64;
/// The fields that an object has room for at least.
const FIELDS_MIN: usize = 4;
/// Bytes that an allocation takes beside its content.
const ALLOCATION_BYTES: usize = 16;
/// Bytes of an artifact beside its texts.
const ARTIFACT_BYTES_LEAST: usize = 1024;

/// The number of locks for reading answers.
const READING: usize = 64;

/// The answers that admission needs.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// By the hash of their text.
    pub(crate) keys: Answers<[u8; 32], KeyUse>,
    pub(crate) artifacts: Answers<ArtifactId, Arc<Artifact>>,
    pub(crate) sessions: Answers<SessionId, SessionUse>,
    /// Those that have not ended.
    pub(crate) subscriptions: Answers<(ArtifactId, OrgId, ProjectId), Subscription>,
    /// Active releases that anything still uses. A request holds its artifact while it waits for a body, and its terms can
    /// be hundreds of kilobytes.
    releases: Cache<ReleaseId, Weak<Release>>,
}

impl Default for Remembered {
    fn default() -> Self {
        let artifacts = Cache::builder()
            .max_capacity(ARTIFACT_BYTES)
            .weigher(|_, artifact: &Arc<Artifact>| weight(artifact));
        Self {
            keys: Answers::of(Cache::new(KEYS)),
            artifacts: Answers::of(artifacts.build()),
            sessions: Answers::of(Cache::new(SESSIONS)),
            subscriptions: Answers::of(Cache::new(SUBSCRIPTIONS)),
            releases: Cache::new(RELEASES),
        }
    }
}

impl Remembered {
    /// The artifact, with the copy of its active release that others use already. A release never changes.
    pub(crate) fn share_release(&self, mut artifact: Artifact) -> Artifact {
        let Some(active) = &mut artifact.active else {
            return artifact;
        };
        match self.releases.get(&active.id).and_then(|it| it.upgrade()) {
            Some(shared) => *active = shared,
            None => self.releases.insert(active.id, Arc::downgrade(active)),
        }
        artifact
    }

    /// Forgets every answer that a suspension changes.
    pub(crate) fn forget_suspended(&self, target: Suspendable) {
        match target {
            Suspendable::Artifact(artifact) => self.artifacts.forget(&artifact),
            Suspendable::Key(_) => {
                self.keys.forget_all();
                self.sessions.forget_all();
            }
            Suspendable::Org(_) => {
                self.keys.forget_all();
                self.sessions.forget_all();
                self.artifacts.forget_all();
            }
        }
    }
}

/// Answers of the database that were good when they were given, each until it is forgotten.
pub(crate) struct Answers<Q, A> {
    answers: Cache<Q, A>,
    /// How often something was forgotten: an answer that was read meanwhile may be the old one.
    forgotten: Mutex<u64>,
    /// Locks by question, so that concurrent requests read an answer once.
    reading: [tokio::sync::Mutex<()>; READING],
    hasher: RandomState,
}

impl<Q, A> Answers<Q, A>
where
    Q: Hash + Eq + Send + Sync + 'static,
    A: Clone + Send + Sync + 'static,
{
    fn of(answers: Cache<Q, A>) -> Self {
        Self {
            answers,
            forgotten: Mutex::new(0),
            reading: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// The cached answer, or else one that is read. A missing row is not cached.
    pub(crate) async fn get<R>(
        &self,
        question: Q,
        read: impl FnOnce() -> R,
    ) -> Result<Option<A>, StoreError>
    where
        R: Future<Output = Result<Option<A>, StoreError>>,
    {
        if let Some(answer) = self.answers.get(&question) {
            return Ok(Some(answer));
        }
        let place = self.hasher.hash_one(&question) as usize % READING;
        let _reading = self.reading[place].lock().await;
        if let Some(answer) = self.answers.get(&question) {
            return Ok(Some(answer));
        }
        let before = *self.lock();
        // Boxed: a reading is large, and there mostly is none.
        let answer = read().await?;
        if let Some(answer) = &answer {
            let forgotten = self.lock();
            if *forgotten == before {
                self.answers.insert(question, answer.clone());
            }
        }
        Ok(answer)
    }

    /// Right after the commit that changes an answer, and before anybody is told of it.
    pub(crate) fn forget(&self, question: &Q) {
        let mut forgotten = self.lock();
        *forgotten += 1;
        self.answers.invalidate(question);
    }

    /// The same of all.
    pub(crate) fn forget_all(&self) {
        let mut forgotten = self.lock();
        *forgotten += 1;
        self.answers.invalidate_all();
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> fmt::Debug for Answers<Q, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// Bytes that an artifact takes in memory, about.
fn weight(artifact: &Artifact) -> u32 {
    let verdict = artifact
        .draft
        .as_ref()
        .and_then(|draft| draft.verdict.as_ref());
    let of_verdict = verdict.map(|it| [Some(&it.violations), Some(&it.notes), it.about.as_ref()]);
    let values = of_verdict.into_iter().flatten().flatten();
    let terms = artifact
        .active
        .as_ref()
        .map_or(0, |it| it.terms.memory_bytes());
    let bytes = values.map(json_bytes).sum::<usize>() + terms + ARTIFACT_BYTES_LEAST;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Bytes that JSON takes in memory, about. `[0,0,…]` takes forty times its text.
fn json_bytes(value: &Value) -> usize {
    let inside: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(json_bytes).sum(),
        Value::Object(fields) => {
            let room = FIELDS_MIN.saturating_sub(fields.len()) * FIELD_BYTES;
            let each = |(name, value): (&String, &Value)| {
                FIELD_BYTES + ALLOCATION_BYTES + name.len() + json_bytes(value)
            };
            room + fields.iter().map(each).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    let allocation = if inside > 0 { ALLOCATION_BYTES } else { 0 };
    size_of::<Value>() + allocation + inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::terms::Terms;
    use crate::digest::Digest;
    use crate::owner::Owner;
    use crate::time::Time;

    #[test]
    fn json_weighs_what_it_takes_in_memory() {
        let zeros = serde_json::json!(vec![0; 120_000]);
        let text = zeros.to_string().len();
        assert!(json_bytes(&zeros) > 10 * text, "{}", json_bytes(&zeros));
        let words = serde_json::json!({"a": "x".repeat(1000)});
        assert!((1000..1500).contains(&json_bytes(&words)));
    }

    #[test]
    fn artifacts_that_are_read_again_share_their_release() {
        let read = || Artifact {
            id: ArtifactId::none(),
            owner: Owner {
                org: OrgId::none(),
                project: ProjectId::none(),
            },
            name: "tool".to_owned(),
            listed: true,
            created_at: Time::now(),
            draft: None,
            active: Some(Arc::new(Release {
                id: ReleaseId::none(),
                version: "1.0.0".to_owned(),
                digest: Digest::of(b"tool"),
                terms: Terms::default(),
                created_at: Time::now(),
                active: true,
            })),
            is_suspended: false,
        };
        let remembered = Remembered::default();
        let first = remembered.share_release(read()).active.expect("there");
        let again = remembered.share_release(read()).active.expect("there");
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        let later = remembered.share_release(read()).active.expect("there");
        assert_eq!(Arc::strong_count(&later), 1);
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_is_read_is_not_remembered() {
        let answers: Answers<u8, u8> = Answers::of(Cache::new(10));
        let none = || async { panic!("it is remembered") };
        let old = async || {
            answers.forget(&1);
            Ok(Some(10))
        };
        assert_eq!(answers.get(1, old).await.expect("read"), Some(10));
        let new = async || Ok(Some(11));
        assert_eq!(answers.get(1, new).await.expect("read"), Some(11));
        assert_eq!(answers.get(1, none).await.expect("kept"), Some(11));
        answers.forget(&2);
        assert_eq!(answers.get(1, none).await.expect("kept"), Some(11));
        answers.forget_all();
        let nothing = async || Ok(None);
        assert_eq!(answers.get(1, nothing).await.expect("read"), None);
        let late = async || Ok(Some(12));
        assert_eq!(answers.get(1, late).await.expect("read"), Some(12));
    }
}
