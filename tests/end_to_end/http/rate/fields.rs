//! The headers of the limits, read as the structured fields that they are.

use std::collections::BTreeMap;
use tollgate_tests::server::Answer;

/// Each member's parameters, by its name: a list of strings with parameters (RFC 9651).
pub(super) type Members = BTreeMap<String, BTreeMap<String, String>>;

/// `RateLimit-Policy` and `RateLimit`; of the same limits, in which no more is left than there is.
pub(super) fn limits(answer: &Answer) -> (Members, Members) {
    let policies = members(answer, "ratelimit-policy");
    let standings = members(answer, "ratelimit");
    let names = |members: &Members| members.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&policies), names(&standings));
    for (name, standing) in &standings {
        let quota = number(&policies[name], "q");
        assert!(number(standing, "r") <= quota, "{policies:?} {standings:?}");
        match policies[name].get("qu") {
            None => {
                assert!(number(&policies[name], "w") >= 1, "{policies:?}");
                assert!(number(standing, "t") >= 1, "{standings:?}");
            }
            Some(unit) => assert_eq!(unit, "\"concurrent-requests\""),
        }
    }
    (policies, standings)
}

pub(super) fn number(parameters: &BTreeMap<String, String>, name: &str) -> u64 {
    let text = parameters.get(name).map(String::as_str);
    let number = text.and_then(|it| it.parse().ok());
    number.unwrap_or_else(|| panic!("no number {name}: {parameters:?}"))
}

/// What the policy and the standing of one limit say: `q`, `w`, `r`.
pub(super) fn of(answer: &Answer, name: &str) -> (u64, u64, u64) {
    let (policies, standings) = limits(answer);
    let policy = &policies[name];
    let (quota, window) = (number(policy, "q"), number(policy, "w"));
    (quota, window, number(&standings[name], "r"))
}

pub(super) fn are_told(answer: &Answer) -> bool {
    let is_told = answer.headers.contains_key("ratelimit");
    let policies_are = answer.headers.contains_key("ratelimit-policy");
    assert_eq!(is_told, policies_are);
    is_told
}

fn members(answer: &Answer, header: &str) -> Members {
    let value = answer.headers.get(header).expect(header);
    let value = value.to_str().expect("ASCII");
    value.split(", ").map(member).collect()
}

fn member(text: &str) -> (String, BTreeMap<String, String>) {
    let mut parts = text.split(';');
    let name = parts.next().and_then(|it| it.strip_prefix('"'));
    let name = name.and_then(|it| it.strip_suffix('"')).expect(text);
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=').expect(text);
        (name.to_owned(), value.to_owned())
    };
    (name.to_owned(), parts.map(parameter).collect())
}
