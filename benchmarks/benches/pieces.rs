//! The pieces of a run, one by one: `cargo bench -p tollgate-benchmarks`.

#[path = "../src/guests.rs"]
#[expect(dead_code, reason = "the program measures more guests")]
mod guests;

use divan::Bencher;
use divan::counter::BytesCount;
use serde_json::json;
use std::hint::black_box;
use tokio::runtime::Runtime as Tokio;
use tollgate_runtime::value::{Shape, Type, decode_parameters, encode};
use tollgate_runtime::{ArtifactCache, ArtifactKey, Run, Runtime, RuntimeConfig, Tool, ToolDigest};

/// Bytes of an interpreter's native code.
const ARTIFACT_BYTES: usize = 33 << 20;

fn main() {
    divan::main();
}

struct Host {
    tokio: Tokio,
    runtime: Runtime,
    wasm: Vec<u8>,
}

impl Host {
    fn new() -> Self {
        Self::with(RuntimeConfig::default())
    }

    fn with(config: RuntimeConfig) -> Self {
        Self {
            tokio: Tokio::new().expect("tokio"),
            runtime: Runtime::new(config).expect("a runtime"),
            wasm: guests::no_op().expect("a guest"),
        }
    }

    fn known(&self) -> Tool {
        let fetch = async { Err(std::io::Error::other("the tool was not kept")) };
        let digest = ToolDigest::of(&self.wasm);
        let known = self.runtime.load_known(digest, "ours", fetch);
        self.tokio.block_on(known).expect("kept")
    }

    fn tool(&self) -> Tool {
        let tool = self.tokio.block_on(self.runtime.load(&self.wasm));
        tool.expect("admitted")
    }
}

fn run() -> Run {
    Run::new("same", json!({"value": 7})).owner("ours")
}

/// Judging a small tool.
#[divan::bench]
fn admit_a_small_tool(bencher: Bencher) {
    let host = Host::new();
    bencher.bench_local(|| {
        host.tokio
            .block_on(host.runtime.admit(black_box(&host.wasm)))
    });
}

/// Judging and compiling it: each is another tool, since one that is loaded is not compiled again.
#[divan::bench]
fn compile_a_small_tool(bencher: Bencher) {
    let host = Host::new();
    let mut constant = 0;
    bencher
        .with_inputs(|| {
            constant += 1;
            guests::no_op_with(constant).expect("a guest")
        })
        .bench_local_values(|wasm| host.tokio.block_on(host.runtime.load(&wasm)));
}

/// Loading it out of the file it is kept in.
#[divan::bench]
fn load_a_kept_tool(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::with(RuntimeConfig {
        artifacts: Some(ArtifactCache {
            folder: folder.path().to_owned(),
            bytes_max: 1 << 30,
            key: ArtifactKey::new([7; 32]),
        }),
        loaded_bytes: 0,
        ..RuntimeConfig::default()
    });
    host.tool();
    bencher.bench_local(|| host.known());
}

/// Finding it where it is loaded.
#[divan::bench]
fn find_a_loaded_tool(bencher: Bencher) {
    let host = Host::new();
    host.tool();
    bencher.bench_local(|| host.known());
}

/// Everything that can be refused before a run starts.
#[divan::bench]
fn prepare_a_run(bencher: Bencher) {
    let tool = Host::new().tool();
    bencher
        .with_inputs(run)
        .bench_local_values(|run| tool.prepare(run));
}

/// From a prepared run to its outcome.
#[divan::bench]
fn start_a_no_op_run(bencher: Bencher) {
    let host = Host::new();
    let tool = host.tool();
    bencher
        .with_inputs(|| tool.prepare(run()).expect("nothing speaks against it"))
        .bench_local_values(|prepared| host.tokio.block_on(prepared.start()));
}

/// A list of a thousand records, from JSON to the engine's values.
#[divan::bench]
fn read_a_thousand_records(bencher: Bencher) {
    let parameters = [records::parameter()];
    let input = json!({"records": records::json()});
    bencher.bench_local(|| decode_parameters(&parameters, black_box(&input), 1 << 26));
}

/// The same back to JSON.
#[divan::bench]
fn write_a_thousand_records(bencher: Bencher) {
    let parameters = [records::parameter()];
    let input = json!({"records": records::json()});
    let values = decode_parameters(&parameters, &input, 1 << 26).expect("of its type");
    bencher.bench_local(|| encode(&parameters[0].ty, black_box(&values[0]), u64::MAX));
}

/// What believing a file takes that was compiled before.
#[divan::bench]
fn hash_a_large_artifact(bencher: Bencher) {
    let artifact = vec![7; ARTIFACT_BYTES];
    bencher
        .counter(BytesCount::new(ARTIFACT_BYTES))
        .bench_local(|| blake3::hash(black_box(&artifact)));
}

/// Values as tools take them.
mod records {
    use super::*;
    use tollgate_runtime::value::{Integer, Parameter};

    pub(super) fn parameter() -> Parameter {
        let field = |name: &str, shape| Parameter {
            name: name.to_owned(),
            ty: Type::plain(shape),
        };
        let record = Shape::Record(vec![
            field("city", Shape::String),
            field("celsius", Shape::Float64),
            field("people", Shape::Integer(Integer::U32)),
        ]);
        field("records", Shape::List(Box::new(Type::plain(record))))
    }

    pub(super) fn json() -> serde_json::Value {
        let record = |people| json!({"city": "Tromsø", "celsius": -1.5, "people": people});
        (0..1000).map(record).collect()
    }
}
