//! From upload to run, as a seller and a buyer go.

use serde_json::json;
use tollgate_tests::server::Server;

#[test]
fn a_tool_is_uploaded_validated_published_and_run_by_another_org() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let id = seller.published("markdown");
    buyer.subscribe(&id);
    let answer = buyer
        .run(&id, &json!({"input": {"markdown": "# Hello"}}))
        .expect(200);
    assert_eq!(answer["output"], "<h1>Hello</h1>\n");
    assert_eq!(
        (&answer["status"], &answer["charged"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
    let run = buyer.get(&format!(
        "/v1/runs/{}",
        answer["run_id"].as_str().expect("an id")
    ));
    assert_eq!(run.expect(200)["status"], "SUCCEEDED");
}
