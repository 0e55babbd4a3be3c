//! The terms that a subscriber agrees to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The terms of a release: a part of what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Tokens of a successful run.
    pub price: u64,
    /// Tokens of a subscription.
    pub subscription_price: u64,
    /// The allowed requests, as in the manifest: `GET https://api.example.com/v1`.
    pub egress: Vec<String>,
    /// Its credentials.
    pub credentials: Vec<CredentialTerms>,
}

/// A secret that a release asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialTerms {
    /// Its name in the manifest.
    pub name: String,
    /// The hosts it is for.
    pub hosts: Vec<String>,
    /// True if the tool may see its value.
    pub expose: bool,
}

impl Terms {
    /// The terms in what a release says of itself. Terms that cannot be read are an error, never free of charge.
    pub fn of(about: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(about)
    }

    /// The JSON text of the terms in what a release says of itself.
    pub(crate) fn text_of(about: &Value) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Self::of(about)?)
    }

    /// Bytes that they take in memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let text = |text: &String| size_of::<String>() + text.len();
        let credential = |it: &CredentialTerms| {
            size_of::<CredentialTerms>() + it.name.len() + it.hosts.iter().map(text).sum::<usize>()
        };
        let egress = self.egress.iter().map(text).sum::<usize>();
        egress + self.credentials.iter().map(credential).sum::<usize>()
    }
}
