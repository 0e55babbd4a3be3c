//! Credentials: names that are environment variables, hosts that are exact.

use super::invalid;
use crate::in_manifest::in_manifest;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Allow, Host, VIOLATIONS_MAX, Violation, pointer_part, quoted};

const NAME_BYTES_MAX: usize = 128;
const CREDENTIALS_MAX: usize = 32;
/// The most hosts of one credential: terms compare each with each.
pub const HOSTS_MAX: usize = 32;

pub(super) fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.credentials.len() > CREDENTIALS_MAX {
        violations.push(invalid(
            "/credentials",
            format!("at most {CREDENTIALS_MAX} credentials can be declared"),
        ));
    }
    for (name, credential) in &manifest.credentials {
        if violations.len() >= VIOLATIONS_MAX {
            break;
        }
        let pointer = format!("/credentials/{}", pointer_part(name));
        if !is_credential_name(name) {
            let message = format!(
                "`{}` must be A-Z, 0-9 and `_`, beginning with a letter: it becomes an environment variable",
                quoted(name)
            );
            violations.push(invalid(&pointer, message));
        }
        if credential.hosts.is_empty() && !credential.expose {
            let message = "a credential needs `hosts`, where it is sent, or `expose = true`, if the tool computes with it";
            violations.push(invalid(format!("{pointer}/hosts"), message));
        }
        if credential.hosts.len() > HOSTS_MAX {
            let message = format!(
                "a credential can have at most {HOSTS_MAX} hosts; this one has {}",
                credential.hosts.len()
            );
            violations.push(invalid(format!("{pointer}/hosts"), message));
        }
        for (index, host) in credential
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| !is_host(host))
            .take(VIOLATIONS_MAX)
        {
            let message = format!(
                "`{}` must be an exact `host` or `host:port`, in lower case, without scheme or wildcard",
                quoted(host)
            );
            violations.push(invalid(format!("{pointer}/hosts/{index}"), message));
        }
    }
    violations
}

/// What a buyer must be told before anything else: a secret that the tool would see itself.
pub(super) fn notes(manifest: &Manifest) -> Vec<Violation> {
    let exposed = manifest.credentials.iter().filter(|(_, it)| it.expose);
    let note = |(name, _): (&String, _)| {
        let message = format!(
            "the tool is shown the secret {name} itself, by buyers that allow it: it declares `expose`"
        );
        in_manifest(
            "credential_exposed",
            format!("/credentials/{name}/expose"),
            message,
        )
    };
    let notes = exposed.map(note).chain(unreachable(manifest));
    notes.take(VIOLATIONS_MAX).collect()
}

/// Hosts that a credential is for and no request can go to.
fn unreachable(manifest: &Manifest) -> impl Iterator<Item = Violation> {
    let rules: Vec<Allow> = manifest
        .egress
        .allow
        .iter()
        .flat_map(|it| it.parse())
        .collect();
    let hosts = manifest.credentials.iter().flat_map(|(name, declared)| {
        let hosts = declared.hosts.iter().enumerate();
        hosts.map(move |(index, host)| (name, index, host))
    });
    hosts.filter_map(move |(name, index, host)| {
        let place: Host = host.parse().ok()?;
        let is_reached = rules.iter().any(|rule| rule.reaches(&place));
        let message = format!(
            "the credential {name} is for {host}, which no rule of `[egress] allow` reaches over https"
        );
        let pointer = format!("/credentials/{name}/hosts/{index}");
        (!is_reached).then(|| in_manifest("credential_unreachable", pointer, message))
    })
}

/// Whether a credential may have that name: it becomes an environment variable.
pub fn is_credential_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a text is an exact `host` or `host:port`, in lower case.
pub fn is_host(text: &str) -> bool {
    text.parse::<Host>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exact() {
        let cases = [
            ("api.example.com", true),
            ("api.example.com:8443", true),
            ("localhost", true),
            ("API.example.com", false),
            ("*.example.com", false),
            ("https://example.com", false),
            ("example.com/path", false),
            ("example.com:0", false),
            ("example.com:99999", false),
            ("example..com", false),
            ("", false),
            ("user@example.com", false),
        ];
        for (host, is_valid) in cases {
            assert_eq!(is_host(host), is_valid, "{host}");
        }
    }

    #[test]
    fn a_credential_has_few_hosts() {
        for (hosts, is_refused) in [(HOSTS_MAX, false), (HOSTS_MAX + 1, true)] {
            let hosts: Vec<_> = (0..hosts).map(|it| format!("h{it}.example")).collect();
            let manifest = super::super::manifest(&format!("[credentials.KEY]\nhosts = {hosts:?}"));
            let pointers = check(&manifest).into_iter().map(|it| it.place.pointer);
            let expected = is_refused.then(|| Some("/credentials/KEY/hosts".to_owned()));
            assert_eq!(pointers.collect::<Vec<_>>(), Vec::from_iter(expected));
        }
    }

    #[test]
    fn hosts_that_no_request_goes_to_are_noted() {
        let manifest = super::super::manifest(
            "[egress]\nallow = [\"https://*.b.example\", \"http://c.example\", \"https://d.example:8443\"]\n\
             [credentials.KEY]\nhosts = [\"a.b.example\", \"c.example\", \"d.example\", \"d.example:8443\"]",
        );
        let pointers: Vec<_> = notes(&manifest)
            .into_iter()
            .filter_map(|it| it.place.pointer)
            .collect();
        assert_eq!(
            pointers,
            ["/credentials/KEY/hosts/1", "/credentials/KEY/hosts/2"]
        );
    }

    #[test]
    fn names_and_missing_hosts_are_named() {
        let manifest =
            super::super::manifest("[credentials.key]\nhosts = [\"a.b\"]\n[credentials.KEY]\n");
        let violations = check(&manifest);
        let pointers: Vec<_> = violations
            .iter()
            .filter_map(|it| it.place.pointer.as_deref())
            .collect();
        assert_eq!(pointers, ["/credentials/KEY/hosts", "/credentials/key"]);
    }
}
