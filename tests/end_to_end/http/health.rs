//! Whether a server says that it takes work, and does not where it cannot.

use super::rows::AT_CAPACITY;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::Server;

/// What was found is good for a second.
const SOON: Duration = Duration::from_secs(10);

/// Makes a folder a file, which is nothing that anything can be kept in, also for root; and back.
fn unusable(folder: &Path, while_it_is: impl FnOnce()) {
    let aside = folder.with_extension("aside");
    fs::rename(folder, &aside).expect("moved");
    fs::write(folder, "a file").expect("written");
    while_it_is();
    fs::remove_file(folder).expect("removed");
    fs::rename(aside, folder).expect("moved back");
}

#[test]
fn a_server_is_ready_while_its_store_and_says_what_of_its_cache() {
    let server = Server::start();
    let stranger = server.caller("");
    let ready = || stranger.get("/readyz");
    let found = ready().expect(200);
    assert_eq!(
        (&found["status"], &found["compiled"]),
        (&"ok".into(), &"ok".into())
    );
    unusable(&server.data().join("compiled"), || {
        let is_said = holds_within(SOON, || ready().expect(200)["compiled"] == "unavailable");
        assert!(is_said, "{:?}", ready());
    });
    unusable(&server.data().join("tools"), || {
        let is_refused = holds_within(SOON, || ready().status != 200);
        assert!(is_refused, "{:?}", ready());
        AT_CAPACITY.is("tools that cannot be kept", ready());
        stranger.get("/healthz").expect(200);
    });
    let is_ready = holds_within(SOON, || {
        ready().status == 200 && ready().body["compiled"] == "ok"
    });
    assert!(is_ready, "{:?}", ready());
    for folder in ["tools", "compiled"] {
        let left = fs::read_dir(server.data().join(folder)).expect("a folder");
        let names = left.map(|entry| entry.expect("an entry").file_name());
        assert!(names.into_iter().all(|name| name != "check"), "{folder}");
    }
}

#[test]
fn many_who_ask_at_once_share_a_look() {
    let server = Server::start();
    let database = server.data().join("tollgate.db-wal");
    let written = || fs::metadata(&database).map_or(0, |it| it.len());
    server.caller("").get("/readyz").expect(200);
    let before = written();
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let stranger = server.caller("");
            std::thread::spawn(move || {
                for _ in 0..50 {
                    stranger.get("/readyz").expect(200);
                }
            })
        })
        .collect();
    for asks in asking {
        asks.join().expect("no panic");
    }
    // A look writes some pages; two hundred would be two hundred of them.
    let grown = written().saturating_sub(before);
    assert!(grown < 50 * 4096, "{grown} bytes were written");
}
