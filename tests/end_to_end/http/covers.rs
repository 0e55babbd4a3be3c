//! Covers: made when an artifact is published or when its owner asks, and seen by whoever sees the artifact.

use super::rows::{
    ALREADY_SUBSCRIBED, ARTIFACT_NOT_FOUND, COVER_MISSING, DRAFT_NOT_FOUND, FORBIDDEN, NOT_LISTED,
};
use super::small::{admitted, key, publish, quick, redraft, uploaded};
use serde_json::json;
use tollgate_tests::server::{Answer, Caller, JSON, Server};

fn cover(caller: &Caller, id: &str) -> Answer {
    caller.get(&format!("/v1/artifacts/{id}/cover"))
}

fn make(caller: &Caller, id: &str) -> Answer {
    caller.send("POST", &format!("/v1/artifacts/{id}/cover"), &[], b"")
}

/// The picture of an answer that is one, sent as pictures are.
fn picture(status: u16, answer: Answer) -> String {
    let headers = answer.headers.clone();
    let svg = answer.expect(status);
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(headers.contains_key("etag"));
    let svg = svg.as_str().expect("no JSON").to_owned();
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>"),
        "{svg}"
    );
    assert!(svg.len() < 4096, "{} bytes", svg.len());
    for foreign in [
        "<script",
        "href",
        "url(",
        "@import",
        "<foreignObject",
        " on",
    ] {
        assert!(!svg.contains(foreign), "{foreign}: {svg}");
    }
    svg
}

#[test]
fn publishing_makes_a_cover_that_later_releases_keep() {
    let server = Server::start();
    let (seller, stranger) = (server.org("seller"), server.org("stranger"));
    let id = admitted(&seller, &quick("quick-one", "1.0.0"));
    COVER_MISSING.is("none yet", cover(&seller, &id));
    publish(&seller, &id);
    let first = picture(200, cover(&seller, &id));
    assert!(first.contains(">quick-one</text>"), "{first}");
    assert_eq!(picture(200, cover(&stranger, &id)), first);
    redraft(&seller, &id, &quick("quick-one", "1.1.0"));
    publish(&seller, &id);
    assert_eq!(picture(200, cover(&seller, &id)), first);

    let made = make(&seller, &id);
    let path = format!("/v1/artifacts/{id}/cover");
    assert_eq!(made.headers["location"], path.as_str());
    let second = picture(201, made);
    assert_ne!(second, first, "of another digest");
    assert_eq!(picture(201, make(&seller, &id)), second);
    assert_eq!(picture(200, cover(&stranger, &id)), second);
}

#[test]
fn without_a_cover_nothing_is_published_unless_one_may_be_made() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    let path = format!("/v1/artifacts/{id}/publish");
    let none = json!({"generate_cover": false});
    COVER_MISSING.is("publish", seller.post(&path, &none));
    let artifact = seller.get(&format!("/v1/artifacts/{id}")).expect(200);
    assert!(
        artifact["active_release"].is_null() && artifact["draft"].is_object(),
        "{artifact}"
    );
    COVER_MISSING.is("still none", cover(&seller, &id));
    let made = picture(201, make(&seller, &id));
    seller.post(&path, &none).expect(201);
    assert_eq!(picture(200, cover(&seller, &id)), made);
}

#[test]
fn a_cover_is_seen_by_whoever_sees_the_artifact_and_made_by_its_owner() {
    let server = Server::start();
    let (seller, stranger) = (server.org("seller"), server.org("stranger"));
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    let made = picture(201, make(&seller, &id));
    ARTIFACT_NOT_FOUND.is("never published", cover(&stranger, &id));
    ARTIFACT_NOT_FOUND.is("never published", make(&stranger, &id));
    publish(&seller, &id);
    let (runner, _) = key(&seller, &["run"]);
    let (publisher, _) = key(&seller, &["publish"]);
    assert_eq!(picture(200, cover(&runner, &id)), made);
    FORBIDDEN.is("the scope", make(&runner, &id));
    assert_eq!(picture(201, make(&publisher, &id)), made);
    ARTIFACT_NOT_FOUND.is("a stranger's", make(&stranger, &id));
    let subscriber = server.org("subscriber");
    let subscription = subscriber.subscribe(&id);
    let unlisted = json!({"listed": false}).to_string();
    let path = format!("/v1/artifacts/{id}");
    seller
        .send("PATCH", &path, JSON, unlisted.as_bytes())
        .expect(200);
    NOT_LISTED.is("unlisted", cover(&stranger, &id));
    picture(200, cover(&seller, &id));
    // Who is subscribed goes on seeing it, until that ends.
    subscriber.get(&path).expect(200);
    picture(200, cover(&subscriber, &id));
    let again = subscriber.post("/v1/subscriptions", &json!({"artifact_id": id}));
    ALREADY_SUBSCRIBED.is("unlisted", again);
    let ending = format!("/v1/subscriptions/{subscription}");
    subscriber.delete(&ending).expect(204);
    NOT_LISTED.is("no longer subscribed", cover(&subscriber, &id));
    let again = subscriber.post("/v1/subscriptions", &json!({"artifact_id": id}));
    NOT_LISTED.is("no longer subscribed", again);

    let empty = uploaded(&seller, &quick("empty", "1.0.0"));
    seller
        .delete(&format!("/v1/artifacts/{empty}/draft"))
        .expect(204);
    DRAFT_NOT_FOUND.is("of nothing", make(&seller, &empty));
}

#[test]
fn a_cover_that_is_known_is_not_sent_again() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    publish(&seller, &id);
    let path = format!("/v1/artifacts/{id}/cover");
    let etag = cover(&seller, &id).headers["etag"].clone();
    let etag = etag.to_str().expect("text").to_owned();
    let ask = |known: &str| seller.send("GET", &path, &[("if-none-match", known)], b"");
    for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let answer = ask(&known);
        assert_eq!(answer.headers["etag"], etag.as_str(), "{known}");
        assert_eq!(answer.expect(304), "", "{known}");
    }
    for unknown in ["\"other\"", "", etag.trim_matches('"')] {
        picture(200, ask(unknown));
    }
}

#[test]
fn a_cover_asked_for_again_is_replayed_as_the_picture_it_was() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    let path = format!("/v1/artifacts/{id}/cover");
    let send = || seller.send("POST", &path, &[("idempotency-key", "once")], b"");
    let first = picture(201, send());
    let again = send();
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["location"], path.as_str());
    assert_eq!(picture(201, again), first);
}
