//! How tools reach other machines: the section `egress`.

use crate::certificates;
use anyhow::Context;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use tollgate_runtime::{Host, NetworkConfig};

/// How tools reach other machines, where their manifests allow it. In the environment a list is written with commas.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EgressSection {
    /// Places whose address need not be public: `host:port`, on premises and in tests. Default: none.
    #[serde(deserialize_with = "list")]
    pub(crate) open: Vec<String>,
    /// Files with certificates (PEM) of authorities to be trusted beside the platform's. Default: none.
    #[serde(deserialize_with = "list")]
    pub(crate) roots: Vec<PathBuf>,
    /// Servers to ask for names, `address:port`. Default: those that the machine is set up with.
    #[serde(deserialize_with = "list")]
    pub(crate) nameservers: Vec<SocketAddr>,
}

impl EgressSection {
    /// The same as the runtime takes it, with the files read.
    pub(crate) fn network(&self) -> anyhow::Result<NetworkConfig> {
        let open = self.open.iter().map(|host| {
            Host::from_str(host).with_context(|| format!("egress.open: `{host}` is no host"))
        });
        let roots = self.roots.iter().map(|path| {
            std::fs::read(path)
                .with_context(|| format!("egress.roots: cannot read {}", path.display()))
        });
        Ok(NetworkConfig {
            open: open.collect::<Result<_, _>>()?,
            roots_pem: roots
                .chain(certificates::of_environment().transpose())
                .collect::<Result<_, _>>()?,
            nameservers: self.nameservers.clone(),
        })
    }
}

/// A list, or a text with commas.
fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    let texts = match Written::deserialize(deserializer)? {
        Written::List(texts) => texts,
        Written::Text(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
    };
    let read = texts.iter().filter(|text| !text.is_empty()).map(|text| {
        text.parse()
            .map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EgressSection, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_are_read_from_files_and_from_the_environment() {
        for text in [
            "open = [\"a:1\", \"b\"]\nnameservers = [\"127.0.0.1:53\"]",
            "open = \"a:1, b\"\nnameservers = \"127.0.0.1:53\"",
        ] {
            let network = read(text).expect(text).network().expect(text);
            let open: Vec<_> = network.open.iter().map(ToString::to_string).collect();
            assert_eq!(
                (open, network.nameservers.len()),
                (vec!["a:1".to_owned(), "b".to_owned()], 1)
            );
        }
        assert!(
            read("")
                .expect("nothing")
                .network()
                .expect("nothing")
                .open
                .is_empty()
        );
    }

    #[test]
    fn what_is_no_place_no_file_and_no_address_is_named() {
        let bad = |text: &str| match read(text) {
            Ok(section) => section.network().map(drop).expect_err(text).to_string(),
            Err(error) => error,
        };
        assert!(bad("open = [\"https://a\"]").contains("`https://a` is no host"));
        assert!(bad("roots = [\"/no/such.pem\"]").contains("/no/such.pem"));
        assert!(bad("nameservers = [\"localhost\"]").contains("`localhost`"));
        assert!(bad("opne = []").contains("opne"));
    }
}
