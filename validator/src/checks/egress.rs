//! Egress: where a tool says its requests go. `[METHODS] scheme://host[:port][/prefix]`, `*.host` is one label.

use super::credentials::is_host_name;
use super::invalid;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Violation, quoted};

const RULES_MAX: usize = 64;

pub(super) fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.egress.allow.len() > RULES_MAX {
        violations.push(invalid(
            "/egress/allow",
            format!("at most {RULES_MAX} places can be allowed"),
        ));
    }
    for (index, rule) in manifest.egress.allow.iter().enumerate() {
        if let Err(reason) = check_rule(rule) {
            let message = format!(
                "`{}`: {reason}; write `GET https://api.example.com/v1`",
                quoted(rule)
            );
            violations.push(invalid(format!("/egress/allow/{index}"), message));
        }
    }
    violations
}

fn check_rule(rule: &str) -> Result<(), &'static str> {
    let (methods, url) = match rule.rsplit_once(' ') {
        Some((methods, url)) => (methods, url),
        None => ("", rule),
    };
    let is_method =
        |method: &str| !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase());
    if !methods.is_empty()
        && !methods
            .split([' ', ','])
            .filter(|it| !it.is_empty())
            .all(is_method)
    {
        return Err("methods are upper-case words before the address");
    }
    let (scheme, rest) = url.split_once("://").ok_or("the address needs a scheme")?;
    if !matches!(scheme, "http" | "https") {
        return Err("the scheme must be http or https");
    }
    let (authority, prefix) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if prefix.contains(['?', '#', '\\'])
        || prefix.split('/').any(|part| part == ".." || part == ".")
    {
        return Err("the prefix is a plain path");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err("the port must be a number from 1 to 65535");
    }
    let host = host.strip_prefix("*.").unwrap_or(host);
    if is_host_name(host) {
        Ok(())
    } else {
        Err("the host must be a name in lower case, or `*.` and a name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_or_refused_with_a_reason() {
        let good = [
            "https://a.example.com",
            "GET https://a.example.com/data",
            "GET,POST http://*.example.com:8080/v1",
            "GET POST https://b",
        ];
        for rule in good {
            assert_eq!(check_rule(rule), Ok(()), "{rule}");
        }
        let bad = [
            "a.example.com",
            "ftp://a.example.com",
            "get https://a.example.com",
            "https://",
            "https://*",
            "https://*.*.example.com",
            "https://a.example.com:0",
            "https://user@example.com",
            "https://a.example.com/../x",
            "https://a.example.com/x?y",
        ];
        for rule in bad {
            assert!(check_rule(rule).is_err(), "{rule}");
        }
    }
}
