//! A seller changes the terms between a buyer's reading them and agreeing to them.

use crate::guests;
use crate::http::rows::{CREDENTIALS_MISSING, TERMS_CHANGED};
use crate::http::small::{publish, published, redraft, text};
use serde_json::{Value, json};
use tollgate_tests::packed;
use tollgate_tests::server::{Caller, Server};

fn tool(version: &str, more: &str) -> Vec<u8> {
    let manifest = format!("name = \"tool\"\nversion = {version:?}\n{more}");
    packed(&guests::command(""), &manifest)
}

fn active(caller: &Caller, artifact: &str) -> String {
    let shown = caller.get(&format!("/v1/artifacts/{artifact}")).expect(200);
    text(&shown["active_release"], "id")
}

fn spent(buyer: &Caller) -> Value {
    buyer.get("/v1/wallet").expect(200)["posted"].clone()
}

#[test]
fn terms_that_were_not_read_are_neither_taken_nor_paid() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 100_000));
    let id = published(&seller, &tool("1.0.0", "subscription_price = 1\n"));
    let read = active(&buyer, &id);
    redraft(
        &seller,
        &id,
        &tool("2.0.0", "subscription_price = 90000\nprice = 9\n"),
    );
    let dear = publish(&seller, &id);
    for body in [
        json!({"artifact_id": id, "release_id": read}),
        json!({"artifact_id": id, "max_price": 1}),
        json!({"artifact_id": id, "release_id": dear, "max_price": 89_999}),
        json!({"artifact_id": id, "release_id": "rel_nonsense"}),
    ] {
        let refused = TERMS_CHANGED.is("subscribe", buyer.post("/v1/subscriptions", &body));
        assert!(text(&refused, "hint").contains(&dear), "{refused}");
    }
    assert_eq!(spent(&buyer), 100_000);
    let body = json!({"artifact_id": id, "release_id": dear, "max_price": 90_000});
    let made = buyer.post("/v1/subscriptions", &body).expect(201);
    assert_eq!(
        (text(&made, "release_id"), spent(&buyer)),
        (dear, json!(10_000))
    );

    let accept = format!("/v1/subscriptions/{}/accept", text(&made, "id"));
    redraft(&seller, &id, &tool("3.0.0", "price = 10\n"));
    let read = publish(&seller, &id);
    redraft(&seller, &id, &tool("4.0.0", "price = 90000\n"));
    publish(&seller, &id);
    TERMS_CHANGED.is("accept", buyer.post(&accept, &json!({"release_id": read})));
    let without = buyer.post(&accept, &json!({}));
    assert_eq!(without.status, 422, "{without:?}");
    let listed = buyer.get("/v1/subscriptions").expect(200);
    assert_eq!(
        listed["items"][0]["release_id"], made["release_id"],
        "{listed}"
    );
}

#[test]
fn a_secret_goes_where_the_hint_says_and_nowhere_else() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let credential = |hosts: &str| {
        let hosts_of_key = format!("[credentials.SOME_KEY]\nhosts = [{hosts}]\n");
        format!(
            "{hosts_of_key}[egress]\nallow = [\"https://good.example\", \"https://evil.example\"]\n"
        )
    };
    let id = published(&seller, &tool("1.0.0", &credential("\"good.example\"")));
    buyer.subscribe(&id);
    let wider = credential("\"good.example\", \"evil.example\"");
    redraft(&seller, &id, &tool("2.0.0", &wider));
    publish(&seller, &id);
    let missing = CREDENTIALS_MISSING.is("a run", buyer.run(&id, &json!({"input": null})));
    let hint = text(&missing, "hint");
    assert!(hint.contains(r#""hosts":["good.example"]"#), "{hint}");
    let stored = |body: &Value| {
        let stored = buyer.put("/v1/environment/SOME_KEY", body).expect(200);
        stored["hosts"].clone()
    };
    // By default, and with the body that the hint shows.
    let by_default = json!({"value": "0123456789abcdef", "artifact_id": id});
    assert_eq!(stored(&by_default), json!(["good.example"]));
    let body = hint.split('`').find(|part| part.starts_with('{'));
    let mut body: Value = serde_json::from_str(body.expect("a body")).expect("JSON");
    body["value"] = json!("0123456789abcdef");
    assert_eq!(stored(&body), json!(["good.example"]));
    buyer.run(&id, &json!({"input": null})).expect(200);
    // Somebody who would subscribe now would run the wider one.
    let late = server.org("late");
    let set = late
        .put("/v1/environment/SOME_KEY", &by_default)
        .expect(200);
    assert_eq!(set["hosts"], json!(["good.example", "evil.example"]));
}
