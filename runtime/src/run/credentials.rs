//! Secrets a caller sets for a run, and what a run gets to see of them: placeholders.

use crate::tool::manifest::{DeclaredCredential, Manifest};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::collections::BTreeMap;
use tollgate_host_api::environment::placeholder;
use tollgate_host_api::exchange::RunSecret;

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

/// What a run gets of its credentials.
#[derive(Default)]
pub(crate) struct Granted {
    /// A placeholder for each declared credential that is set, the secret itself where tool and owner agreed on it.
    pub(crate) environment: Vec<(String, String)>,
    /// What is exchanged on the way out.
    pub(crate) secrets: Vec<RunSecret>,
}

/// Every credential that is missing is named at once.
pub(crate) fn grant(
    manifest: Option<&Manifest>,
    credentials: &Credentials,
) -> Result<Granted, Vec<Missing>> {
    let mut granted = Granted::default();
    let mut missing = Vec::new();
    for (name, declared) in manifest.iter().flat_map(|manifest| &manifest.credentials) {
        match judge(declared, credentials.by_name.get(name)) {
            Ok(Some(secret)) => granted.add(name, declared, secret),
            Ok(None) => {}
            Err(reason) => missing.push(Missing {
                name: name.clone(),
                reason,
                hosts: declared.hosts.clone(),
            }),
        }
    }
    if missing.is_empty() {
        Ok(granted)
    } else {
        Err(missing)
    }
}

impl Granted {
    fn add(&mut self, name: &str, declared: &DeclaredCredential, secret: &SecretString) {
        let placeholder = match declared.expose {
            // Known to the tool, and still kept from places it was not declared for.
            true => secret.expose_secret().to_owned(),
            false => placeholder(secret.expose_secret().len()),
        };
        self.environment
            .push((name.to_owned(), placeholder.clone()));
        self.secrets.push(RunSecret {
            name: name.to_owned(),
            placeholder: placeholder.into(),
            secret: secret.clone(),
            hosts: declared
                .hosts
                .iter()
                .filter_map(|host| host.parse().ok())
                .collect(),
        });
    }
}

/// The secret, unless there is none and need not be one.
fn judge<'c>(
    declared: &DeclaredCredential,
    set: Option<&'c Credential>,
) -> Result<Option<&'c SecretString>, MissingReason> {
    let Some(credential) = set else {
        return match declared.required {
            true => Err(MissingReason::Absent),
            false => Ok(None),
        };
    };
    if credential.secret.expose_secret().is_empty() {
        return match declared.required {
            true => Err(MissingReason::Empty),
            false => Ok(None),
        };
    }
    if let Hosts::Only(allowed) = &credential.hosts
        && !declared
            .hosts
            .iter()
            .all(|host| allowed.iter().any(|it| is_same_host(it, host)))
    {
        return Err(MissingReason::Hosts);
    }
    match declared.expose && !credential.allow_expose {
        true => Err(MissingReason::Expose),
        false => Ok(Some(&credential.secret)),
    }
}

/// A host without a port is the host at 443.
fn is_same_host(one: &str, other: &str) -> bool {
    fn bare(host: &str) -> &str {
        host.strip_suffix(":443").unwrap_or(host)
    }
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
        grant(Some(&manifest), &credentials)
            .map(|granted| granted.environment)
            .map_err(|missing| missing[0].reason)
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
