//! What a request is made of, by the byte: nothing a tool writes becomes a line or a request of its own.

use super::allowed::end;
use super::raw::{Message, RawUpstream, Step, send};
use super::*;

const HERE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere";

async fn honest() -> RawUpstream {
    RawUpstream::start(vec![send(HERE), Step::Close]).await
}

fn with_header(host: &str, name: &str, value: &str) -> Value {
    let mut request = get(format!("http://{host}/"));
    request["headers"] = json!([[name, value]]);
    request
}

async fn end_of(courier: &Courier, request: Value) -> String {
    end(&courier.run("send", json!({"request": request})).await)
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_would_write_lines_or_requests_of_their_own_are_refused_in_the_guest() {
    let upstream = honest().await;
    let host = upstream.host();
    let courier = Courier::to_raw(&[&upstream]).await;
    let smuggled = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let syntax = "header refused: HeaderError::InvalidSyntax";
    let forbidden = "header refused: HeaderError::Forbidden";
    let values = [
        "a\rb",
        "a\nb",
        "a\r\nx-smuggled: b",
        "a\0b",
        "a\x7fb",
        smuggled,
    ];
    let values = values.map(|value| ("x-key", value, syntax));
    let names = [
        "", " ", "x y", "x:", "x\r", "x\n", "x\r\ny", "x\0", "x\u{e9}", " x", "x ", "\"x\"",
    ];
    let names = names.map(|name| (name, "1", syntax));
    let framing = [
        ("Host", "elsewhere.example"),
        ("host", "elsewhere.example"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Connection", "x-key"),
        ("Keep-Alive", "1"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAA"),
        ("Proxy-Connection", "close"),
        ("Proxy-Authorization", "Basic eDp4"),
    ];
    let framing = framing.map(|(name, value)| (name, value, forbidden));
    let lengths = ["", "+1", "-1", "1 ", "0x1", "1,1", "18446744073709551616"];
    let lengths = lengths.map(|value| ("Content-Length", value, syntax));
    let headers = [&values[..], &names, &framing, &lengths].concat();
    for (name, value, expected) in headers {
        let ended = end_of(&courier, with_header(&host, name, value)).await;
        assert_eq!(ended, expected, "{name:?}: {value:?}");
    }

    let mut two_lengths = with_header(&host, "content-length", "1");
    two_lengths["headers"] = json!([["content-length", "1"], ["Content-Length", "1"]]);
    assert_eq!(end_of(&courier, two_lengths).await, syntax);

    let long = "A".repeat(65);
    let methods = [
        "",
        "GET ",
        " GET",
        "G ET",
        "G\rT",
        "G\nT",
        "G\0T",
        "G\u{e9}T",
        "GET / HTTP/1.1\r\nx: y",
        &long,
    ];
    for method in methods {
        let mut request = get(format!("http://{host}/"));
        request["method"] = json!(method);
        let ended = end_of(&courier, request).await;
        assert_eq!(ended, "method refused", "{method:?}");
    }
    for path in [
        "/a b",
        "/a\rb",
        "/a\nb",
        "/a\0b",
        "/ HTTP/1.1\r\nx: y",
        "/?a\r\nb",
    ] {
        let ended = end_of(&courier, get(format!("http://{host}{path}"))).await;
        assert_eq!(ended, "path refused", "{path:?}");
    }
    for authority in ["\r\nx: y", " ", "\0", ":1"] {
        let ended = end_of(&courier, get(format!("http://{host}{authority}/"))).await;
        assert_eq!(ended, "authority refused", "{authority:?}");
    }
    for authority in [format!("{host}@elsewhere.example"), "localhost:".to_owned()] {
        let ended = end_of(&courier, get(format!("http://{authority}/"))).await;
        assert_eq!(ended, "HttpRequestUriInvalid", "{authority:?}");
    }
    assert!(upstream.connections().is_empty(), "no packet");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_headers_than_fit_end_the_tool_and_nothing_is_sent() {
    let upstream = honest().await;
    let host = upstream.host();
    let courier = Courier::to_raw(&[&upstream]).await;
    let many = |count: usize| {
        let mut request = get(format!("http://{host}/"));
        let headers = (0..count).map(|index| json!([format!("x-{index}"), "1"]));
        request["headers"] = headers.collect();
        request
    };
    assert_eq!(end_of(&courier, many(10_000)).await, "abi");
    let same = vec![json!(["x", "1"]); 10_000];
    let mut request = get(format!("http://{host}/"));
    request["headers"] = same.into();
    assert_eq!(end_of(&courier, request).await, "abi");
    let large = "x".repeat(64 * 1024 + 1);
    assert_eq!(
        end_of(&courier, with_header(&host, "x-large", &large)).await,
        "abi"
    );
    assert!(upstream.connections().is_empty(), "no packet");

    assert_eq!(end_of(&courier, many(500)).await, "answered");
    let mut seen = upstream.only().headers;
    seen.sort();
    let sent = (0..500).map(|index| header(&format!("x-{index}"), "1"));
    let mut sent: Vec<_> = sent.chain([header("host", &host)]).collect();
    sent.sort();
    assert!(seen == sent, "{seen:?}");
    let upstream = honest().await;
    let courier = Courier::to_raw(&[&upstream]).await;
    let large = "x".repeat(63 * 1024);
    let request = with_header(&upstream.host(), "x-large", &large);
    assert_eq!(end_of(&courier, request).await, "answered");
    assert!(upstream.only().headers.contains(&header("x-large", &large)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_is_one_request_with_the_host_s_own_framing() {
    let cases = [
        (
            "GET",
            "plain",
            json!([["X-One", "1"], ["x-two", "2: x"]]),
            None,
            vec![("x-one", "1"), ("x-two", "2: x")],
        ),
        (
            "GET",
            "offers of codings",
            json!([["TE", "trailers, deflate"], ["te", "gzip"]]),
            None,
            vec![],
        ),
        (
            "POST",
            "no length",
            json!([]),
            Some("hello"),
            vec![("transfer-encoding", "chunked")],
        ),
        (
            "POST",
            "a length that fits",
            json!([["Content-Length", "5"]]),
            Some("hello"),
            vec![("content-length", "5")],
        ),
        (
            "POST",
            "a body like a request",
            json!([["content-length", "39"]]),
            Some("\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"),
            vec![("content-length", "39")],
        ),
        (
            "POST",
            "a body like a last chunk",
            json!([]),
            Some("0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
            vec![("transfer-encoding", "chunked")],
        ),
        (
            "M-SEARCH",
            "another method",
            json!([]),
            None,
            vec![("transfer-encoding", "chunked")],
        ),
    ];
    for (method, label, headers, body, expected) in cases {
        let upstream = honest().await;
        let courier = Courier::to_raw(&[&upstream]).await;
        let host = upstream.host();
        let request = json!({"method": method, "url": format!("http://{host}/a?b"), "headers": headers, "body": body});
        let answer = courier.send(request).await;
        assert_eq!(answer.expect(label)["body"], "here", "{label}");
        let mut seen = upstream.only();
        seen.headers.sort();
        let mut headers: Vec<_> = expected
            .iter()
            .map(|(name, value)| header(name, value))
            .collect();
        headers.push(header("host", &host));
        headers.sort();
        let expected = Message {
            line: format!("{method} /a?b HTTP/1.1"),
            headers,
            body: body.unwrap_or_default().into(),
        };
        assert_eq!(seen, expected, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_does_not_fit_ends_in_an_error_and_never_in_two_requests() {
    let cases = [
        ("too short", "POST", "3", "hello"),
        ("none of it", "POST", "0", "GET /smuggled HTTP/1.1\r\n\r\n"),
        ("too long", "POST", "10", "hello"),
        ("far too long", "POST", "18446744073709551615", "hello"),
        ("too short where none is usual", "GET", "3", "hello"),
        ("too long where none is usual", "GET", "10", "hello"),
    ];
    for (label, method, length, body) in cases {
        let upstream = honest().await;
        let courier = Courier::to_raw(&[&upstream]).await;
        let mut request = with_header(&upstream.host(), "content-length", length);
        request["method"] = json!(method);
        request["body"] = json!(body);
        let ended = end_of(&courier, request).await;
        assert_ne!(ended, "answered", "{label}");
        assert!(
            upstream.connections().is_empty() || upstream.is_left().await,
            "{label}"
        );
        for connection in upstream.connections() {
            let received = String::from_utf8_lossy(&connection.received).into_owned();
            let Some((head, sent)) = received.split_once("\r\n\r\n") else {
                assert_eq!(received, "", "{label}");
                continue;
            };
            assert!(
                head.starts_with(&format!("{method} / HTTP/1.1\r\n")),
                "{label}: {head}"
            );
            assert!(
                head.contains(&format!("\r\ncontent-length: {length}")),
                "{label}: {head}"
            );
            assert!(
                sent.len() as u128 <= length.parse().expect("a number"),
                "{label}: {sent:?}"
            );
            assert!(body.starts_with(sent), "{label}: {sent:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_read_and_not_answered_is_not_sent_again() {
    for method in ["GET", "POST", "PUT", "HEAD"] {
        let upstream = RawUpstream::start(vec![Step::Close]).await;
        let courier = Courier::to_raw(&[&upstream]).await;
        let mut request = get(format!("http://{}/", upstream.host()));
        request["method"] = json!(method);
        let ended = courier.send(request).await;
        assert_eq!(ended, Err("HttpResponseIncomplete".to_owned()), "{method}");
        assert!(upstream.is_left().await, "{method}");
        assert_eq!(upstream.only().line, format!("{method} / HTTP/1.1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_one_over_a_connection_that_was_kept() {
    let kept = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")];
    let upstream = RawUpstream::in_turn(vec![kept, vec![Step::Close]]).await;
    let courier = Courier::to_raw(&[&upstream]).await;
    let request = |path: &str| get(format!("http://{}/{path}", upstream.host()));
    assert_eq!(end_of(&courier, request("first")).await, "answered");
    let second = end_of(&courier, request("second")).await;
    assert_eq!(second, "HttpResponseIncomplete");
    assert!(upstream.is_left().await);
    let lines: Vec<_> = upstream.requests().into_iter().map(|it| it.line).collect();
    assert_eq!(lines, ["GET /first HTTP/1.1", "GET /second HTTP/1.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_eight_kib_goes_out_whole_and_a_longer_one_does_not() {
    let upstream = honest().await;
    let courier = Courier::to_raw(&[&upstream]).await;
    let host = upstream.host();
    let path = |bytes: usize| format!("/{}?{}", "p".repeat(100), "q".repeat(bytes - 102));
    let over = end_of(
        &courier,
        get(format!("http://{host}{}", path(8 * 1024 + 1))),
    )
    .await;
    assert_eq!(over, "path refused");
    assert!(upstream.connections().is_empty());
    let at = end_of(&courier, get(format!("http://{host}{}", path(8 * 1024)))).await;
    assert_eq!(at, "answered");
    assert_eq!(
        upstream.only().line,
        format!("GET {} HTTP/1.1", path(8 * 1024))
    );
}
