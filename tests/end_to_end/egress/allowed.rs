//! A courier that is let to places which are no [`Upstream`].

use super::raw::RawUpstream;
use super::*;

impl Courier {
    /// Allowed by `rules`, going out by a way of its own. The key it takes is for a host that is not there.
    pub(super) async fn by(network: NetworkConfig, rules: &[String]) -> Self {
        let runtime = Runtime::new(RuntimeConfig {
            network,
            ..RuntimeConfig::default()
        });
        let runtime = runtime.expect("the runtime starts");
        let manifest = format!(
            "name = \"courier\"\n[credentials.KEY]\nhosts = [\"key.example\"]\nrequired = false\n[egress]\nallow = {}",
            json!(rules),
        );
        let file = tollgate_fixtures::folder("courier").join("courier.wasm");
        let wasm = std::fs::read(file).expect("built");
        let packed = tollgate_validator::pack::pack(&wasm, &manifest, None).expect("a manifest");
        let tool = load(&runtime, &packed).await;
        Self { tool, runtime }
    }

    /// Allowed everything at some hosts, over plain `http`; the operator opened them.
    pub(super) async fn to_raw(upstreams: &[&RawUpstream]) -> Self {
        let hosts: Vec<_> = upstreams.iter().map(|it| it.host()).collect();
        let network = NetworkConfig {
            open: hosts
                .iter()
                .map(|host| host.parse().expect("a host"))
                .collect(),
            ..NetworkConfig::default()
        };
        let rules: Vec<_> = hosts.iter().map(|host| format!("http://{host}")).collect();
        Self::by(network, &rules).await
    }
}

/// How a run ended, in a word: `answered`, the error's name, or the kind of failure.
pub(super) fn end(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(_) => "answered".to_owned(),
        Err(failure) => match failure.error.as_ref().map(tollgate_runtime::Json::value) {
            Some(Value::String(error)) => error,
            _ => failure.kind.name().to_owned(),
        },
    }
}
