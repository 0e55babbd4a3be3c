use super::*;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

const KEY: &str = "tg_aSecretThatIsNeverPrinted00000000";
const WASM: &[u8] = b"\0asm of some length";

/// What is asked, and the answer's status and body.
type Step = (&'static str, u16, Value);

/// A server that expects one request after another, and says which came, with what body.
fn server(steps: Vec<Step>) -> (String, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let serving = std::thread::spawn(move || {
        let answer = |(request, status, body): Step| {
            let (stream, _) = listener.accept().expect("a connection");
            serve(stream, request, status, &body)
        };
        steps.into_iter().map(answer).collect()
    });
    (url, serving)
}

fn serve(stream: TcpStream, request: &str, status: u16, body: &Value) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    assert_eq!(head[0], format!("{request} HTTP/1.1"));
    assert!(head.contains(&format!("x-api-key: {KEY}")), "{head:?}");
    let length = head
        .iter()
        .find_map(|it| it.strip_prefix("content-length: "));
    let length = length.map_or(0, |it| it.parse().expect("a length"));
    let mut content = vec![0; length];
    // A server that refuses the key does not ask for the body.
    if length > 0 && status != 401 {
        assert!(head.contains(&"content-type: application/wasm".to_owned()));
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .expect("written");
        reader.read_exact(&mut content).expect("the body");
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:9/\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    reader
        .get_mut()
        .write_all(answer.as_bytes())
        .expect("written");
    content
}

fn publish_to(url: &str) -> Result<Published, Stop> {
    let api = Api::new(url, &KEY.to_owned().into()).expect("a key");
    let named = ("weather", Some("1.2.0"));
    Publishing::new(&api, named, WASM, Duration::from_millis(1)).publish()
}

/// Publishes to a server that expects exactly these requests; gives their bodies too.
fn publish(steps: Vec<Step>) -> (Result<Published, Stop>, Vec<Vec<u8>>) {
    let (url, serving) = server(steps);
    let ended = publish_to(&url);
    (
        ended,
        serving.join().expect("every request came as expected"),
    )
}

fn problem(code: &str) -> Value {
    json!({"detail": "No", "code": code, "hint": "do this", "artifact_id": "art_1"})
}

/// From the draft to the release.
fn rest() -> Vec<Step> {
    let validation = "GET /v1/artifacts/art_1/draft/validation";
    vec![
        (
            "POST /v1/artifacts/art_1/draft/validation",
            202,
            json!({"status": "PENDING"}),
        ),
        (validation, 200, json!({"status": "PENDING"})),
        (
            validation,
            200,
            json!({"status": "ADMITTED", "violations": [], "notes": []}),
        ),
        (
            "POST /v1/artifacts/art_1/publish",
            201,
            json!({"id": "rel_1", "version": "1.2.0"}),
        ),
        ("GET /v1/artifacts/art_1", 200, json!({"id": "art_1"})),
    ]
}

fn with_rest(mut steps: Vec<Step>) -> Vec<Step> {
    steps.extend(rest());
    steps
}

/// What the server finds by the tool's name.
fn found_on_server(items: Value) -> Step {
    let search = "GET /v1/artifacts?mine=true&q=weather";
    (search, 200, json!({"items": items, "next_cursor": null}))
}

/// Nothing; then the file is uploaded, and that answered.
fn uploaded(status: u16, body: Value) -> Vec<Step> {
    vec![
        found_on_server(json!([])),
        ("POST /v1/artifacts", status, body),
    ]
}

/// The server has an artifact of that name, with that draft.
fn with_draft(draft: Value) -> Vec<Step> {
    let others = json!({"id": "art_2", "name": "weather-2"});
    vec![
        found_on_server(json!([others, {"id": "art_1", "name": "weather"}])),
        (
            "GET /v1/artifacts/art_1",
            200,
            json!({"id": "art_1", "draft": draft}),
        ),
        released(json!([{"version": "1.1.0"}])),
    ]
}

/// What the artifact's releases are.
fn released(items: Value) -> Step {
    let releases = "GET /v1/artifacts/art_1/releases?limit=100";
    (releases, 200, json!({"items": items, "next_cursor": null}))
}

#[test]
fn a_new_tool_is_uploaded_judged_and_released() {
    let (ended, bodies) = publish(with_rest(uploaded(201, json!({"id": "art_1"}))));
    let published = ended.expect("published");
    assert_eq!(published.artifact_id, "art_1");
    assert_eq!(published.release["version"], "1.2.0");
    assert_eq!(bodies[1], WASM);
    assert!(bodies[2..].iter().all(Vec::is_empty));
}

#[test]
fn another_version_is_a_draft_of_the_artifact() {
    let draft = ("POST /v1/artifacts/art_1/draft", 201, json!({}));
    let mut steps = with_draft(Value::Null);
    steps.push(draft.clone());
    let (ended, bodies) = publish(with_rest(steps));
    assert_eq!(ended.expect("published").artifact_id, "art_1");
    assert_eq!(bodies[3], WASM);
    // One that was not found by its name, and is there all the same.
    let mut steps = uploaded(409, problem("artifact_exists"));
    steps.push(("GET /v1/artifacts/art_1", 200, json!({"id": "art_1"})));
    steps.push(released(json!([])));
    steps.push(draft);
    let (ended, _) = publish(with_rest(steps));
    assert_eq!(ended.expect("published").artifact_id, "art_1");
}

#[test]
fn a_draft_that_is_this_file_is_gone_on_with() {
    let digest = format!("sha256:{:x}", Sha256::digest(WASM));
    let (ended, bodies) = publish(with_rest(with_draft(json!({"digest": digest}))));
    ended.expect("published");
    assert!(bodies.iter().all(Vec::is_empty), "nothing is sent again");
}

#[test]
fn a_draft_that_is_another_file_is_replaced() {
    let mut steps = with_draft(json!({"digest": "sha256:0"}));
    steps.push(("DELETE /v1/artifacts/art_1/draft", 204, Value::Null));
    steps.push(("POST /v1/artifacts/art_1/draft", 201, json!({})));
    let (ended, bodies) = publish(with_rest(steps));
    ended.expect("published");
    assert_eq!(bodies[4], WASM);
}

#[test]
fn what_the_gate_rejects_is_not_published() {
    let verdict = json!({"status": "REJECTED", "violations": [{"code": "a", "message": "b"}]});
    let mut steps = uploaded(201, json!({"id": "art_1"}));
    let validation = "POST /v1/artifacts/art_1/draft/validation";
    steps.push((validation, 202, verdict.clone()));
    let (ended, _) = publish(steps);
    assert!(matches!(ended, Err(Stop::Rejected(it)) if it == verdict));
}

#[test]
fn a_version_that_is_released_is_refused() {
    let mut steps = with_rest(uploaded(201, json!({"id": "art_1"})));
    steps.truncate(5);
    steps.push((
        "POST /v1/artifacts/art_1/publish",
        409,
        problem("version_exists"),
    ));
    let (ended, _) = publish(steps);
    assert!(matches!(ended, Err(Stop::Refused(it)) if it["code"] == "version_exists"));
}

#[test]
fn a_key_that_is_refused_is_a_refusal_though_the_body_was_not_read() {
    let (ended, _) = publish(uploaded(401, problem("key_invalid")));
    assert!(matches!(ended, Err(Stop::Refused(it)) if it["code"] == "key_invalid"));
}

#[test]
fn a_server_that_fails_or_is_none_is_named_and_the_key_is_not() {
    for (status, body) in [
        (
            503,
            json!({"detail": "Server is at capacity", "request_id": "req_1"}),
        ),
        (404, Value::Null),
        (307, Value::Null),
        (201, json!({"id": "../../x"})),
    ] {
        let (url, serving) = server(uploaded(status, body));
        let Err(Stop::Failed(error)) = publish_to(&url) else {
            panic!("{status} is our fault or the server's");
        };
        serving.join().expect("as expected");
        let message = format!("{error:#}");
        assert!(
            message.contains(&url) && !message.contains(KEY),
            "{message}"
        );
    }
    let Err(Stop::Failed(error)) = publish_to("http://127.0.0.1:1") else {
        panic!("nobody is there");
    };
    assert!(format!("{error:#}").starts_with("cannot reach http://127.0.0.1:1: "));
}

#[test]
fn a_key_that_no_header_holds_is_not_shown() {
    let error = Api::new("http://127.0.0.1:1", &"tg_secret\n".to_owned().into()).err();
    let message = format!("{:#}", error.expect("refused"));
    assert!(
        message.contains(KEY_VARIABLE) && !message.contains("secret"),
        "{message}"
    );
}

#[test]
fn the_line_to_paste_survives_a_shell() {
    let published = Published {
        artifact_id: "art_1".to_owned(),
        release: Value::Null,
        artifact: json!({"examples": [{"function": "f", "input": {"text": "it's"}}]}),
    };
    let line = curl(&published, "http://h");
    assert!(line.starts_with(
        "curl -sS http://h/v1/artifacts/art_1/run -H \"x-api-key: $TOLLGATE_API_KEY\""
    ));
    assert!(
        line.ends_with(r#"-d '{"input":{"text":"it'\''s"},"function":"f"}'"#),
        "{line}"
    );
    let schema =
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let without = Published {
        artifact: json!({"functions": [{"name": "g", "input_schema": schema}]}),
        ..published
    };
    let line = curl(&without, "http://h");
    assert!(
        line.ends_with(r#"-d '{"input":{"n":0},"function":"g"}'"#),
        "{line}"
    );
}

#[test]
fn violations_look_as_those_found_here() {
    let found = Violation::new("import_unknown", "no such import")
        .in_section("import")
        .at(16);
    let sent = serde_json::to_value(&found).expect("JSON");
    assert_eq!(violation(&sent), found);
    let newer = violation(&json!({"code": "of_tomorrow", "message": "a\u{1b}[31m"}));
    assert_eq!(
        (newer.code, newer.message.as_str()),
        ("violation", "of_tomorrow: a\u{fffd}[31m")
    );
}

#[test]
fn a_version_that_runs_or_ran_is_refused_before_anything_is_sent() {
    let asked = |active: &str, releases: Option<Step>| {
        let release = json!({"version": active, "digest": "sha256:0"});
        let mut steps = vec![
            found_on_server(json!([{"id": "art_1", "name": "weather"}])),
            (
                "GET /v1/artifacts/art_1",
                200,
                json!({"id": "art_1", "draft": null, "active_release": release}),
            ),
        ];
        steps.extend(releases);
        let (ended, _) = publish(steps);
        assert!(matches!(ended, Err(Stop::Refused(it)) if it["code"] == "version_exists"));
    };
    asked("1.2.0", None);
    let both = released(json!([{"version": "1.3.0"}, {"version": "1.2.0"}]));
    asked("1.3.0", Some(both));
}

#[test]
fn a_file_that_is_released_already_is_published() {
    let digest = format!("sha256:{:x}", Sha256::digest(WASM));
    let release = json!({"id": "rel_1", "version": "1.2.0", "digest": digest});
    let (ended, bodies) = publish(vec![
        found_on_server(json!([{"id": "art_1", "name": "weather"}])),
        (
            "GET /v1/artifacts/art_1",
            200,
            json!({"id": "art_1", "draft": null, "active_release": release}),
        ),
    ]);
    let published = ended.expect("an attempt that is repeated ends as the first one");
    assert_eq!(
        (published.artifact_id.as_str(), published.release),
        ("art_1", release)
    );
    assert!(bodies.iter().all(Vec::is_empty), "nothing is sent again");
}

#[test]
fn only_plain_http_to_another_machine_is_warned_of() {
    assert!(is_overheard("http://tools.example.com"));
    for server in [
        "https://tools.example.com",
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:1",
    ] {
        assert!(!is_overheard(server), "{server}");
    }
}
