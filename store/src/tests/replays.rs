//! Answers that are kept for repeated requests.

use super::*;

#[tokio::test]
async fn answers_come_back_with_their_content_types_after_a_restart() {
    let opened = open().await;
    let made = org(&opened.store).await;
    let slot = |path: &str| Slot::new(made.owner, "POST", path, "once");
    let kept = |content_type: &str, text: &str| KeptAnswer {
        body_sha256: [1; 32],
        run: None,
        status: Some(201),
        location: None,
        body: Some(KeptBody {
            content_type: content_type.to_owned(),
            text: text.to_owned(),
        }),
        is_long: false,
        scope: None,
    };
    let none = KeptAnswer {
        body: None,
        is_long: false,
        scope: None,
        ..kept("", "")
    };
    let answers = [
        ("/json", kept("application/json", "{}")),
        ("/picture", kept("image/svg+xml", "<svg/>")),
        ("/none", none),
    ];
    for (path, answer) in &answers {
        let keeping = opened.store.keep_answer(slot(path), answer.clone()).await;
        keeping.expect("written");
    }
    opened.store.close().await;
    let store = open_in(&opened.folder).await.expect("opens");
    let hour_ago = Time::now().before(Duration::from_secs(3600));
    for (path, answer) in answers {
        let read = store.kept_answer(slot(path), hour_ago).await;
        assert_eq!(read.expect("read"), Some(answer), "{path}");
    }
}
