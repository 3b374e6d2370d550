//! A post that comes again, by its key or by its content: before and after a restart, before and after sealing, at once.

use serde_json::json;

use super::listener::{Listener, counts, in_the_lake, numbered, segments};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(
    content_is_known_again_wherever_it_is,
    a_key_gets_the_same_answer_again,
    the_same_post_many_times_at_once_is_taken_once,
    a_spool_has_one_owner,
);

fn content_is_known_again_wherever_it_is(lake: &Lake) {
    lake.ingest_lines(&[numbered("SPY", 1)]);
    let listener = Listener::over(lake);
    let body = [1, 2, 3, 3].map(|number| numbered("SPY", number)).join("\n");
    assert_eq!(counts(&listener.post(body.clone()).ok()), [4, 2, 2, 0], "one ingested before, one said twice");
    assert_eq!(counts(&listener.post(body.clone()).ok()), [4, 0, 4, 0], "in the spool");
    listener.server.kill();
    let listener = Listener::over(lake);
    assert_eq!(counts(&listener.post(body.clone()).ok()), [4, 0, 4, 0], "after a crash");
    listener.until("sealed", |health| health["spool"]["segments"] == 0);
    assert_eq!(counts(&listener.post(body.clone()).ok()), [4, 0, 4, 0], "after sealing");
    assert!(segments(&listener.stop()).is_empty());
    let listener = Listener::over(lake);
    assert_eq!(counts(&listener.post(body).ok()), [4, 0, 4, 0], "in the lake, and nowhere else");
    assert_eq!(counts(&listener.post(numbered("QQQ", 1)).ok()), [1, 1, 0, 0], "another symbol's is another");
    let spaced = numbered("SPY", 2).replace("\"strike\":2", "\"strike\": 2");
    assert_eq!(counts(&listener.post(spaced).ok()), [1, 1, 0, 0], "other bytes are another document");
    listener.stop();
    lake.compact(&[]);
    lake.is_sound();
}

fn a_key_gets_the_same_answer_again(lake: &Lake) {
    let listener = Listener::over(lake);
    let key = [("idempotency-key", "minute-1432")];
    let body = format!("{}\noops\n", numbered("SPY", 1));
    let first = listener.post_with(body.clone(), &key).ok();
    assert_eq!(counts(&first), [1, 1, 0, 1]);
    let same = |listener: &Listener, when: &str| {
        assert_eq!(listener.post_with(body.clone(), &key).ok().json(), first.json(), "{when}");
        listener.post_with(numbered("SPY", 9), &key).problem(422, "idempotency-key-reused");
    };
    same(&listener, "at once");
    let refused = [("idempotency-key", "refused")];
    let problem = listener.post_with("oops", &refused).problem(422, "nothing-taken");
    assert_eq!(listener.post_with("oops", &refused).problem(422, "nothing-taken"), problem);
    listener.server.kill();
    let listener = Listener::over(lake);
    same(&listener, "after a crash");
    listener.until("sealed", |health| health["spool"]["segments"] == 0);
    same(&listener, "after sealing");
    listener.stop();
    let listener = Listener::over(lake);
    same(&listener, "after sealing and a restart");
    assert_eq!(counts(&listener.post(body.clone()).ok()), [1, 0, 1, 1], "without the key it is counted anew");
    let long = "k".repeat(256);
    for bad in ["", long.as_str()] {
        listener.post_with(body.clone(), &[("idempotency-key", bad)]).problem(400, "invalid-header");
    }
    listener.stop();
    assert_eq!(in_the_lake(lake).get(&1), Some(&1));
}

fn the_same_post_many_times_at_once_is_taken_once(lake: &Lake) {
    let listener = Listener::over(lake);
    for round in 0..5 {
        let body: Vec<String> = (0..40).map(|number| numbered("SPY", 1 + round * 40 + number)).collect();
        let body = body.join("\n");
        let rows: u64 = std::thread::scope(|scope| {
            let posts: Vec<_> = (0..8).map(|_| scope.spawn(|| counts(&listener.post(body.clone()).ok()))).collect();
            let answers = posts.into_iter().map(|post| post.join().expect("an answer"));
            answers
                .map(|[documents, rows, duplicates, _]| {
                    assert_eq!((documents, rows + duplicates), (40, 40));
                    rows
                })
                .sum()
        });
        assert_eq!(rows, 40, "each row is new once");
    }
    listener.stop();
    let found = in_the_lake(lake);
    assert_eq!((found.len(), found.values().sum::<usize>()), (200, 200));
}

fn a_spool_has_one_owner(lake: &Lake) {
    let listener = Listener::over(lake);
    let spool = listener.spool.to_str().expect("UTF-8").to_owned();
    let second = lake.run(&["capture", "listen", "--listen", "127.0.0.1:0", "--spool", &spool]).ends(1);
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    assert_eq!(counts(&listener.post(numbered("SPY", 1)).ok()), [1, 1, 0, 0]);
    assert_eq!(listener.health()["spool"]["documents"], json!(1));
}
