//! The command line's manners: exit codes, what it says when it is used wrongly, keys, the calendar, a reader that hangs up,
//! a port in use, and the demo.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, Ran, on_every_store, pitlake};

on_every_store!(keys_are_made_listed_and_revoked, a_lake_is_named_by_flag_by_environment_or_by_file);

fn run(arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    Ran::of(pitlake().args(arguments).current_dir(folder.path()).spawn().expect("the program starts"))
}

#[test]
fn help_and_version_are_good() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["ingest", "--help"],
        &["ingest", "greeks", "-h"],
        &["keys", "create", "--help"],
        &["help", "compact"],
    ] {
        let ran = run(arguments).ends(0);
        assert!(ran.stdout.contains("Usage: pitlake"), "{arguments:?}: {}", ran.stdout);
    }
    let all = run(&["--help"]).stdout;
    let commands = "demo ingest compact serve generate verify status prove pull changes ddl keys calendar bench";
    for command in commands.split(' ') {
        assert!(all.contains(command), "{command} is not in the help");
    }
    let version = format!("pitlake {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).ends(0).stdout, version);
}

#[test]
fn wrong_usage_is_2_and_says_what_is_wrong() {
    for (arguments, says) in [
        (&[][..], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["compact", "--frobnicate"], "--frobnicate"),
        (&["ingest"], "Usage"),
        (&["ingest", "greeks"], "FILE"),
        (&["ingest", "tea", "x"], "tea"),
        (&["compact", "tea"], "tea"),
        (&["compact", "--date", "2025-02-30"], "2025-02-30"),
        (&["compact", "--date", "2025-01-15", "--since", "2025-01-15"], "--since"),
        (&["compact", "--symbol", "spy"], "capitals"),
        (&["compact", "--memory", "1"], "--memory"),
        (&["generate", "greeks"], "--out"),
        (&["generate", "greeks", "--out", "x", "--truth", "y"], "--defects"),
        (&["calendar", "SPY", "--start", "2025-01-01"], "--end"),
        (&["keys", "create", "--name", "x"], "--scope"),
        (&["keys", "create", "--name", "x", "--scope", "root"], "root"),
        (&["ingest", "chains", "x", "--at", "2025-01-15T10:00:00"], "zone"),
        (&["ingest", "chains", "x", "--spot", "0"], "--spot"),
        (&["ingest", "chains", "x", "--format", "xml"], "plain-csv"),
        // A lake is needed and none was named.
        (&["compact"], "no lake was named"),
        (&["verify"], "--lake"),
        (&["serve"], "PITLAKE_LAKE"),
        (&["keys", "list"], "pitlake.toml"),
        (&["ingest", "greeks", "x"], "no lake was named"),
        (&["--config", "no/such.toml", "compact"], "no/such.toml"),
    ] {
        let ran = run(arguments).ends(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{arguments:?}: {}", ran.stdout);
    }
}

#[test]
fn a_lake_that_cannot_be_is_told() {
    for (root, says) in
        [("gs://bucket/lake", "s3://"), ("http://host/lake", "s3://"), ("s3://", "bucket"), ("", "lake")]
    {
        let ran = run(&["--lake", root, "compact"]);
        assert!(matches!(ran.code, Some(1 | 2)), "{root}: {ran:?}");
        assert!(ran.stderr.contains(says), "{root}: {}", ran.stderr);
    }
}

fn a_lake_is_named_by_flag_by_environment_or_by_file(lake: &Lake) {
    let root = lake.root();
    let bare = |arguments: &[&str]| {
        let mut command = lake.command(arguments);
        command.env_remove("PITLAKE_LAKE");
        Ran::of(command.spawn().expect("the program starts"))
    };
    bare(&["compact"]).ends(2);
    bare(&["--lake", &root, "compact"]).ends(0);
    bare(&["compact", "--lake", &root]).ends(0);
    lake.file("pitlake.toml", format!("lake = \"{root}\"\n"));
    bare(&["compact"]).ends(0);
    lake.file("pitlake.toml", "lake = \"x\"\ncolour = \"red\"\n");
    let ran = bare(&["compact"]).ends(2);
    assert!(ran.stderr.contains("colour"), "{}", ran.stderr);
}

#[test]
fn the_calendar_says_when_and_why_not() {
    // New York's calendar: a holiday, a half day, the clocks going forward.
    let lines =
        run(&["calendar", "SPY", "--start", "2025-07-03", "--end", "2025-07-06", "--json"]).ends(0).json_lines();
    let told: Vec<(&Value, &Value, &Value)> =
        lines.iter().map(|line| (&line["date"], &line["minutes"], &line["closed"])).collect();
    let null = Value::Null;
    assert_eq!(
        told,
        [
            (&json!("2025-07-03"), &json!(210), &null),
            (&json!("2025-07-04"), &null, &json!("Independence Day")),
            (&json!("2025-07-05"), &null, &json!("weekend")),
            (&json!("2025-07-06"), &null, &json!("weekend")),
        ]
    );
    assert_eq!(
        (&lines[0]["open"], &lines[0]["close"]),
        (&json!("2025-07-03T13:30:00Z"), &json!("2025-07-03T17:00:00Z"))
    );
    let text = run(&["calendar", "SPY", "--start", "2025-03-07", "--end", "2025-03-10"]).ends(0).stdout;
    assert!(text.contains("2025-03-07T14:30:00Z") && text.contains("2025-03-10T13:30:00Z"), "{text}");
    let ran = run(&["calendar", "NOSUCH", "--start", "2025-03-07", "--end", "2025-03-10"]).ends(1);
    assert!(ran.stderr.contains("_config/instruments.toml"), "{}", ran.stderr);
    let ran = run(&["calendar", "SPY", "--start", "2025-03-10", "--end", "2025-03-07"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("swap"), "{ran:?}");
}

fn keys_are_made_listed_and_revoked(lake: &Lake) {
    assert!(lake.run(&["keys", "list"]).ends(0).stdout.contains("never had a key"));
    let made = lake
        .run(&[
            "keys",
            "create",
            "--name",
            "desk",
            "--scope",
            "read,capture",
            "--dataset",
            "greeks",
            "--symbol",
            "SPY",
            "--symbol",
            "QQQ",
            "--json",
        ])
        .ends(0)
        .json();
    let key = made["key"].as_str().expect("a key");
    assert_eq!(key.len(), 36, "a UUID");
    let plain = lake.run(&["keys", "create", "--name", "second", "--scope", "admin"]).ends(0).stdout;
    assert_eq!(plain.lines().next().map(str::len), Some(36), "the first line is the key alone: {plain}");

    let listed = lake.run(&["keys", "list", "--json"]).ends(0).json_lines();
    assert_eq!(listed.len(), 2);
    let desk = &listed[0];
    assert_eq!((&desk["name"], &desk["scopes"]), (&json!("desk"), &json!(["read", "capture"])));
    assert_eq!((&desk["datasets"], &desk["symbols"]), (&json!(["greeks"]), &json!(["QQQ", "SPY"])));
    assert_eq!((&desk["id"], &desk["revoked_at"]), (&made["id"], &Value::Null));
    let stored = lake.get("_config/keys.json");
    let stored = String::from_utf8_lossy(&stored);
    assert!(!stored.contains(key) && !stored.contains(&key.replace('-', "")), "only a hash is kept");
    assert!(!lake.run(&["keys", "list"]).ends(0).stdout.contains(key));

    let id = made["id"].as_str().expect("an id");
    lake.run(&["keys", "revoke", id]).ends(0);
    let listed = lake.run(&["keys", "list", "--json"]).ends(0).json_lines();
    assert!(listed[0]["revoked_at"].is_string() && listed[1]["revoked_at"].is_null(), "{listed:?}");
    let ran = lake.run(&["keys", "revoke", "k00000000"]).ends(1);
    assert!(ran.stderr.contains("k00000000"), "{}", ran.stderr);
    lake.is_sound();
}

/// A reader that has enough after one line and goes away.
fn first_line(command: &mut Command) -> (String, Ran) {
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    drop(stdout);
    (line, Ran::of(child))
}

#[test]
fn a_reader_that_hangs_up_is_no_failure() {
    let (line, ran) = first_line(pitlake().args(["generate", "greeks", "--out", "-"]));
    assert!(serde_json::from_str::<Value>(&line).is_ok_and(|line| line["symbol"] == "SPY"));
    let ran = ran.ends(0);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    let (line, ran) = first_line(pitlake().args(["calendar", "SPY", "--start", "1990-01-01", "--end", "2199-01-01"]));
    assert!(line.starts_with("1990-01-01"), "{line}");
    assert!(ran.ends(0).stderr.is_empty());
}

#[test]
fn a_generated_day_is_the_same_every_time() {
    let small =
        ["generate", "greeks", "--expirations", "2", "--strikes", "5", "--minutes", "3", "--seed", "11", "--out", "-"];
    let first = run(&small).ends(0).stdout;
    assert_eq!(first.lines().count(), 6);
    assert_eq!(first, run(&small).ends(0).stdout);
    let ran = run(&["generate", "greeks", "--date", "2025-01-18", "--out", "-"]).ends(1);
    assert!(ran.stderr.contains("2025-01-21"), "the next session, after a holiday: {}", ran.stderr);
}

/// A child that ends when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_in_use_is_told() {
    let lake = Lake::in_folder();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ran = lake.run(&["serve", "--listen", &address]).ends(1);
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("in use"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "no address is printed that nobody answers at: {}", ran.stdout);
    let ran = lake.run(&["serve", "--listen", "nonsense"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("nonsense"), "{ran:?}");
}

#[test]
fn the_first_line_of_serve_is_its_address() {
    let lake = Lake::in_folder();
    let mut command = lake.command(&["serve", "--listen", "127.0.0.1:0", "--cache-dir", "cache"]);
    let mut served = Running(command.stderr(Stdio::null()).spawn().expect("the server starts"));
    let mut line = String::new();
    BufReader::new(served.0.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    let port = line.strip_prefix("http://127.0.0.1:").and_then(|port| port.strip_suffix('\n')?.parse::<u16>().ok());
    assert!(port.is_some_and(|port| port > 0), "{line:?}");
    assert_eq!(reqwest::blocking::get(format!("{}/health", line.trim())).expect("an answer").status(), 200);
}

/// Starts the demo in `folder` on a port that is taken, so that it takes another; gives what it printed until its last
/// word, and the demo itself.
fn demo(folder: &std::path::Path, taken: &str) -> (Vec<String>, Running) {
    let mut command = pitlake();
    command.args(["demo", "--listen", taken, "--cache-dir", "cache"]).current_dir(folder).stderr(Stdio::null());
    let mut demo = Running(command.spawn().expect("the demo starts"));
    let mut lines = Vec::new();
    for line in BufReader::new(demo.0.stdout.as_mut().expect("a pipe")).lines() {
        lines.push(line.expect("a line"));
        if lines.last().is_some_and(|line| line.contains("Ctrl-C")) {
            break;
        }
    }
    (lines, demo)
}

#[test]
fn the_demo_reuses_its_lake() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-data");
    let samples = std::fs::read_dir(sample).expect("sample-data").filter_map(|entry| entry.ok()?.metadata().ok());
    if samples.filter(|file| file.len() > 1000).count() < 2 {
        println!("skipped: sample-data/ has not been made");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();

    let (first, running) = demo(folder.path(), &address);
    assert!(first.iter().any(|line| line.contains(&address) && line.contains("in use")), "{first:?}");
    drop(running);
    let lake_folder = folder.path().join("pitlake-demo");
    let data = |name: &str| std::fs::read(lake_folder.join(name)).expect("a partition");
    let before = data("greeks/symbol=SPY/date=2025-01-15/part-0.parquet");

    let (second, running) = demo(folder.path(), &address);
    assert!(second.iter().any(|line| line.contains("0 captures new, 0 rows new")), "{second:?}");
    assert!(data("greeks/symbol=SPY/date=2025-01-15/part-0.parquet") == before);
    // The calls that it prints work as pasted.
    let calls: Vec<&String> = second.iter().filter(|line| line.trim_start().starts_with("curl")).collect();
    assert_eq!(calls.len(), 12, "{second:?}");
    for call in calls {
        let url = call.split('\'').nth(1).expect("a URL in quotes");
        let mut answer = reqwest::blocking::get(url).expect("an answer");
        assert_eq!(answer.status(), 200, "{call}");
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes).expect("a body");
        assert!(bytes.len() > 100, "{call}: {} bytes", bytes.len());
    }
    drop(running);
    let root = lake_folder.to_str().expect("UTF-8");
    run(&["--lake", root, "verify"]).ends(0);
}
