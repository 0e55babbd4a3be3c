//! Hosts as manifests and buyers name them: exact, in lower case, with a port.

use std::fmt;
use std::str::FromStr;

const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// The port of `https`, which a host without one stands for.
pub const HTTPS_PORT: u16 = 443;

/// A host and a port. Written `host` (port 443) or `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    /// A name or an IPv4 address, in lower case.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// A text that names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write `host` or `host:port`, in lower case")]
pub struct NotAHost;

impl FromStr for Host {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (name, port) = name_and_port(text).ok_or(NotAHost)?;
        match is_host_name(name) {
            true => Ok(Self {
                name: name.to_owned(),
                port: port.unwrap_or(HTTPS_PORT),
            }),
            false => Err(NotAHost),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            HTTPS_PORT => f.write_str(&self.name),
            port => write!(f, "{}:{port}", self.name),
        }
    }
}

/// A name and the port after it, if there is one. Nothing where the port is none.
pub(super) fn name_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let Some((name, port)) = text.rsplit_once(':') else {
        return Some((text, None));
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| is_number && *port > 0)?;
    Some((name, Some(port)))
}

/// Whether a text is a host's name in lower case.
pub(super) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_exact_and_have_a_port() {
        let good = [
            ("api.example.com", "api.example.com", 443),
            ("api.example.com:443", "api.example.com", 443),
            ("localhost:8443", "localhost", 8443),
            ("127.0.0.1:1", "127.0.0.1", 1),
        ];
        for (text, name, port) in good {
            let host: Host = text.parse().expect(text);
            assert_eq!((host.name.as_str(), host.port), (name, port), "{text}");
        }
        let bad = [
            "API.example.com",
            "*.example.com",
            "https://example.com",
            "example.com/path",
            "example.com:0",
            "example.com:+1",
            "example.com:99999",
            "example.com:",
            "example..com",
            "",
            "user@example.com",
            "[::1]:443",
        ];
        for text in bad {
            assert_eq!(text.parse::<Host>(), Err(NotAHost), "{text}");
        }
    }
}
