//! How many artifacts an org may have, and how many bytes of tools it may keep.

use super::rows::{ARTIFACT_EXISTS, UNPROCESSABLE};
use super::small::{key, published, quick, redraft, text, uploaded};
use serde_json::{Value, json};
use std::sync::{Arc, Barrier};
use tollgate_tests::server::{Answer, Caller, Server, WASM};

const ARTIFACTS: &str = "TOLLGATE_QUOTA__ORG_ARTIFACTS";
const BYTES: &str = "TOLLGATE_QUOTA__ORG_STORED_BYTES";

/// The message of a refusal, which names every part of it.
fn refused(code: &str, label: &str, answer: Answer, parts: &[&str]) -> Value {
    let body = UNPROCESSABLE.is_for(code, label, answer);
    let message = text(&body["violations"][0], "message");
    for part in parts {
        assert!(message.contains(part), "{label}: {part}: {message}");
    }
    body
}

fn draft(caller: &Caller, id: &str, wasm: &[u8]) -> Answer {
    caller.send("POST", &format!("/v1/artifacts/{id}/draft"), WASM, wasm)
}

fn sibling(caller: &Caller) -> Caller {
    let made = caller.post("/v1/projects", &json!({"name": "sibling"}));
    caller.with_key(&text(&made.expect(201), "key"))
}

/// All at once; says how many were made, and that the others were refused for that reason.
fn race(caller: &Caller, code: &str, tools: Vec<Vec<u8>>) -> usize {
    let start = Arc::new(Barrier::new(tools.len()));
    let threads: Vec<_> = tools
        .into_iter()
        .map(|tool| {
            let (caller, start) = (caller.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                caller.upload(&tool)
            })
        })
        .collect();
    let answers = threads.into_iter().map(|it| it.join().expect("an answer"));
    let (made, others): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 201);
    for other in others {
        UNPROCESSABLE.is_for(code, "the race", other);
    }
    made.len()
}

#[test]
fn an_org_has_as_many_artifacts_as_it_may_and_no_more() {
    let server = Server::start_with(&[(ARTIFACTS, "2")]);
    let (caller, other) = (server.org("caller"), server.org("other"));
    let sibling = sibling(&caller);
    let tool = published(&caller, &quick("one", "1.0.0"));
    uploaded(&sibling, &quick("one", "1.0.0"));
    let parts = ["has 2 artifacts, of 2", "/draft", "ask the platform"];
    for (label, full) in [("its own", &caller), ("another project's", &sibling)] {
        let answer = full.upload(&quick("two", "1.0.0"));
        refused("quota_artifacts", label, answer, &parts);
    }
    ARTIFACT_EXISTS.is(
        "a name that is taken",
        caller.upload(&quick("one", "1.0.1")),
    );
    redraft(&caller, &tool, &quick("one", "1.0.1"));
    uploaded(&other, &quick("two", "1.0.0"));
    // The operator's own org, too.
    let operator = server.operator();
    for name in ["one", "two"] {
        uploaded(&operator, &quick(name, "1.0.0"));
    }
    let answer = operator.upload(&quick("three", "1.0.0"));
    refused("quota_artifacts", "the operator's", answer, &parts);
    // It is a setting.
    let (publisher, _) = key(&caller, &["publish"]);
    let server = Server::start_in(server.kill(), &[(ARTIFACTS, "3")]);
    let publisher = server.caller(&publisher.key);
    uploaded(&publisher, &quick("two", "1.0.0"));
    let answer = publisher.upload(&quick("three", "1.0.0"));
    refused(
        "quota_artifacts",
        "raised",
        answer,
        &["has 3 artifacts, of 3"],
    );
    let server = Server::start_in(server.kill(), &[(ARTIFACTS, "0"), (BYTES, "0")]);
    uploaded(&server.caller(&publisher.key), &quick("three", "1.0.0"));
}

/// The bytes of a published tool's description, which a refusal tells.
fn description_bytes(tool: &[u8]) -> usize {
    let server = Server::start_with(&[(BYTES, &tool.len().to_string())]);
    let caller = server.org("caller");
    published(&caller, tool);
    let refused = caller.upload(&quick("two", "1.0.0")).expect(422);
    let message = text(&refused["violations"][0], "message");
    let (_, kept) = message.split_once("keeps ").expect("what is kept");
    let (kept, _) = kept.split_once(' ').expect("a number");
    kept.parse::<usize>().expect("a number") - tool.len()
}

#[test]
fn an_org_keeps_as_many_bytes_as_it_may_and_not_one_more() {
    let [one, two, more] = ["one", "two", "six"].map(|name| quick(name, "1.0.0"));
    let size = one.len();
    assert!(two.len() == size && more.len() == size, "names of a length");
    // A published tool's description counts, too.
    let about = description_bytes(&one);
    let both = 2 * size + about;
    let server = Server::start_with(&[(BYTES, &both.to_string())]);
    let (caller, other) = (server.org("caller"), server.org("other"));
    let sibling = sibling(&caller);
    let first = published(&caller, &one);
    let second = uploaded(&sibling, &two);
    let (kept, has) = (
        format!("keeps {both} bytes of tools, of {both}"),
        format!("this tool has {size}"),
    );
    let remedy = "DELETE /v1/artifacts/{id}/draft";
    let parts = [kept.as_str(), has.as_str(), remedy, "ask the platform"];
    refused("quota_bytes", "a third tool", caller.upload(&more), &parts);
    let next = quick("one", "1.0.1");
    refused(
        "quota_bytes",
        "a draft",
        draft(&caller, &first, &next),
        &parts,
    );
    // What is kept already takes no more.
    draft(&caller, &first, &one).expect(201);
    uploaded(&other, &more);
    let path = format!("/v1/artifacts/{second}/draft");
    sibling.delete(&path).expect(204);
    uploaded(&caller, &more);
    refused(
        "quota_bytes",
        "full again",
        draft(&sibling, &second, &two),
        &parts,
    );
    // One byte less is too little for both.
    let less = (2 * size - 1).to_string();
    let server = Server::start_with(&[(BYTES, &less)]);
    let caller = server.org("caller");
    uploaded(&caller, &one);
    let part = format!("keeps {size} bytes of tools, of {less}");
    refused("quota_bytes", "one byte", caller.upload(&two), &[&part]);
    // The file of the one that was refused is still there.
    let unused = format!("{size} bytes of tools that are no drafts or releases, of {less}");
    let parts = [unused.as_str(), "wait"];
    refused("quota_bytes", "to no end", caller.upload(&more), &parts);
}

#[test]
fn uploads_that_race_do_not_pass_a_quota_together() {
    let tools = || {
        (10..26)
            .map(|n| quick(&format!("tool-{n}"), "1.0.0"))
            .collect::<Vec<_>>()
    };
    let size = tools()[0].len();
    assert!(
        tools().iter().all(|tool| tool.len() == size),
        "names of a length"
    );
    let bytes = (3 * size).to_string();
    for (code, variable, limit) in [
        ("quota_artifacts", ARTIFACTS, "3"),
        ("quota_bytes", BYTES, bytes.as_str()),
    ] {
        let server = Server::start_with(&[(variable, limit)]);
        let caller = server.org("caller");
        assert_eq!(race(&caller, code, tools()), 3, "{code}");
        let mine = caller.get("/v1/artifacts?mine=true").expect(200);
        assert_eq!(
            mine["items"].as_array().map(Vec::len),
            Some(3),
            "{code}: {mine}"
        );
    }
}
