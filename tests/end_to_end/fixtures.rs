//! The table of fixtures, walked in both directions, and the examples their sellers promise.

use std::collections::BTreeSet;
use tollgate_fixtures::{FIXTURES, Source, folder};
use tollgate_runtime::Run;
use tollgate_tests::{difference, is_built, judge, run_as_expected, tool, verdict_difference};

#[test]
fn every_fixture_is_in_the_table_and_every_entry_is_a_fixture() {
    let skipped = ["target"];
    let folders: BTreeSet<_> = std::fs::read_dir(folder(""))
        .expect("the tools")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !skipped.contains(&name.as_str()))
        .collect();
    let table: BTreeSet<_> = FIXTURES
        .iter()
        .map(|fixture| fixture.name.to_owned())
        .collect();
    assert_eq!(table.len(), FIXTURES.len(), "a name is in the table twice");
    assert_eq!(folders, table);
    for fixture in FIXTURES {
        let is_admitted = fixture.verdict == tollgate_fixtures::Verdict::Admitted;
        assert!(
            !is_admitted || !fixture.runs.is_empty(),
            "{} has no expectation of a run",
            fixture.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_says_of_each_what_the_table_says() {
    let mut differences = Vec::new();
    for fixture in FIXTURES.iter().filter(|fixture| is_built(fixture)) {
        differences.extend(verdict_difference(fixture, &judge(fixture.name).await));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_ends_as_the_table_says() {
    let mut differences = Vec::new();
    let admitted = FIXTURES
        .iter()
        .filter(|fixture| is_built(fixture) && !fixture.runs.is_empty());
    for fixture in admitted {
        let Some(tool) = judge(fixture.name).await.tool else {
            differences.push(format!("{}: has runs, but is rejected", fixture.name));
            continue;
        };
        for expected in fixture.runs {
            let ended = run_as_expected(&tool, expected).await;
            let difference = difference(expected.end, &ended);
            differences.extend(
                difference.map(|it| format!("{} ({}): {it}", fixture.name, expected.label)),
            );
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_a_manifest_holds() {
    let mut examples = 0;
    for fixture in FIXTURES.iter().filter(|fixture| is_built(fixture)) {
        let verdict = judge(fixture.name).await;
        let Some(tool) = verdict.tool else { continue };
        let Some(manifest) = tool
            .manifest()
            .filter(|manifest| manifest.credentials.is_empty())
        else {
            continue;
        };
        for example in &manifest.examples {
            let run = match &example.function {
                Some(function) => Run::new(function, example.input.clone()),
                None => Run::only(example.input.clone()),
            };
            let outcome = tool
                .run(run)
                .await
                .unwrap_or_else(|refused| panic!("{}: {refused}", fixture.name));
            match (&outcome.result, &example.failure) {
                (Ok(output), None) => {
                    if let Some(expected) = &example.output {
                        assert_eq!(output, expected, "{}", fixture.name);
                    }
                    if let Some(schema) = &example.output_schema {
                        assert!(
                            jsonschema::is_valid(schema, output),
                            "{}: {output}",
                            fixture.name
                        );
                    }
                }
                (Err(failure), Some(expected)) => {
                    assert_eq!(failure.kind.name(), expected, "{}", fixture.name)
                }
                (result, expected) => {
                    panic!("{}: expected {expected:?}, ended {result:?}", fixture.name)
                }
            }
            examples += 1;
        }
    }
    assert!(examples >= 10, "only {examples} examples were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_file_is_small_and_its_schema_describes_its_own_input() {
    for fixture in FIXTURES
        .iter()
        .filter(|fixture| fixture.source == Source::Wasm)
    {
        let file = folder(fixture.name).join(format!("{}.wasm", fixture.name));
        let bytes = std::fs::metadata(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            .len();
        assert!(bytes <= 200 * 1024, "{} has {bytes} bytes", fixture.name);
    }
    for fixture in FIXTURES
        .iter()
        .filter(|fixture| is_built(fixture) && !fixture.runs.is_empty())
    {
        let tool = tool(fixture.name).await;
        for run in fixture
            .runs
            .iter()
            .filter(|run| run.end != tollgate_fixtures::End::Refused("input_invalid"))
        {
            let Ok(function) = tool.interface().function(run.function) else {
                continue;
            };
            let schema = function.input_schema();
            let input = tollgate_tests::json(run.input);
            assert!(
                jsonschema::is_valid(&schema, &input),
                "{} ({}): {input} against {schema}",
                fixture.name,
                run.label
            );
        }
    }
}
