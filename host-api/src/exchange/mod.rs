//! The exchange of a run's placeholders for its buyer's secrets. A tool never holds a secret: it puts the placeholder
//! where the secret belongs, and on the way out, only there, the host puts the secret in its place.

pub(crate) mod incoming;
pub(crate) mod outgoing;
mod rewrite;
mod spellings;

pub use spellings::{spelling_in, spellings};

use crate::egress::host::Host;
use http::request::Parts;
use outgoing::Whither;
use rewrite::Texts;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::OnceLock;

/// One secret a run may use without holding it.
#[derive(Debug, Clone)]
pub struct RunSecret {
    /// The credential's name, as the manifest has it.
    pub name: String,
    /// What the guest sees: exactly as long as the secret.
    pub placeholder: String,
    /// What its owner set.
    pub secret: SecretString,
    /// Where it may go: hosts that the manifest and its owner both name.
    pub hosts: Vec<Host>,
}

impl RunSecret {
    fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// All secrets of one run.
pub struct RunSecrets {
    all: Vec<RunSecret>,
    /// Made when the first body goes out.
    placeholders: OnceLock<Texts>,
}

impl fmt::Debug for RunSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.all.iter().map(|it| &it.name))
            .finish()
    }
}

/// A request that must not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It carries the credential of that name where it may not go.
    Credential(String),
    /// With the secret in it, it is no request any more.
    Broken,
}

impl RunSecrets {
    /// Each placeholder must be as long as its secret.
    pub fn new(all: Vec<RunSecret>) -> Self {
        debug_assert!(
            all.iter()
                .all(|it| it.placeholder.len() == it.secret().len())
        );
        Self {
            all,
            placeholders: OnceLock::new(),
        }
    }

    /// What is looked for in bodies, if there is anything.
    fn placeholders(&self) -> Option<&Texts> {
        let texts = || {
            self.all
                .iter()
                .map(|it| it.placeholder.clone().into_bytes())
        };
        (!self.all.is_empty()).then(|| {
            self.placeholders
                .get_or_init(|| Texts::new(texts().collect()))
        })
    }

    fn refused(&self, index: usize) -> Refused {
        Refused::Credential(self.all[index].name.clone())
    }

    /// The text with every placeholder exchanged, or nothing where none is in it.
    fn exchanged(
        &self,
        to: &Whither,
        text: &str,
        written: impl Fn(&str) -> String,
    ) -> Result<Option<String>, Refused> {
        let mut exchanged = None;
        for (index, secret) in self.all.iter().enumerate() {
            let now = exchanged.as_deref().unwrap_or(text);
            if !now.contains(&secret.placeholder) {
                continue;
            }
            if !to.is_open_to(self, index) {
                return Err(self.refused(index));
            }
            exchanged = Some(now.replace(&secret.placeholder, &written(secret.secret())));
        }
        Ok(exchanged)
    }

    /// A placeholder in a host's or a header's name goes nowhere. Names do not tell cases apart.
    fn refuse_in_names(&self, parts: &Parts) -> Result<(), Refused> {
        let authority = parts.uri.authority().map(|it| it.as_str()).into_iter();
        let names = parts.headers.keys().map(|name| name.as_str());
        let texts: Vec<String> = authority
            .chain(names)
            .chain([parts.method.as_str()])
            .map(str::to_ascii_lowercase)
            .collect();
        let carried = self.all.iter().position(|secret| {
            let placeholder = secret.placeholder.to_ascii_lowercase();
            texts.iter().any(|text| text.contains(&placeholder))
        });
        carried.map_or(Ok(()), |index| Err(self.refused(index)))
    }

    /// A text for people in which no placeholder stands: each is its credential's name in braces.
    pub(crate) fn named(&self, text: &str) -> String {
        let mut named = text.to_owned();
        for secret in &self.all {
            named = named.replace(&secret.placeholder, &format!("{{{}}}", secret.name));
        }
        named
    }
}

#[cfg(test)]
mod tests;
