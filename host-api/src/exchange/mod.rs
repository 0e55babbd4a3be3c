//! The exchange of a run's placeholders for its buyer's secrets. A tool never holds a secret: it puts the placeholder
//! where the secret belongs, and on the way out, only there, the host puts the secret in its place.

#[cfg(fuzzing)]
pub mod fuzzing;
pub mod incoming;
pub(crate) mod outgoing;
mod rewrite;
mod spellings;

pub use spellings::{spelling_in, spellings};

use crate::host::Host;
use incoming::Masks;
use outgoing::Whither;
use rewrite::{Texts, first_in};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// One secret a run may use without holding it.
#[derive(Clone)]
pub struct RunSecret {
    /// The credential's name, as the manifest has it.
    pub name: String,
    /// What the guest sees: exactly as long as the secret.
    pub placeholder: SecretString,
    /// What its owner set.
    pub secret: SecretString,
    /// Where it may go: hosts that the manifest and its owner both name.
    pub hosts: Vec<Host>,
}

impl fmt::Debug for RunSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl RunSecret {
    fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    fn placeholder(&self) -> &str {
        self.placeholder.expose_secret()
    }

    /// Whether the tool sees the secret itself: there is nothing to exchange, only to keep from other places.
    fn is_exposed(&self) -> bool {
        self.placeholder() == self.secret()
    }
}

/// All secrets of one run.
pub struct RunSecrets {
    all: Vec<RunSecret>,
    /// Made when the first request is looked at.
    placeholders: OnceLock<Texts>,
    /// Made when the first answer of a host comes in.
    masks: Mutex<HashMap<Host, Masks>>,
}

impl fmt::Debug for RunSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
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
                .all(|it| it.placeholder().len() == it.secret().len())
        );
        Self {
            all,
            placeholders: OnceLock::new(),
            masks: Mutex::default(),
        }
    }

    /// Whether any secret may go there.
    pub(crate) fn are_open_to(&self, to: &Whither) -> bool {
        (0..self.all.len()).any(|index| to.is_open_to(self, index))
    }

    /// What is looked for in what comes back from there: the secrets that may have gone there, by this request or
    /// another.
    pub(crate) fn masks(&self, from: &Whither) -> Option<Masks> {
        if !self.are_open_to(from) {
            return None;
        }
        let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = masks.get(from.host()) {
            return Some(made.clone());
        }
        let told = (0..self.all.len()).filter(|index| from.is_open_to(self, *index));
        let made = Masks::new(told.map(|index| self.all[index].secret()))?;
        masks.insert(from.host().clone(), made.clone());
        Some(made)
    }

    /// What is looked for, if there is anything.
    fn placeholders(&self) -> Option<&Texts> {
        let placeholders = || self.all.iter().map(|it| it.placeholder().into());
        (!self.all.is_empty()).then(|| {
            self.placeholders
                .get_or_init(|| Texts::new(placeholders().collect()))
        })
    }

    /// Whose placeholder stands in a text.
    fn first_in(&self, text: &str) -> Option<usize> {
        first_in(self.placeholders()?, text.as_bytes())
    }

    fn refused(&self, index: usize) -> Refused {
        Refused::Credential(self.all[index].name.clone())
    }

    /// A placeholder in a name goes nowhere: a host's, a header's, a method's. Names do not tell cases apart.
    fn refuse_in_names<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Result<(), Refused> {
        let carried = names.find_map(|name| {
            self.all.iter().position(|secret| {
                let placeholder = secret.placeholder();
                // Most names are too short.
                name.len() >= placeholder.len() && {
                    let placeholder = Zeroizing::new(placeholder.to_ascii_lowercase());
                    name.to_ascii_lowercase().contains(placeholder.as_str())
                }
            })
        });
        carried.map_or(Ok(()), |index| Err(self.refused(index)))
    }

    /// A text for people in which no placeholder stands: each is its credential's name in braces.
    pub(crate) fn named(&self, text: String) -> String {
        if self.first_in(&text).is_none() {
            return text;
        }
        let mut named = text;
        for secret in &self.all {
            named = named.replace(secret.placeholder(), &format!("{{{}}}", secret.name));
        }
        named
    }
}

#[cfg(test)]
mod tests;
