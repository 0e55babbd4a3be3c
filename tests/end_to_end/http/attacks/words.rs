//! A tool says what its buyer gave it, so that its seller reads it.

use serde_json::{Value, json};
use tollgate_tests::server::Server;

/// Stands in the input and may stand nowhere that the seller looks.
const PRIVATE: &str = "a-buyer-s-own-words";

#[test]
fn a_seller_reads_the_tool_s_words_only_where_they_are_shared() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let tool = seller.published("roundtrip");
    buyer.subscribe(&tool);
    let ask = |share: Option<bool>| {
        let input = json!({"value": {"err": PRIVATE}});
        let mut body = json!({"function": "result-both", "input": input});
        if let Some(share) = share {
            body["share_diagnostics"] = json!(share);
        }
        let failed = buyer.run(&tool, &body);
        failed.expect_problem(502, "tool_failed", "Tool execution failed")
    };
    let seen = || {
        seller
            .get(&format!("/v1/artifacts/{tool}/failures"))
            .expect(200)
    };
    for share in [None, Some(false)] {
        let told = ask(share);
        assert_eq!(
            told["failure"]["error"], PRIVATE,
            "the buyer reads it: {told}"
        );
        let seen = seen();
        assert!(!seen.to_string().contains(PRIVATE), "{seen}");
        let failure = &seen["items"][0]["failure"];
        assert_eq!(
            (&failure["kind"], &failure["error"]),
            (&json!("error"), &Value::Null)
        );
    }
    ask(Some(true));
    let shared = seen();
    assert_eq!(shared["items"][0]["failure"]["error"], PRIVATE, "{shared}");
}
