//! Secrets a caller sets for a run, and what a run gets to see of them: placeholders.

use crate::manifest::{DeclaredCredential, Manifest};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::collections::BTreeMap;
use tollgate_host_api::environment::placeholder;

/// The length of a secret, in characters.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 8..=4096;

/// A secret with where it may go, as its owner decided.
#[derive(Debug, Clone)]
pub struct Credential {
    secret: SecretString,
    hosts: Hosts,
    allow_expose: bool,
}

#[derive(Debug, Clone)]
enum Hosts {
    /// Those the tool declares.
    Declared,
    /// These only.
    Only(Vec<String>),
}

/// A secret that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 8 to 4,096 printable ASCII characters")]
pub struct InvalidSecret;

impl Credential {
    /// A secret that may go to the hosts the tool declares.
    pub fn new(secret: impl Into<String>) -> Result<Self, InvalidSecret> {
        let secret = secret.into();
        if !secret.is_empty() && !is_secret(&secret) {
            return Err(InvalidSecret);
        }
        Ok(Self {
            secret: secret.into(),
            hosts: Hosts::Declared,
            allow_expose: false,
        })
    }

    /// Lets it go to these hosts only (`host` or `host:port`).
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts = Hosts::Only(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Lets tools that declare `expose` compute with the secret itself.
    pub fn allow_expose(mut self) -> Self {
        self.allow_expose = true;
        self
    }
}

fn is_secret(text: &str) -> bool {
    SECRET_LENGTH.contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// A run's credentials by name.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    by_name: BTreeMap<String, Credential>,
}

impl Credentials {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    pub fn with(mut self, name: impl Into<String>, credential: Credential) -> Self {
        self.by_name.insert(name.into(), credential);
        self
    }
}

/// A credential that a run lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// What it lacks.
    pub reason: MissingReason,
    /// The hosts the tool declares for it.
    pub hosts: Vec<String>,
}

/// Why a credential does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingReason {
    /// Not set.
    Absent,
    /// Set, but empty.
    Empty,
    /// The tool declares a host its owner does not allow.
    Hosts,
    /// The tool wants the secret itself and its owner does not allow that.
    Expose,
}

/// The environment of a run: a placeholder for each declared credential that is set, the secret itself where
/// tool and owner agreed on it. Every credential that is missing is named at once.
pub(crate) fn environment(
    manifest: Option<&Manifest>,
    credentials: &Credentials,
) -> Result<Vec<(String, String)>, Vec<Missing>> {
    let mut variables = Vec::new();
    let mut missing = Vec::new();
    for (name, declared) in manifest.iter().flat_map(|manifest| &manifest.credentials) {
        match judge(declared, credentials.by_name.get(name)) {
            Ok(Some(value)) => variables.push((name.clone(), value)),
            Ok(None) => {}
            Err(reason) => missing.push(Missing {
                name: name.clone(),
                reason,
                hosts: declared.hosts.clone(),
            }),
        }
    }
    if missing.is_empty() {
        Ok(variables)
    } else {
        Err(missing)
    }
}

fn judge(
    declared: &DeclaredCredential,
    set: Option<&Credential>,
) -> Result<Option<String>, MissingReason> {
    let secret = match set.map(|credential| credential.secret.expose_secret()) {
        None if declared.required => return Err(MissingReason::Absent),
        Some("") if declared.required => return Err(MissingReason::Empty),
        None | Some("") => return Ok(None),
        Some(secret) => secret,
    };
    let (hosts, allow_expose) =
        set.map_or((&Hosts::Declared, false), |it| (&it.hosts, it.allow_expose));
    if let Hosts::Only(allowed) = hosts
        && !declared
            .hosts
            .iter()
            .all(|host| allowed.iter().any(|it| is_same_host(it, host)))
    {
        return Err(MissingReason::Hosts);
    }
    match (declared.expose, allow_expose) {
        (true, false) => Err(MissingReason::Expose),
        (true, true) => Ok(Some(secret.to_owned())),
        (false, _) => Ok(Some(placeholder(secret.len()))),
    }
}

/// A host without a port is the host at 443.
fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "name = \"a\"\n[credentials.KEY]\nhosts = [\"api.example.com\"]";

    fn judged(
        manifest: &str,
        credential: Option<Credential>,
    ) -> Result<Vec<(String, String)>, MissingReason> {
        let manifest = Manifest::parse(manifest).expect("valid");
        let credentials =
            credential.map_or_else(Credentials::new, |it| Credentials::new().with("KEY", it));
        environment(Some(&manifest), &credentials).map_err(|missing| missing[0].reason)
    }

    fn key() -> Credential {
        Credential::new("secret-key").expect("valid")
    }

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        assert_eq!(judged(MANIFEST, None), Err(MissingReason::Absent));
        assert_eq!(
            judged(MANIFEST, Credential::new("").ok()),
            Err(MissingReason::Empty)
        );
        assert_eq!(
            judged(MANIFEST, Some(key().hosts(["other.example.com"]))),
            Err(MissingReason::Hosts)
        );
        assert!(judged(MANIFEST, Some(key().hosts(["api.example.com:443"]))).is_ok());
        let expose = format!("{MANIFEST}\nexpose = true");
        assert_eq!(judged(&expose, Some(key())), Err(MissingReason::Expose));
        assert_eq!(
            judged(&expose, Some(key().allow_expose())),
            Ok(vec![("KEY".to_owned(), "secret-key".to_owned())])
        );
        assert_eq!(
            judged(&format!("{MANIFEST}\nrequired = false"), None),
            Ok(vec![])
        );
    }

    #[test]
    fn a_run_sees_a_placeholder_as_long_as_the_secret_and_fresh() {
        let one = judged(MANIFEST, Some(key())).expect("set");
        let other = judged(MANIFEST, Some(key().hosts(["api.example.com"]))).expect("set");
        assert_eq!(one[0].1.len(), "secret-key".len());
        assert!(one[0].1 != "secret-key" && one[0].1 != other[0].1);
    }

    #[test]
    fn undeclared_credentials_are_not_seen_and_debug_shows_no_secret() {
        assert_eq!(judged("name = \"a\"", Some(key())), Ok(vec![]));
        assert!(!format!("{:?}", key()).contains("secret-key"));
    }

    #[test]
    fn both_sides_of_a_secret_s_length() {
        for (length, is_valid) in [(7, false), (8, true), (4096, true), (4097, false)] {
            assert_eq!(
                Credential::new("x".repeat(length)).is_ok(),
                is_valid,
                "{length}"
            );
        }
        assert!(
            Credential::new("naïve-secret").is_err() && Credential::new("line\nbreak").is_err()
        );
    }
}
