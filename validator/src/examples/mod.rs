//! A manifest's examples, run as the gate runs them: under the tool's own limits, with recorded answers in the place of
//! hosts and decoys in the place of secrets.

mod expected;
mod recordings;

pub(crate) use expected::Expected;
pub(crate) use recordings::recordings;

use crate::in_manifest::in_manifest;
use std::time::{Duration, Instant};
use tollgate_runtime::manifest::Example;
use tollgate_runtime::{
    Attribute, Credential, Credentials, Outcome, Refused, Rejected, Run, Runtime, Span, Tool,
    Violation, decoy, quoted,
};

/// Characters of a decoy: as long as common keys are.
const DECOY_LENGTH: usize = 32;

/// What came of a tool's examples.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Everything that was not as the manifest says.
    pub(crate) violations: Vec<Violation>,
    /// How each one went, and what it used.
    pub(crate) notes: Vec<Violation>,
}

/// Runs a tool's examples, one by one. None starts after that time.
pub(crate) async fn run(runtime: &Runtime, tool: &Tool, owner: &str, time: Duration) -> Ran {
    let mut ran = Ran::default();
    let examples = tool.manifest().map(|manifest| &manifest.examples);
    let started = Instant::now();
    for (index, example) in examples.into_iter().flatten().enumerate() {
        if started.elapsed() > time {
            ran.violations
                .push(too_long(index, started.elapsed(), time));
            break;
        }
        let ended = run_one(tool, owner, example).await;
        // A seller's schema may take long to judge by.
        let example = example.clone();
        let judged = runtime.on_a_thread(move || Ok(Ran::of(index, &example, ended)));
        match judged.await {
            Ok(one) => ran.extend(one),
            Err(Rejected { violations }) => ran.violations.extend(violations),
        }
    }
    ran
}

fn too_long(index: usize, took: Duration, time: Duration) -> Violation {
    let message = format!(
        "example {} was not run: the ones before it took {} s, and all of them together may take {} s; shorten them, or leave some out",
        index + 1,
        took.as_secs(),
        time.as_secs()
    );
    in_manifest("examples_too_long", format!("/examples/{index}"), message)
}

async fn run_one(tool: &Tool, owner: &str, example: &Example) -> Result<Outcome, Refused> {
    let input = example.input.clone();
    let run = match &example.function {
        Some(function) => Run::new(function, input),
        None => Run::only(input),
    };
    let declared = tool.manifest().map(|manifest| &manifest.credentials);
    let names = declared.into_iter().flatten().map(|(name, _)| name);
    let decoys = names.filter_map(|name| {
        let decoy = Credential::new(decoy(DECOY_LENGTH)).ok()?;
        Some((name, decoy.allow_expose()))
    });
    let decoys = decoys.fold(Credentials::new(), |all, (name, decoy)| {
        all.with(name, decoy)
    });
    // The checks have read them already.
    let recorded = recordings(example).unwrap_or_default();
    let run = run.owner(owner).credentials(decoys).recorded(recorded);
    tool.run(run).await
}

impl Ran {
    /// What came of one example.
    fn of(index: usize, example: &Example, ended: Result<Outcome, Refused>) -> Self {
        let mut ran = Self::default();
        match Expected::of(example) {
            Ok(expected) => ran.add(index, &expected, ended),
            Err((key, message)) => {
                let at = format!("/examples/{index}/{key}");
                let violation = in_manifest("manifest_invalid", at, message);
                ran.violations.push(violation);
            }
        }
        ran
    }

    fn extend(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.notes.extend(other.notes);
    }

    fn add(&mut self, index: usize, expected: &Expected, ended: Result<Outcome, Refused>) {
        let (at, name) = (
            format!("/examples/{index}"),
            format!("example {}", index + 1),
        );
        let outcome = match ended {
            Ok(outcome) => outcome,
            Err(Refused::AtCapacity | Refused::Internal) => {
                let message = format!("{name} could not be run; have the tool validated again");
                self.violations
                    .push(in_manifest("check_failed", at, message));
                return;
            }
            Err(refused) => {
                let message = format!("{name} cannot be run: {refused}");
                let violation = in_manifest("example_failed", format!("{at}/input"), message);
                self.violations.push(violation);
                return;
            }
        };
        for (credential, request) in outcome.misdirected() {
            let message = format!(
                "{name}: the credential {credential} was on its way to `{}`, which is none of its `hosts`",
                quoted(&described(request))
            );
            let violation = in_manifest("credential_misdirected", at.clone(), message);
            self.violations.push(violation);
        }
        match expected.difference(&outcome) {
            None => self.notes.push(passed(at, &name, &outcome)),
            Some((key, difference)) => {
                let refused = refused_requests(&outcome);
                let message = format!("{name}: {difference}{refused}");
                let violation = in_manifest("example_failed", format!("{at}{key}"), message);
                self.violations.push(violation);
            }
        }
    }
}

fn passed(at: String, name: &str, outcome: &Outcome) -> Violation {
    let usage = &outcome.usage;
    let ended = match &outcome.result {
        Ok(_) => "succeeded".to_owned(),
        Err(failure) => format!("failed as expected ({})", failure.kind.name()),
    };
    let mut message = format!(
        "{name} {ended} after {}: {} of CPU, {} KiB of memory",
        milliseconds(usage.wall_us),
        milliseconds(usage.cpu_us),
        usage.memory_peak_bytes / 1024
    );
    let requests = match usage.egress_requests {
        1 => "request",
        _ => "requests",
    };
    let more = [
        (usage.egress_requests, requests),
        (usage.scratch_bytes, "bytes of scratch"),
        (usage.log_bytes, "bytes of logs"),
    ];
    for (count, of) in more.into_iter().filter(|(count, _)| *count > 0) {
        message.push_str(&format!(", {count} {of}"));
    }
    in_manifest("example_ran", at, message)
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

/// What it asked for and was refused, which is the likely cause of any other difference.
fn refused_requests(outcome: &Outcome) -> String {
    let refused = outcome.requests.iter().filter_map(|request| {
        let reason = request.attributes.iter().find_map(|it| match it {
            ("refused", Attribute::Text(reason)) => Some(reason),
            _ => None,
        })?;
        Some(format!(
            "; it asked for `{}`: {}",
            quoted(&described(request)),
            quoted(reason)
        ))
    });
    refused.take(3).collect()
}

/// A request's method, host and path.
fn described(request: &Span) -> String {
    let path = request.attributes.iter().find_map(|it| match it {
        ("path", Attribute::Text(path)) => Some(path.as_str()),
        _ => None,
    });
    format!("{}{}", request.name, path.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::pack;
    use crate::source::assemble;
    use tollgate_runtime::RuntimeConfig;

    #[tokio::test]
    async fn no_example_is_started_once_their_time_is_over() {
        let tool = assemble(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
        let manifest = "name = \"a\"\n[[examples]]\n[[examples]]\n";
        let wasm = pack(&tool.expect("valid"), manifest, None).expect("packed");
        let runtime = Runtime::new(RuntimeConfig::default()).expect("it starts");
        let tool = runtime.load(&wasm).await.expect("a tool");
        let ran = run(&runtime, &tool, "", Duration::ZERO).await;
        assert_eq!(ran.violations.len(), 1);
        assert_eq!(ran.violations[0].code, "examples_too_long");
        assert_eq!(
            run(&runtime, &tool, "", Duration::from_secs(60))
                .await
                .notes
                .len(),
            2
        );
    }
}
