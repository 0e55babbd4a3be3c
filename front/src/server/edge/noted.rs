//! Facts about a request that handlers note for its log line.

use std::sync::{Arc, OnceLock};
use tollgate_store::{KeyId, KnownKey, OrgId, Scope};

/// The caller of a request, for the log. It is in the extensions of every request and is set once the caller is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    known: OnceLock<Known>,
    /// The scope that the call needs.
    scope: OnceLock<Scope>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) org: OrgId,
    pub(super) key: KeyId,
    is_session: bool,
}

impl Noted {
    pub(crate) fn set(&self, key: &KnownKey, is_session: bool) {
        let _ = self.0.known.set(Known {
            org: key.owner.org,
            key: key.key,
            is_session,
        });
    }

    /// Notes the scope that the call needs.
    pub(crate) fn needs(&self, scope: Scope) {
        let _ = self.0.scope.set(scope);
    }

    /// The scope that the call needs, once its handler has asked for it.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.0.scope.get().copied()
    }

    pub(super) fn known(&self) -> Option<&Known> {
        self.0.known.get()
    }

    /// The caller's org. The flag is true for a session.
    pub(super) fn org(&self) -> Option<(OrgId, bool)> {
        self.0.known.get().map(|it| (it.org, it.is_session))
    }
}
