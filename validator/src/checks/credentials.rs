//! Credentials: names that are environment variables, hosts that are exact.

use super::invalid;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Host, Violation, quoted};

const NAME_BYTES_MAX: usize = 128;
const CREDENTIALS_MAX: usize = 32;

pub(super) fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.credentials.len() > CREDENTIALS_MAX {
        violations.push(invalid(
            "/credentials",
            format!("at most {CREDENTIALS_MAX} credentials can be declared"),
        ));
    }
    for (name, credential) in &manifest.credentials {
        let pointer = format!("/credentials/{name}");
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
        for (index, host) in credential
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| !is_host(host))
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
        Violation::new("credential_exposed", message)
            .at_pointer(format!("/credentials/{name}/expose"))
            .in_section(tollgate_runtime::manifest::SECTION)
    };
    exposed.map(note).collect()
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
