//! What a request costs that a tool makes, beside the same request by the same client library outside.

use crate::effort::Effort;
use crate::machine::process_cpu;
use crate::outside::Outside;
use crate::report::{Bar, Row, Unit};
use crate::sample::median;
use crate::upstream::{ANSWER_BYTES, Upstream};
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_runtime::{Credential, Credentials, NetworkConfig, Run, Runtime, RuntimeConfig, Tool};

pub(crate) const NAME: &str = "egress";
/// Requests of one run, as many as a run may make, and of one that takes as long to start: the difference is the
/// requests' own.
const MANY: u32 = 60;
const FEW: u32 = 10;
const IN_FLIGHT: usize = 64;
/// Runs of each kind in a round, one at a time, and how often so many in flight.
const RUNS: usize = 100;
const TIMES_IN_FLIGHT: usize = 10;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (protocol, name) in [("h2", "HTTP/2"), ("http/1.1", "HTTP/1.1")] {
        let upstream = Upstream::start(protocol)?;
        let door = Door::new(&upstream)?;
        let outside = Outside::new(&upstream, "key")?;
        rows.extend(compared(effort, name, &door, &outside)?);
    }
    Ok(rows)
}

fn compared(
    effort: Effort,
    protocol: &str,
    door: &Door,
    outside: &Outside,
) -> anyhow::Result<Vec<Row>> {
    let (mut one, mut reference_one) = (Vec::new(), Vec::new());
    let (mut cpu, mut reference_cpu) = (Vec::new(), Vec::new());
    let runs = if effort.is_brief { 1 } else { RUNS };
    for round in 0..=effort.rounds {
        let ours = one_at_a_time(runs, |times| door.tokio.block_on(door.ask(times)))?;
        let theirs = one_at_a_time(runs, |times| outside.tokio.block_on(outside.ask(times)))?;
        let times = if effort.is_brief { 1 } else { TIMES_IN_FLIGHT };
        let our_cpu = in_flight(times, &door.tokio, |times| door.ask(times))?;
        let their_cpu = in_flight(times, &outside.tokio, |times| outside.ask(times))?;
        // The first round of each is for warming up.
        if round > 0 {
            one.push(ours);
            reference_one.push(theirs);
            cpu.push(our_cpu);
            reference_cpu.push(their_cpu);
        }
    }
    let what = format!(
        "a request of a tool, {ANSWER_BYTES} bytes back, TLS, {protocol}, kept connection, with a key"
    );
    let row = |how: &str, ours, reference, times| Row {
        name: NAME,
        what: format!("{what}, {how}"),
        unit: Unit::Seconds,
        ours: Some(median(ours)),
        reference: Some((
            "the same client library outside".to_owned(),
            median(reference),
        )),
        bar: Bar::Times(times),
        note: format!("{} rounds", effort.rounds),
    };
    Ok(vec![
        row("one at a time: p50", one, reference_one, 1.5),
        row("64 in flight: CPU time", cpu, reference_cpu, 1.3),
    ])
}

/// Seconds a request takes, at the median of some runs.
fn one_at_a_time(runs: usize, ask: impl Fn(u32) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let took = |times| -> anyhow::Result<f64> {
        let started = Instant::now();
        ask(times)?;
        Ok(started.elapsed().as_secs_f64())
    };
    let mut requests = Vec::new();
    for _ in 0..runs {
        let (many, few) = (took(MANY)?, took(FEW)?);
        requests.push((many - few) / f64::from(MANY - FEW));
    }
    Ok(median(requests))
}

/// Seconds of this process's CPU that a request takes.
fn in_flight<F>(
    rounds: usize,
    tokio: &tokio::runtime::Runtime,
    ask: impl Fn(u32) -> F,
) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let used = |times| -> anyhow::Result<Duration> {
        let before = process_cpu();
        let asking: Vec<_> = (0..IN_FLIGHT).map(|_| tokio.spawn(ask(times))).collect();
        for asking in asking {
            tokio.block_on(asking)??;
        }
        Ok(process_cpu().saturating_sub(before))
    };
    let (mut many, mut few) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        many += used(MANY)?;
        few += used(FEW)?;
    }
    let requests = f64::from(MANY - FEW) * (rounds * IN_FLIGHT) as f64;
    Ok(many.saturating_sub(few).as_secs_f64() / requests)
}

/// A tool that may go to the upstream, and a buyer's key for it.
struct Door {
    tokio: tokio::runtime::Runtime,
    _runtime: Runtime,
    tool: Tool,
    url: String,
}

impl Door {
    fn new(upstream: &Upstream) -> anyhow::Result<Self> {
        let host = upstream.host();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let runtime = Runtime::new(RuntimeConfig {
            network: NetworkConfig {
                open: vec![host.parse()?],
                roots_pem: vec![upstream.root_pem.clone()],
                ..NetworkConfig::default()
            },
            tokio: Some(tokio.handle().clone()),
            ..RuntimeConfig::default()
        })?;
        let manifest = format!(
            "name = \"courier\"\n[credentials.KEY]\nhosts = [\"{host}\"]\n[egress]\nallow = [\"https://{host}/v1\"]"
        );
        let wasm = std::fs::read(tollgate_fixtures::folder("courier").join("courier.wasm"))?;
        let packed = tollgate_validator::pack::pack(&wasm, &manifest, None);
        let packed = packed.map_err(|violation| anyhow::anyhow!("{violation}"))?;
        let tool = tokio.block_on(runtime.load(&packed))?;
        let url = format!("https://{host}/v1/key");
        Ok(Self {
            tokio,
            _runtime: runtime,
            tool,
            url,
        })
    }

    /// A run that makes so many requests, one after the other, each answer read to its end.
    fn ask(&self, times: u32) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let headers = json!([["x-key", "{KEY}"]]);
        let request = json!({"method": "GET", "url": self.url, "headers": headers, "body": null});
        let run = Run::new("ask-again", json!({"request": request, "times": times})).owner("ours");
        let tool = self.tool.clone();
        async move {
            let key = Credential::new("0123456789abcdef0123456789abcdef")?;
            let run = run.credentials(Credentials::new().with("KEY", key));
            let outcome = tool.run(run).await?;
            let bytes = times as usize * ANSWER_BYTES;
            match outcome.result {
                Ok(output) if output == bytes => Ok(()),
                other => anyhow::bail!("the courier ended with {other:?}"),
            }
        }
    }
}
