//! `pitlake pull` from outside: the real program against the real server, over a lake in a folder and one in a bucket. However
//! it is interrupted, in the end every file is the lake's own, byte for byte.

mod dam;
mod interrupted;
mod refused;
mod world;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, Ran, on_every_store};
use world::{DAYS, World, files};

on_every_store!(
    a_span_arrives_and_then_nothing_moves,
    several_datasets_at_once,
    what_is_wrong_on_disk_is_brought_again,
    a_newer_revision_replaces_the_older,
    a_mirror_follows,
);

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn sums(files: usize, downloaded: usize, bytes: usize) -> Value {
    json!({"files": files, "downloaded": downloaded, "unchanged": files - downloaded, "bytes": bytes, "failed": 0})
}

fn a_span_arrives_and_then_nothing_moves(lake: &Lake) {
    let _ = lake;
    let world = World::over(lake.another());
    let stored = world.stored(&["greeks"]);
    let size = |days: &[&str]| -> usize {
        let of = |day: &&str| stored[&format!("greeks/symbol=SPY/date={day}/part-0.parquet")].len();
        days.iter().map(of).sum()
    };
    let span = ["--start", DAYS[1], "--end", DAYS[2]];
    let lines = world.pull(&span).ends(0).json_lines();
    assert_eq!(lines.len(), 3, "a line a file, then the sums");
    assert_eq!(lines[2], sums(2, 2, size(&DAYS[1..=2])));
    for line in &lines[..2] {
        assert_eq!(line["sha256"], crate::pitlake_binary::sha256(&stored[text(&line["path"])]));
    }
    assert_eq!(files(&world.to()).len(), 2);
    assert_eq!(world.pull(&span).ends(0).json(), sums(2, 0, 0));
    // A wider span brings the rest; what lies outside a narrower one stays.
    assert_eq!(world.pull(&[]).ends(0).json(), sums(5, 3, size(&DAYS) - size(&DAYS[1..=2])));
    world.holds(&["greeks"]);
    assert_eq!(world.pull(&span).ends(0).json(), sums(2, 0, 0));
    world.holds(&["greeks"]);
    // Without what it remembered it looks, and still moves nothing.
    std::fs::remove_file(world.to().join(".pitlake-pull.json")).expect("remembered");
    assert_eq!(world.pull(&[]).ends(0).json(), sums(5, 0, 0));
}

fn several_datasets_at_once(lake: &Lake) {
    let world = World::over(lake.another());
    let all = ["greeks", "greeks_by_minute", "greeks_by_day"];
    let more = ["--dataset", all[1], "--dataset", all[2], "--dataset", all[1], "--parallel", "8"];
    assert_eq!(world.pull(&more).ends(0).json()["downloaded"], 11);
    world.holds(&all);
}

fn what_is_wrong_on_disk_is_brought_again(lake: &Lake) {
    let world = World::over(lake.another());
    world.pull(&[]).ends(0);
    let path = |day: &str| world.to().join(format!("greeks/symbol=SPY/date={day}/part-0.parquet"));
    let whole = std::fs::read(path(DAYS[0])).expect("a file");
    std::fs::write(path(DAYS[0]), &whole[..whole.len() / 2]).expect("written");
    std::fs::remove_file(path(DAYS[1])).expect("removed");
    // One byte, and the times set back: only a look inside finds it.
    let mut flipped = std::fs::read(path(DAYS[2])).expect("a file");
    let before = std::fs::metadata(path(DAYS[2])).and_then(|found| found.modified()).expect("a time");
    flipped[1000] ^= 1;
    std::fs::write(path(DAYS[2]), flipped).expect("written");
    let file = std::fs::File::options().append(true).open(path(DAYS[2])).expect("a file");
    file.set_modified(before).expect("a time");
    assert_eq!(world.pull(&[]).ends(0).json()["downloaded"], 2);
    assert_eq!(world.pull(&["--verify"]).ends(0).json()["downloaded"], 1);
    world.holds(&["greeks"]);
}

fn a_newer_revision_replaces_the_older(lake: &Lake) {
    let world = World::over(lake.another());
    world.pull(&[]).ends(0);
    world.correct();
    let server = crate::server::Server::over(&world.lake);
    let mut again = world::pull(&server.url, &world.to());
    let again = again.args(["--dataset", "greeks", "--symbol", "SPY", "--json"]).spawn().expect("the program starts");
    let lines = Ran::of(again).ends(0).json_lines();
    assert_eq!(lines.last().expect("the sums")["downloaded"], 5);
    assert!(lines[..5].iter().all(|line| line["revision"] == 2), "{lines:?}");
    world.holds(&["greeks"]);
}

/// Lines of a child's standard output until one for which `done`.
fn lines_until(child: &mut Child, mut done: impl FnMut(&Value) -> bool) -> BufReader<std::process::ChildStdout> {
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    read_until(&mut output, &mut done);
    output
}

fn read_until(output: &mut impl BufRead, done: &mut impl FnMut(&Value) -> bool) {
    loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).expect("a line"), 0, "it ended");
        if done(&serde_json::from_str(&line).expect("JSON")) {
            return;
        }
    }
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

fn a_mirror_follows(lake: &Lake) {
    let world = World::over(lake.another());
    let mut following = Running(world.spawn(&["--follow", "--every", "1"]));
    let mut seen = 0;
    let mut output = lines_until(&mut following.0, |_| {
        seen += 1;
        seen == 5
    });
    world.holds(&["greeks"]);
    world.correct();
    let mut corrected = 0;
    read_until(&mut output, &mut |line| {
        assert_eq!(line["revision"], 2, "{line}");
        corrected += 1;
        corrected == 5
    });
    world.holds(&["greeks"]);
    let stop = Command::new("sh").args(["-c", &format!("kill -TERM {}", following.0.id())]).status();
    assert!(stop.expect("a shell").success());
    let mut last = String::new();
    output.read_line(&mut last).expect("a line");
    let sums: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!((&sums["files"], &sums["downloaded"], &sums["failed"]), (&json!(5), &json!(10), &json!(0)), "{sums}");
    assert_eq!(following.0.wait().expect("an end").code(), Some(0));
}
