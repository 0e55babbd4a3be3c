//! Who calls, and what they may do.

use crate::problem::{Kind, Problem};
use crate::server::edge::noted::Noted;
use crate::server::state::{Server, Shared};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use tollgate_store::{
    Actor, ArtifactId, KeyText, KnownKey, KnownSession, NewRun, OrgId, Owner, Payer, Scope,
    SessionId, TokenRefused,
};

/// A caller whose key is known, or whose session is. As a handler's argument it lets in keys only, and a session's key
/// has no scopes: whoever lets sessions in says so, by [`KeyOrSession`] and by asking what a session may.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Of a session the key that made it, without its scopes.
    pub(crate) key: KnownKey,
    session: Option<Grant>,
    /// Of the request.
    noted: Option<Noted>,
}

/// A caller of a handler that answers sessions, too.
pub(crate) struct KeyOrSession(pub(crate) Caller);

/// What a session was granted.
#[derive(Debug, Clone)]
struct Grant {
    id: SessionId,
    artifacts: Vec<ArtifactId>,
}

impl Caller {
    /// The org and project that calls.
    pub(crate) fn owner(&self) -> Owner {
        self.key.owner
    }

    /// Who pays for what is asked for.
    pub(crate) fn payer(&self) -> Payer {
        Payer {
            owner: self.owner(),
            key: self.key.key,
            session: self.session_id(),
        }
    }

    /// The session; none of a key itself.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.id)
    }

    /// Refuses sessions.
    pub(crate) fn has_key(&self) -> Result<(), Problem> {
        match self.session {
            Some(_) => Err(beyond_session()),
            None => Ok(()),
        }
    }

    /// Whether a run is the caller's: its project's, or its session's.
    pub(crate) fn asked_for(&self, run: &NewRun) -> bool {
        let session = self.session_id();
        run.owner == self.owner() && (session.is_none() || run.session == session)
    }

    /// Refuses where runs are not covered by the key's scopes, and where a session was not given the artifact.
    pub(crate) fn may_run(&self, artifact: ArtifactId) -> Result<(), Problem> {
        match &self.session {
            Some(session) if session.artifacts.contains(&artifact) => Ok(()),
            Some(_) => Err(beyond_session()),
            None => self.covers(Scope::Run),
        }
    }

    /// Lets sessions in, and keys that may run; refuses where the operator has stopped the key or its org. Which runs
    /// are the caller's is for [`asked_for`](Self::asked_for).
    pub(crate) fn may_read_runs(&self) -> Result<(), Problem> {
        match self.session {
            Some(_) => self.goes_on(),
            None => self.needs(Scope::Run),
        }
    }

    /// Who does what is asked for.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            owner: self.owner(),
            key: self.key.key,
        }
    }

    /// Refuses where the key's scopes do not cover a call, and where the operator has stopped the key or its org.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        self.covers(scope)?;
        self.goes_on()
    }

    /// Refuses where the operator has stopped the key or its org.
    pub(crate) fn goes_on(&self) -> Result<(), Problem> {
        match self.key.is_suspended {
            true => Err(Problem::of(Kind::Suspended)),
            false => Ok(()),
        }
    }

    /// Refuses where the key's scopes do not cover a call.
    pub(crate) fn covers(&self, scope: Scope) -> Result<(), Problem> {
        if let Some(noted) = &self.noted {
            noted.needs(scope);
        }
        self.has_key()?;
        if self.key.scopes.cover(scope) {
            return Ok(());
        }
        let hint = format!(
            "This call needs a key with the scope `{}`; `POST /v1/keys` with a key that has it makes one.",
            scope.name()
        );
        Err(Problem::of(Kind::Forbidden).with_hint(hint))
    }
}

impl Caller {
    /// The caller's org, and true if one of its sessions calls.
    pub(crate) fn whose(&self) -> (OrgId, bool) {
        (self.key.owner.org, self.session.is_some())
    }
}

fn beyond_session() -> Problem {
    let hint = "A session runs the artifacts it was made for and reads its own runs; anything else needs a key.";
    Problem::of(Kind::Forbidden).with_hint(hint)
}

/// Step 1, who calls, and step 2, whether their key and org, or an address without a good key, may ask more.
pub(crate) async fn identify(
    server: &Server,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Caller, Problem> {
    let mut caller = match known(server, headers).await {
        Err(problem) if problem.kind() == Kind::KeyInvalid => {
            return Err(server.rates.failed(problem, extensions));
        }
        known => known?,
    };
    if let Some(noted) = extensions.get::<Noted>() {
        noted.set(&caller.key, caller.session.is_some());
        caller.noted = Some(noted.clone());
    }
    server.rates.request(&caller.key, extensions)?;
    server
        .unsent
        .check(caller.key.owner.org, caller.session.is_some())?;
    Ok(caller)
}

async fn known(server: &Server, headers: &HeaderMap) -> Result<Caller, Problem> {
    let text = key_text(headers)?;
    let Some(key) = KeyText::parse(text) else {
        return known_session(server, text).await;
    };
    let key = server.store.known_key(&key).await?;
    let key = key.ok_or_else(|| Problem::of(Kind::KeyInvalid))?;
    Ok(Caller {
        key,
        session: None,
        noted: None,
    })
}

/// What is no key's text may be a session's token.
async fn known_session(server: &Server, token: &str) -> Result<Caller, Problem> {
    match server.store.known_session(token).await? {
        Ok(KnownSession { id, key, artifacts }) => Ok(Caller {
            key,
            session: Some(Grant { id, artifacts }),
            noted: None,
        }),
        Err(TokenRefused::Expired) => Err(Problem::of(Kind::TokenExpired)),
        Err(TokenRefused::Invalid) => Err(Problem::of(Kind::KeyInvalid)),
    }
}

/// `x-api-key` wins over `Authorization`.
fn key_text(headers: &HeaderMap) -> Result<&str, Problem> {
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().map_err(|_| Problem::of(Kind::KeyInvalid));
    }
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(Problem::of(Kind::AuthorizationMissing));
    };
    match value.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
        _ => Err(Problem::of(Kind::KeyInvalid)),
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Self, Problem> {
        let caller = identify(server, &parts.headers, &parts.extensions).await?;
        caller.has_key()?;
        Ok(caller)
    }
}

impl FromRequestParts<Shared> for KeyOrSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Self, Problem> {
        let caller = identify(server, &parts.headers, &parts.extensions).await;
        caller.map(Self)
    }
}
