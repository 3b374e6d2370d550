//! Profiles against the bars that stand in the lake now: bars that began anew, that allow no profile, are damaged or gone. What is
//! answered is either of these bars or not there at all.

use serde_json::{Value, json};

use super::tables::{BARS, DAY, INSTRUMENT, filled, take};
use crate::pitlake_binary::Lake;
use crate::server::Server;

/// Removes the objects of a lake in a folder that `which` picks by their keys.
fn remove(lake: &Lake, which: impl Fn(&str) -> bool) {
    let keys: Vec<String> = lake.objects().into_keys().filter(|key| which(key)).collect();
    assert!(!keys.is_empty());
    let root = lake.root();
    let folder = std::path::Path::new(root.strip_prefix("file://").expect("a lake in a folder"));
    for key in keys {
        std::fs::remove_file(folder.join(key)).expect("an object");
    }
}

fn rows(lake: &Lake, dataset: &str) -> Value {
    let manifest: Value =
        serde_json::from_slice(&lake.get(&format!("_manifest/{dataset}/symbol=TEST/2025.json"))).expect("a manifest");
    manifest["rows"].clone()
}

#[test]
fn bars_that_begin_anew_give_the_current_profile() {
    let lake = Lake::in_folder();
    filled(&lake);
    take(&lake, "second.csv", "timestamp,open,high,low,close,volume\n2025-01-15 10:30,105,107,103,104,30\n");
    remove(&lake, |key| key.contains("bars"));
    take(&lake, "anew.csv", &BARS.replace("10:30,105,105", "10:30,105,108"));
    let server = Server::over(&lake);
    let now = server.get(DAY).ok().json();
    assert_eq!((&now["revision"], &now["session_high"]), (&json!(1), &json!(108.0)));
    let before = server.get(&format!("{DAY}?version=tpo-1&revision=2")).ok().json();
    assert_eq!(before["session_high"], 107.0);
    assert_eq!(lake.run(&["recalculate", "--stale", "--json"]).ends(0).json()["stale"], 0);
    lake.is_sound();
}

#[test]
fn bars_that_allow_no_profile_take_the_old_one_away_and_say_so_once() {
    let lake = Lake::in_folder();
    filled(&lake);
    // From a quarter to four to a quarter past: over the close of the day session, and from one half-hour into the next.
    let coarse = "timestamp,open,high,low,close,volume\n2025-01-15 15:45,105,105,103,104,30\n";
    let file = lake.file("coarse.csv", coarse);
    let arguments = ["ingest", "bars", "--symbol", "TEST", "--tz", "America/New_York", "--interval", "30m", "--json"];
    lake.run(&[&arguments[..], &[&file]].concat()).ends(0);
    let told = lake.run(&["compact", "bars", "--json"]).ends(0).stderr;
    assert!(told.contains("TEST 2025-01-15 has no rth profile: bars_too_coarse"), "{told}");
    lake.run(&["compact", "bars", "--json"]).ends(0);
    let quiet = lake.run(&["compact", "profiles", "--json"]).ends(0);
    assert_eq!(quiet.json_lines(), Vec::<Value>::new(), "it is not computed again");

    let server = Server::over(&lake);
    let problem = server.get(DAY).problem(404, "missing-day");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("bars_too_coarse")), "{problem}");
    server.get("/api/v1/tpo/TEST/range?start=2025-01-15&end=2025-01-15").problem(404, "missing-day");
    assert_eq!(server.get(&format!("{DAY}?session=overnight")).ok().json()["revision"], 2);
    let before = server.get(&format!("{DAY}?version=tpo-1&revision=1")).ok().json();
    assert_eq!(before["session_high"], 106.0);
    lake.is_sound();
}

#[test]
fn a_damaged_day_stops_no_other_day() {
    let lake = Lake::in_folder();
    lake.plant("_config/instruments.toml", INSTRUMENT);
    take(&lake, "bars.csv", &format!("{BARS}2025-01-14 10:00,90,91,89,90,3\n2025-01-16 10:00,90,91,89,90,3\n"));
    remove(&lake, |key| key.contains("profiles"));
    let damaged = lake.objects().into_keys().find(|key| key.starts_with("bars/") && key.contains("2025-01-14"));
    let damaged = damaged.expect("a day of bars");
    let whole = lake.get(&damaged);
    lake.plant(&damaged, whole.slice(..whole.len() / 2));
    let told = lake.run(&["compact", "profiles", "--json"]).ends(1).stderr;
    assert!(told.contains("2025-01-14"), "{told}");
    let server = Server::over(&lake);
    assert_eq!(server.get(DAY).ok().json()["session_high"], 106.0);
    server.get("/api/v1/tpo/TEST/2025-01-16").ok();
    server.get("/api/v1/tpo/TEST/2025-01-14").problem(404, "missing-day");
    lake.plant(&damaged, whole);
    lake.run(&["compact", "profiles"]).ends(0);
    Server::over(&lake).get("/api/v1/tpo/TEST/2025-01-14").ok();
}

#[test]
fn rows_without_session_or_bars_go_to_the_history() {
    let lake = Lake::in_folder();
    filled(&lake);
    lake.plant("_config/instruments.toml", INSTRUMENT.replace("overnight = \"18:00-09:30\", ", ""));
    lake.run(&["compact", "profiles"]).ends(0);
    assert_eq!((rows(&lake, "profiles"), rows(&lake, "profiles_history")), (json!(2), json!(1)));
    assert_eq!(lake.run(&["compact", "profiles", "--json"]).ends(0).json_lines(), Vec::<Value>::new());

    const INDEX: &str = "_manifest/bars/symbol=TEST/2025.json";
    remove(&lake, |key| key.contains("bars/") && key.contains("2025-01-15"));
    let mut index: Value = serde_json::from_slice(&lake.get(INDEX)).expect("an index");
    index["days"] = json!([]);
    lake.plant(INDEX, index.to_string());
    lake.run(&["compact", "profiles"]).ends(0);
    assert_eq!((rows(&lake, "profiles"), rows(&lake, "profiles_history")), (json!(0), json!(3)));
    Server::over(&lake).get(DAY).problem(404, "missing-day");
}

#[test]
fn the_tag_of_a_range_tells_sessions_apart() {
    let lake = Lake::in_folder();
    filled(&lake);
    let range = "/api/v1/tpo/TEST/range?start=2025-01-15&end=2025-01-15";
    let (of_range, of_day) = {
        let server = Server::over(&lake);
        (server.get(range).ok().header("etag").to_owned(), server.get(DAY).ok().header("etag").to_owned())
    };
    lake.plant(
        "_config/instruments.toml",
        INSTRUMENT.replace("default_session = \"rth\"", "default_session = \"full\""),
    );
    let server = Server::over(&lake);
    for (path, tag) in [(range, &of_range), (DAY, &of_day)] {
        let reply = server.get_with(path, &[("if-none-match", tag)]);
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[test]
fn a_time_to_come_is_refused_and_midnight_is_the_close() {
    let lake = Lake::in_folder();
    let server = Server::over(&lake);
    let problem = server.get("/api/v1/tpo/BTC-USD/2090-01-11?at=10:00").problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "at");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("future")), "{problem}");
    server.get("/api/v1/tpo/BTC-USD/2025-01-15?at=00:00").problem(404, "missing-day");
}

#[test]
fn a_version_needs_the_right_to_the_history() {
    let lake = Lake::in_folder();
    filled(&lake);
    let key = |name: &str, datasets: &[&str]| {
        let mut arguments = vec!["keys", "create", "--name", name, "--scope", "read", "--json"];
        datasets.iter().for_each(|dataset| arguments.extend(["--dataset", dataset]));
        lake.run(&arguments).ends(0).json()["key"].as_str().expect("a key").to_owned()
    };
    let (current, both) = (key("current", &["profiles"]), key("both", &["profiles", "profiles_history"]));
    let server = Server::over(&lake);
    let range = "/api/v1/tpo/TEST/range?start=2025-01-15&end=2025-01-15";
    for (path, query) in [(DAY, "?version=tpo-1"), (range, "&version=tpo-1")] {
        let with = |path: &str, key: &str| server.get_with(path, &[("x-api-key", key)]).status;
        assert_eq!((with(path, &current), with(path, &both)), (200, 200));
        let path = format!("{path}{query}");
        assert_eq!((with(&path, &current), with(&path, &both)), (403, 200), "{path}");
    }
}
