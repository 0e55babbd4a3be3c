//! Memory mappings, of which a process may have only so many: as many for a tool and for a run as the runtime counts on
//! when it starts.

use crate::guests;
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use tollgate_runtime::{Run, Runtime, RuntimeConfig};
use tollgate_tests::{holds_within, load, wat_bytes};

const SOON: Duration = Duration::from_secs(20);

fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the kernel says");
    maps.lines().count()
}

fn tool(constant: u32) -> Vec<u8> {
    wat_bytes(&format!(
        r#"(component
          (core module $guest (memory 1) (data (i32.const 64) "{constant}")
            (func (export "same") (param i32) (result i32) (i32.const {constant})))
          (core instance $guest (instantiate $guest))
          (func (export "same") (param "value" u32) (result u32) (canon lift (core func $guest "same"))))"#
    ))
}

/// In a process of its own: other tests make mappings, too.
#[test]
#[ignore = "started by the next test"]
fn alone() {
    let tokio = tokio::runtime::Runtime::new().expect("tokio");
    tokio.block_on(async {
        let before = mappings();
        let runtime = Runtime::new(RuntimeConfig::default()).expect("the runtime starts");
        let started = mappings();
        let mut tools = Vec::new();
        for constant in 0..200 {
            tools.push(load(&runtime, &tool(constant)).await);
        }
        let loaded = mappings();
        for tool in &tools {
            assert!(tool.run(Run::only(json!({"value": 1}))).await.is_ok());
        }
        let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
        let parked: Vec<_> = (0..500)
            .map(|index| {
                let (tool, owner) = (sleeps.clone(), format!("owner {index}"));
                tokio::spawn(
                    async move { tool.run(Run::only(json!(3_600_000)).owner(owner)).await },
                )
            })
            .collect();
        assert!(holds_within(SOON, || runtime.runs() == 500));
        let parking = mappings();
        for run in parked {
            run.abort();
        }
        let a_run = (started - before) as f64 / 1000.0 + (parking - loaded) as f64 / 500.0;
        let a_tool = (loaded - started) as f64 / 200.0;
        println!("a run {a_run}, a tool {a_tool}");
        assert!(
            a_run < 10.0 && a_tool < 4.0,
            "a run {a_run}, a tool {a_tool}"
        );
    });
}

#[test]
fn a_run_and_a_tool_take_no_more_than_is_counted_on() {
    let ended = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "mappings::alone", "--ignored", "--nocapture"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
