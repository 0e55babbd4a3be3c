//! The table of fixtures, walked in both directions, and the examples their sellers promise.

use std::collections::BTreeSet;
use tollgate_fixtures::{End, FIXTURES, Fixture, Run as Expected, Source, folder};
use tollgate_runtime::value::is_equal;
use tollgate_runtime::{Run, Tool};
use tollgate_tests::{difference, is_built, json, judge, run_as_expected, verdict_difference};

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

/// In one walk, because the largest take half a minute each to compile.
#[tokio::test(flavor = "multi_thread")]
async fn each_is_judged_and_runs_as_the_table_and_its_own_manifest_say() {
    let _machine = crate::MACHINE.lock().await;
    let mut differences = Vec::new();
    let mut examples = 0;
    for fixture in FIXTURES.iter().filter(|fixture| is_built(fixture)) {
        let verdict = judge(fixture.name).await;
        differences.extend(verdict_difference(fixture, &verdict));
        match verdict.tool {
            Some(tool) => {
                differences.extend(run_differences(fixture, &tool).await);
                differences.extend(schema_differences(fixture, &tool));
                let found = example_differences(fixture.name, &tool).await;
                examples += found.len();
                differences.extend(found.into_iter().flatten());
            }
            None if fixture.runs.is_empty() => {}
            None => differences.push(format!("{}: has runs, but is rejected", fixture.name)),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(examples >= 10, "only {examples} examples were found");
}

async fn run_differences(fixture: &Fixture, tool: &Tool) -> Vec<String> {
    let mut differences = Vec::new();
    for expected in fixture.runs {
        let ended = run_as_expected(tool, expected).await;
        let difference = difference(expected.end, &ended);
        let name = format!("{} ({})", fixture.name, expected.label);
        differences.extend(difference.map(|it| format!("{name}: {it}")));
    }
    differences
}

/// Every input that a run takes is described by the schema of its function.
fn schema_differences(fixture: &Fixture, tool: &Tool) -> Vec<String> {
    let is_taken = |run: &&Expected| run.end != End::Refused("input_invalid");
    let difference = |run: &Expected| {
        let schema = tool.interface().function(run.function).ok()?.input_schema();
        let is_described = jsonschema::is_valid(&schema, &json(run.input));
        let (name, label, input) = (fixture.name, run.label, run.input);
        (!is_described).then(|| format!("{name} ({label}): {input} against {schema}"))
    };
    let taken = fixture.runs.iter().filter(is_taken);
    taken.filter_map(difference).collect()
}

/// For each example of the manifest what is wrong with it, if anything. Those that need a secret are left out.
async fn example_differences(name: &str, tool: &Tool) -> Vec<Option<String>> {
    let manifest = tool.manifest().filter(|it| it.credentials.is_empty());
    let mut differences = Vec::new();
    for example in manifest.iter().flat_map(|manifest| &manifest.examples) {
        let run = match &example.function {
            Some(function) => Run::new(function, example.input.clone()),
            None => Run::only(example.input.clone()),
        };
        let result = match tool.run(run).await {
            Ok(outcome) => outcome.result,
            Err(refused) => {
                differences.push(Some(format!("{name}, its own example: {refused}")));
                continue;
            }
        };
        let holds = match (&result, &example.failure) {
            (Ok(output), None) => {
                let (exact, schema) = (&example.output, &example.output_schema);
                exact
                    .as_ref()
                    .is_none_or(|exact| is_equal(&output.value(), exact))
                    && schema
                        .as_ref()
                        .is_none_or(|schema| jsonschema::is_valid(schema, &output.value()))
            }
            (Err(failure), Some(kind)) => failure.kind.name() == kind,
            _ => false,
        };
        differences.push((!holds).then(|| format!("{name}, its own example: {result:?}")));
    }
    differences
}

#[test]
fn every_committed_file_is_small() {
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
}
