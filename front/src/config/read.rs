//! Reading: file, environment, flags.

use super::Config;
use anyhow::{Context, bail};
use config::{Environment, File, FileFormat};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The next key, where it is not to be made and kept in the folder.
pub(crate) const NEXT_KEY: &str = "TOLLGATE_NEXT_MASTER_KEY";

const PREFIX: &str = "TOLLGATE_";
/// Variables that are read elsewhere.
const ELSEWHERE: &[&str] = &[
    "TOLLGATE_API_KEY",
    "TOLLGATE_CACHE",
    "TOLLGATE_MUTATIONS",
    NEXT_KEY,
];
/// Variables of tests begin so.
const TEST_PREFIX: &str = "TOLLGATE_TEST_";

/// What the command line says of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
}

impl Config {
    /// Reads the file where there is one, then this process's environment, then the flags. An unknown key or
    /// variable, or a value out of its bounds, is an error that names it.
    pub(crate) fn read(file: Option<&Path>, flags: Flags) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?,
            None => String::new(),
        };
        let config = Self::from_parts(&text, variables(std::env::vars_os())?, flags);
        config.with_context(|| match file {
            Some(path) => format!("the configuration ({} and environment)", path.display()),
            None => "the configuration".to_owned(),
        })
    }

    /// The same of given parts.
    pub(super) fn from_parts(
        file: &str,
        variables: HashMap<String, String>,
        flags: Flags,
    ) -> anyhow::Result<Self> {
        let keys = keys();
        // Nothing is ever passed over: a misspelt bound would not hold.
        for name in variables.keys() {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            if !keys.contains(&key) {
                bail!("{name}: there is no such setting");
            }
        }
        let environment = Environment::with_prefix("TOLLGATE")
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables));
        let path = |path: PathBuf| match path.into_os_string().into_string() {
            Ok(path) => Ok(path),
            Err(path) => bail!("--data {}: not UTF-8", path.display()),
        };
        let address = |address: SocketAddr| address.to_string();
        let config: Self = config::Config::builder()
            .add_source(File::from_str(file, FileFormat::Toml))
            .add_source(environment)
            .set_override_option("listen", flags.listen.map(address))?
            .set_override_option("admin_listen", flags.admin_listen.map(address))?
            .set_override_option("data", flags.data.map(path).transpose()?)?
            .build()?
            .try_deserialize()?;
        config.check()?;
        Ok(config)
    }
}

/// This program's variables: those that begin with its name, except what is read elsewhere.
fn variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> anyhow::Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if ELSEWHERE.contains(&name) || name.starts_with(TEST_PREFIX) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            bail!("{name}: the value is not UTF-8");
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// Every key there is, sections joined by dots.
fn keys() -> Vec<String> {
    let config = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut keys = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        match value {
            Value::Object(section) => {
                keys.extend(section.keys().map(|inner| format!("{key}.{inner}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::variables;
    use std::ffi::OsString;

    #[test]
    fn only_variables_of_the_server_are_taken() {
        let environment = [
            "TOLLGATE_LISTEN",
            "TOLLGATE_API_KEY",
            "TOLLGATE_CACHE",
            "TOLLGATE_MUTATIONS",
            "TOLLGATE_TEST_ANYTHING",
            "HOME",
        ];
        let environment = environment.map(|name| (OsString::from(name), OsString::from("x")));
        let taken = variables(environment.into_iter()).expect("UTF-8");
        assert_eq!(taken.keys().collect::<Vec<_>>(), ["TOLLGATE_LISTEN"]);
    }
}
