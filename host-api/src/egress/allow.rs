//! Where a tool's requests may go. Only deciding: nothing here reaches a network.

use crate::host::{HTTPS_PORT, Host, is_host_name, name_and_port};
use http::Method;
use http::uri::Scheme;
use std::str::FromStr;

const HTTP_PORT: u16 = 80;

/// One rule of a manifest's allowlist: `[METHODS] scheme://host[:port][/prefix]`, where `*.host` stands for one label
/// before the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// None allows every method but those that are [never](is_never) allowed.
    methods: Vec<String>,
    is_https: bool,
    /// Without its `*.`.
    host: String,
    is_any_label: bool,
    port: u16,
    /// Empty, or a path from its first `/` on, without one at its end.
    prefix: String,
}

/// Why a rule is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotARule(&'static str);

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// What it does there.
    pub method: &'a Method,
    /// `http` or `https`.
    pub scheme: &'a Scheme,
    /// A name or an address, in lower case.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The path as it is sent, without the query.
    pub path: &'a str,
}

impl FromStr for Allow {
    type Err = NotARule;

    fn from_str(rule: &str) -> Result<Self, NotARule> {
        let (methods, url) = rule.rsplit_once(' ').unwrap_or(("", rule));
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(NotARule("the address needs a scheme"))?;
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(NotARule("the scheme must be http or https")),
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if prefix.contains(['?', '#', '\\', '%']) || has_dots(prefix) {
            return Err(NotARule("the prefix is a plain path"));
        }
        let (host, port) = name_and_port(authority)
            .ok_or(NotARule("the port must be a number from 1 to 65535"))?;
        let (host, is_any_label) = match host.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (host, false),
        };
        if !is_host_name(host) {
            let reason = "the host must be a name in lower case, or `*.` and a name";
            return Err(NotARule(reason));
        }
        Ok(Self {
            methods: parse_methods(methods)?,
            is_https,
            host: host.to_owned(),
            is_any_label,
            port: port.unwrap_or(if is_https { HTTPS_PORT } else { HTTP_PORT }),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }
}

/// The most methods of one rule: terms compare each with each.
const METHODS_MAX: usize = 16;

fn parse_methods(methods: &str) -> Result<Vec<String>, NotARule> {
    let words = methods.split([' ', ',']).filter(|it| !it.is_empty());
    if words.clone().nth(METHODS_MAX).is_some() {
        return Err(NotARule("a rule has at most 16 methods"));
    }
    let read = words.map(|word| {
        if !word.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(NotARule("methods are upper-case words before the address"));
        }
        if is_never(word) {
            return Err(NotARule("CONNECT and TRACE are never allowed"));
        }
        Ok(word.to_owned())
    });
    read.collect()
}

/// Methods that no rule allows: one makes a tunnel, the other has the host hand back what was sent.
fn is_never(method: &str) -> bool {
    ["CONNECT", "TRACE"]
        .iter()
        .any(|never| never.eq_ignore_ascii_case(method))
}

impl Allow {
    /// Whether a request may go there.
    pub fn allows(&self, to: &Destination<'_>) -> bool {
        let method = to.method.as_str();
        let is_method = self.methods.is_empty() || self.methods.iter().any(|it| it == method);
        let is_scheme = match self.is_https {
            true => *to.scheme == Scheme::HTTPS,
            false => *to.scheme == Scheme::HTTP,
        };
        let is_place = is_scheme && self.port == to.port && self.is_host(to.host);
        is_method && !is_never(method) && is_place && self.is_path(to.path)
    }

    /// Whether anything at that host is allowed over https, which is how secrets travel.
    pub fn reaches(&self, host: &Host) -> bool {
        self.is_https && self.port == host.port && self.is_host(&host.name)
    }

    /// Whether all that another rule allows is allowed by this one.
    pub fn covers(&self, other: &Allow) -> bool {
        let is_method = |method: &String| self.methods.contains(method);
        let are_methods = self.methods.is_empty()
            || !other.methods.is_empty() && other.methods.iter().all(is_method);
        let is_host = match other.is_any_label {
            true => self.is_any_label && self.host == other.host,
            false => self.is_host(&other.host),
        };
        let is_place = self.is_https == other.is_https && self.port == other.port && is_host;
        are_methods && is_place && self.is_below(&other.prefix)
    }

    fn is_host(&self, host: &str) -> bool {
        if !self.is_any_label {
            return host == self.host;
        }
        let label = host
            .strip_suffix(self.host.as_str())
            .and_then(|it| it.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }

    /// Whoever answers may decode a path before they look at it, or not: it must be below the prefix either way.
    fn is_path(&self, path: &str) -> bool {
        let Some(decoded) = percent_decoded(path) else {
            return false;
        };
        !has_dots(&decoded) && self.is_below(path) && self.is_below(&decoded)
    }

    fn is_below(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a part of a path is `.` or `..`, by any system's separator.
fn has_dots(path: &str) -> bool {
    let parts = path.split(['/', '\\']);
    // What follows a `;` is a parameter of the part, which some servers cut off first.
    parts
        .map(|part| part.split_once(';').map_or(part, |(name, _)| name))
        .any(|part| part == "." || part == "..")
}

/// The text that a path stands for. Nothing for one that is broken, or that stands for control characters.
fn percent_decoded(path: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        };
        if byte.is_ascii_control() {
            return None;
        }
        decoded.push(byte);
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, method: &str, scheme: &str, host: &str, port: u16, path: &str) -> bool {
        let rule: Allow = rule.parse().expect(rule);
        rule.allows(&Destination {
            method: &method.parse().expect("a method"),
            scheme: &scheme.parse().expect("a scheme"),
            host,
            port,
            path,
        })
    }

    #[test]
    fn rules_are_read_or_refused_with_a_reason() {
        let good = [
            "https://a.example.com",
            "GET https://a.example.com/data",
            "GET,POST http://*.example.com:8080/v1",
            "GET POST https://b",
        ];
        for rule in good {
            assert!(rule.parse::<Allow>().is_ok(), "{rule}");
        }
        let methods = |count: usize| format!("{}https://a", "GET ".repeat(count));
        assert!(methods(METHODS_MAX).parse::<Allow>().is_ok());
        assert!(methods(METHODS_MAX + 1).parse::<Allow>().is_err());
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
            "https://a.example.com/%2e",
            "CONNECT https://a.example.com",
            "GET TRACE https://a.example.com",
            "",
        ];
        for rule in bad {
            assert!(rule.parse::<Allow>().is_err(), "{rule}");
        }
    }

    #[test]
    fn methods_schemes_hosts_and_ports_are_exact() {
        const RULE: &str = "GET https://api.example.com";
        let host = "api.example.com";
        assert!(allows(RULE, "GET", "https", host, 443, "/"));
        assert!(!allows(RULE, "POST", "https", host, 443, "/"));
        assert!(!allows(RULE, "get", "https", host, 443, "/"));
        assert!(!allows(RULE, "GET", "http", host, 443, "/"));
        assert!(!allows(RULE, "GET", "https", host, 8443, "/"));
        assert!(!allows(RULE, "GET", "https", "example.com", 443, "/"));
        assert!(!allows(RULE, "GET", "https", "xapi.example.com", 443, "/"));
        assert!(!allows(RULE, "GET", "https", "api.example.com.", 443, "/"));
        let any = "https://api.example.com";
        assert!(allows(any, "DELETE", "https", host, 443, "/"));
        for never in ["CONNECT", "TRACE", "trace"] {
            assert!(!allows(any, never, "https", host, 443, "/"), "{never}");
        }
        let port = "http://api.example.com:8080";
        assert!(allows(port, "GET", "http", host, 8080, "/"));
        assert!(!allows(port, "GET", "http", host, 80, "/"));
    }

    #[test]
    fn a_star_is_one_label() {
        const RULE: &str = "https://*.example.com";
        let hosts = [
            ("a.example.com", true),
            ("example.com", false),
            (".example.com", false),
            ("a.b.example.com", false),
            ("aexample.com", false),
            ("a.example.com.evil.com", false),
        ];
        for (host, is_allowed) in hosts {
            assert_eq!(
                allows(RULE, "GET", "https", host, 443, "/"),
                is_allowed,
                "{host}"
            );
        }
    }

    #[test]
    fn a_path_is_below_the_prefix_however_it_is_read() {
        const RULE: &str = "https://a.com/data/v1";
        let paths = [
            ("/data/v1", true),
            ("/data/v1/", true),
            ("/data/v1/x%20y", true),
            ("/data/v1/...", true),
            ("/data/v10", false),
            ("/data", false),
            ("/", false),
            ("", false),
            ("//data/v1", false),
            ("/data/v1/../../admin", false),
            ("/data/v1/./x", false),
            ("/data/v1/%2e%2E/admin", false),
            ("/data/v1/..%2fadmin", false),
            ("/data/v1/..\\admin", false),
            ("/data/v1/..;x=y/admin", false),
            ("/data/v1/%", false),
            ("/data/v1/%0d%0a", false),
            ("/data/v1/%00", false),
            ("/d%61ta/v1/x", false),
            ("/data%2Fv1/x", false),
        ];
        for (path, is_allowed) in paths {
            assert_eq!(
                allows(RULE, "GET", "https", "a.com", 443, path),
                is_allowed,
                "{path}"
            );
        }
        let whole = "https://a.com";
        assert!(allows(whole, "GET", "https", "a.com", 443, "/any/thing"));
        assert!(allows(
            "https://a.com/",
            "GET",
            "https",
            "a.com",
            443,
            "/any"
        ));
        assert!(!allows(whole, "GET", "https", "a.com", 443, "/any/../x"));
    }
}
