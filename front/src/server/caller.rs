//! Who calls, and what they may do.

use super::observe::Noted;
use super::state::{Server, Shared};
use crate::problem::{Kind, Problem};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use tollgate_store::{Actor, KeyText, KnownKey, OrgId, Payer, ProjectId, Scope};

/// A caller whose key is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) key: KnownKey,
}

impl Caller {
    /// Org and project.
    pub(crate) fn owner(&self) -> (OrgId, ProjectId) {
        (self.key.org, self.key.project)
    }

    /// Who pays for what is asked for.
    pub(crate) fn payer(&self) -> Payer {
        Payer {
            owner: self.owner(),
            key: self.key.key,
            session: None,
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

/// Step 1, who calls, and step 2, whether their key and org, or an address without a good key, may ask more.
pub(crate) async fn identify(
    server: &Server,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Caller, Problem> {
    let key = match known(server, headers).await {
        Err(problem) if problem.kind() == Kind::KeyInvalid => {
            return Err(server.rates.failed(problem, extensions));
        }
        known => known?,
    };
    if let Some(noted) = extensions.get::<Noted>() {
        noted.set(key.org, key.key);
    }
    server.rates.request(&key, extensions)?;
    Ok(Caller { key })
}

async fn known(server: &Server, headers: &HeaderMap) -> Result<KnownKey, Problem> {
    let text = key_text(headers)?;
    let invalid = || Problem::of(Kind::KeyInvalid);
    let text = KeyText::parse(&text).ok_or_else(invalid)?;
    let key = server.store.known_key(&text).await?;
    key.ok_or_else(invalid)
}

/// `x-api-key` wins over `Authorization`.
fn key_text(headers: &HeaderMap) -> Result<String, Problem> {
    let invalid = || Problem::of(Kind::KeyInvalid);
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).map_err(|_| invalid());
    if let Some(value) = headers.get("x-api-key") {
        return text(value);
    }
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(Problem::of(Kind::AuthorizationMissing));
    };
    match text(value)?.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim().to_owned()),
        _ => Err(invalid()),
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Self, Problem> {
        identify(server, &parts.headers, &parts.extensions).await
    }
}
