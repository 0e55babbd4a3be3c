//! What a request costs that a tool makes, beside the same request by the same client library outside.

use crate::bare_http::{BareHttpTool, FUNCTION, TOOL};
use crate::effort::Effort;
use crate::machine::process_cpu;
use crate::outside::{self, Ask, KEY, Outside};
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
    let courier = std::fs::read(tollgate_fixtures::folder(TOOL).join("courier.wasm"))?;
    for (protocol, name) in [("h2", "HTTP/2"), ("http/1.1", "HTTP/1.1")] {
        let upstream = Upstream::start(protocol)?;
        let door = Door::new(&upstream, &courier)?;
        let bare = BareHttpTool::load(&upstream, &courier)?;
        let outside = Outside::new(&upstream)?;
        rows.extend(compared(effort, name, &door, &bare, &outside)?);
    }
    Ok(rows)
}

fn compared(
    effort: Effort,
    protocol: &str,
    door: &Door,
    bare: &BareHttpTool,
    outside: &Outside,
) -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut bares, mut outsides) = <(Costs, Costs, Costs)>::default();
    for round in 0..=effort.rounds {
        // The first round of each is for warming up.
        let is_kept = round > 0;
        ours.add(effort, door, is_kept)?;
        bares.add(effort, bare, is_kept)?;
        outsides.add(effort, outside, is_kept)?;
    }
    let what = format!(
        "a request of a tool, {ANSWER_BYTES} bytes back, TLS, {protocol}, kept connection, with a key"
    );
    let row = |how: &str, ours, (name, reference): (&str, f64), bar| Row {
        name: NAME,
        what: format!("{what}, {how}"),
        unit: Unit::Seconds,
        ours: Some(ours),
        reference: Some((name.to_owned(), reference)),
        bar,
        note: format!("{} rounds", effort.rounds),
    };
    let (one, cpu) = ours.medians();
    let (bare_one, bare_cpu) = bares.medians();
    let (outside_one, outside_cpu) = outsides.medians();
    let library = "the same client library outside";
    let engine = "the bare engine with the same client library";
    let (p50, in_flight) = ("one at a time: p50", "64 in flight: CPU time");
    Ok(vec![
        row(p50, one, (library, outside_one), Bar::Times(1.5)),
        row(p50, one, (engine, bare_one), Bar::None),
        row(in_flight, cpu, (library, outside_cpu), Bar::Times(1.3)),
        row(in_flight, cpu, (engine, bare_cpu), Bar::None),
    ])
}

/// What a request costs, round by round.
#[derive(Default)]
struct Costs {
    one: Vec<f64>,
    cpu: Vec<f64>,
}

impl Costs {
    fn add(&mut self, effort: Effort, asking: &impl Ask, is_kept: bool) -> anyhow::Result<()> {
        let brief = |full| if effort.is_brief { 1 } else { full };
        let one = one_at_a_time(brief(RUNS), asking)?;
        let cpu = in_flight(brief(TIMES_IN_FLIGHT), asking)?;
        if is_kept {
            self.one.push(one);
            self.cpu.push(cpu);
        }
        Ok(())
    }

    fn medians(self) -> (f64, f64) {
        (median(self.one), median(self.cpu))
    }
}

/// Seconds a request takes, at the median of some runs.
fn one_at_a_time(runs: usize, asking: &impl Ask) -> anyhow::Result<f64> {
    let took = |times| -> anyhow::Result<f64> {
        let started = Instant::now();
        asking.tokio().block_on(asking.ask(times))?;
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
fn in_flight(rounds: usize, asking: &impl Ask) -> anyhow::Result<f64> {
    let used = |times| -> anyhow::Result<Duration> {
        let before = process_cpu();
        let spawned: Vec<_> = (0..IN_FLIGHT)
            .map(|_| asking.tokio().spawn(asking.ask(times)))
            .collect();
        for spawned in spawned {
            asking.tokio().block_on(spawned)??;
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
    fn new(upstream: &Upstream, wasm: &[u8]) -> anyhow::Result<Self> {
        let host = upstream.host();
        let tokio = outside::tokio()?;
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
        let packed = tollgate_validator::pack::pack(wasm, &manifest, None);
        let packed = packed.map_err(|violation| anyhow::anyhow!("{violation}"))?;
        let tool = tokio.block_on(runtime.load(&packed))?;
        Ok(Self {
            tokio,
            _runtime: runtime,
            tool,
            url: upstream.url(),
        })
    }
}

impl Ask for Door {
    fn tokio(&self) -> &tokio::runtime::Runtime {
        &self.tokio
    }

    /// In one run.
    fn ask(&self, times: u32) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let headers = json!([["x-key", "{KEY}"]]);
        let request = json!({"method": "GET", "url": self.url, "headers": headers, "body": null});
        let run = Run::new(FUNCTION, json!({"request": request, "times": times})).owner("ours");
        let tool = self.tool.clone();
        async move {
            let key = Credential::new(KEY)?;
            let run = run.credentials(Credentials::new().with("KEY", key));
            let outcome = tool.run(run).await?;
            let bytes = times as usize * ANSWER_BYTES;
            match outcome.result {
                Ok(output) if output.value() == bytes => Ok(()),
                other => anyhow::bail!("the courier ended with {other:?}"),
            }
        }
    }
}
