//! A request from deep in the guest's stack: what the host does for it has room of its own.

use super::allowed::end;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_deep_in_the_stack_is_answered_and_one_from_too_deep_is_a_trap() {
    let upstream = Upstream::https().await;
    let courier = Courier::at_home(&upstream).await;
    let request = get(format!("https://{}/v1", upstream.host()));
    let from = async |depth: u32| {
        let input = json!({"request": request, "depth": depth});
        let outcome = courier.run("send-from", input).await;
        match end(&outcome).as_str() {
            "answered" => true,
            "trap" => false,
            other => panic!("from {depth} calls deep: {other}, {outcome:?}"),
        }
    };
    let (mut deep, mut too_deep) = (1, 1 << 20);
    assert!(from(deep).await && !from(too_deep).await);
    while too_deep - deep > too_deep / 100 {
        let between = deep + (too_deep - deep) / 2;
        match from(between).await {
            true => deep = between,
            false => too_deep = between,
        }
    }
    assert!(deep > 1000, "{deep} calls");
    let before = upstream.seen().len();
    assert!(from(too_deep / 10 * 9).await, "at 90 % of {too_deep} calls");
    assert_eq!(upstream.seen().len(), before + 1);
    // The process is as it was.
    let answer = courier.send(request.clone()).await;
    assert_eq!(answer.expect("an answer")["status"], 200);
}
