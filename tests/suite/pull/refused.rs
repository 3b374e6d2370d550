//! What stops a pull, and what it says then: wrong keys, wrong servers, wrong names, full disks, damaged files. A file that is
//! not right never takes its name.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::world::{DAYS, World, files, pull};
use crate::pitlake_binary::{Lake, Ran, on_every_store, sha256};

on_every_store!(
    a_key_is_needed_and_goes_to_the_server_alone,
    a_full_disk_is_told,
    bytes_that_are_not_the_listed_ones_are_refused
);

fn run(command: &mut Command) -> Ran {
    Ran::of(command.spawn().expect("the program starts"))
}

/// Greeks of SPY from `url`.
fn greeks(url: &str, to: &Path) -> Command {
    let mut command = pull(url, to);
    command.args(["--dataset", "greeks", "--symbol", "SPY"]);
    command
}

fn a_key_is_needed_and_goes_to_the_server_alone(lake: &Lake) {
    let world = World::over(lake.another());
    let made = world.lake.run(&["keys", "create", "--json", "--name", "desk", "--scope", "read"]).ends(0).json();
    let key = made["key"].as_str().expect("a key");
    // A server of its own: the other one may still remember that there was no key.
    let fresh = World { server: crate::server::Server::over(&world.lake), ..world };
    let url = fresh.server.url.clone();
    let to = fresh.to();
    let ran = run(&mut greeks(&url, &to)).ends(1);
    assert!(ran.stderr.contains("PITLAKE_KEY"), "{}", ran.stderr);
    let ran = run(greeks(&url, &to).args(["--key", "2b0f9a64-7a3d-4c1e-9d7b-0f2f6c1f8a11"])).ends(1);
    assert!(ran.stderr.contains("not known"), "{}", ran.stderr);
    let ran = run(greeks(&url, &to).args(["--key", "secret"])).ends(2);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    assert!(!to.exists(), "nothing was begun");
    run(greeks(&url, &to).env("PITLAKE_KEY", key)).ends(0);
    fresh.holds(&["greeks"]);
}

#[test]
fn a_presigned_url_never_hears_the_key() {
    let world = World::over(Lake::in_bucket());
    let made = world.lake.run(&["keys", "create", "--json", "--name", "desk", "--scope", "read"]).ends(0).json();
    let key = made["key"].as_str().expect("a key");
    let mut command = world.lake.command(&[]);
    command.env("AWS_ENDPOINT_URL", &world.dam.url).env("AWS_ENDPOINT_URL_S3", &world.dam.url);
    let server = crate::server::Server::run(command, &[]);
    run(greeks(&server.url, &world.to()).args(["--key", key])).ends(0);
    world.holds(&["greeks"]);
    let asked = world.dam.asked();
    assert!(asked.contains("X-Amz-Signature="), "the files came by presigned URLs");
    assert!(!asked.contains(key) && !asked.to_lowercase().contains("x-api-key"));
}

fn a_full_disk_is_told(lake: &Lake) {
    let world = World::over(lake.another());
    let path = format!("greeks/symbol=SPY/date={}/part-0.parquet", DAYS[0]);
    let partial = format!(".part-0.parquet.{}.partial", &sha256(&world.stored(&["greeks"])[&path])[..16]);
    let place = world.to().join(&path).with_file_name(partial);
    std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", &place).expect("a link");
    let ran = world.pull(&[]).ends(1);
    assert!(ran.stderr.contains("no room is left"), "{}", ran.stderr);
    assert!(!world.to().join(&path).exists());
    std::fs::remove_file(place).expect("room");
    world.pull(&[]).ends(0);
    world.holds(&["greeks"]);
}

/// Somebody overwrote a file of the lake; its record still says what it should be.
fn bytes_that_are_not_the_listed_ones_are_refused(lake: &Lake) {
    let world = World::over(lake.another());
    let path = format!("greeks/symbol=SPY/date={}/part-0.parquet", DAYS[2]);
    let mut bytes = world.lake.get(&path).to_vec();
    bytes[1000] ^= 1;
    world.lake.plant(&path, bytes);
    let ran = world.pull(&[]).ends(1);
    assert_eq!((&ran.json()["downloaded"], &ran.json()["failed"]), (&json!(4), &json!(1)), "{}", ran.stdout);
    assert!(ran.stderr.contains(&path), "{}", ran.stderr);
    assert!(!files(&world.to()).contains_key(&path), "it never took its name");
}

#[test]
fn wrong_names_are_told() {
    let world = World::over(Lake::in_folder());
    let to = world.to();
    let ask = |dataset: &str, symbol: &str, more: &[&str]| {
        run(pull(&world.url, &to).args(["--dataset", dataset, "--symbol", symbol]).args(more))
    };
    let ran = ask("greek", "SPY", &[]).ends(1);
    assert!(ran.stderr.contains("no dataset 'greek'") && ran.stderr.contains("/api/v1/datasets"), "{}", ran.stderr);
    let ran = ask("greeks", "NOSUCH", &[]).ends(1);
    assert!(ran.stderr.contains("NOSUCH is not known"), "{}", ran.stderr);
    ask("greeks", "SPY", &["--start", "2025-01-15", "--end", "2025-01-14"]).ends(2);
    ask("greeks", "SPY", &["--start", "yesterday"]).ends(2);
    ask("greeks", "SPY", &["--parallel", "0"]).ends(2);
    assert!(!to.exists(), "nothing was begun");
    let ran = ask("greeks", "DIA", &[]).ends(0);
    assert!(ran.stderr.contains("no greeks of DIA"), "{}", ran.stderr);
    run(pitlake_without_server().args(["--to"]).arg(&to)).ends(2);
}

fn pitlake_without_server() -> Command {
    let mut command = crate::pitlake_binary::pitlake();
    command.args(["pull", "--dataset", "greeks", "--symbol", "SPY"]);
    command
}

#[test]
fn two_pulls_do_not_share_a_folder() {
    let world = World::over(Lake::in_folder());
    world.dam.hold_after(20_000);
    let mut first = world.spawn(&[]);
    assert!(world.dam.holds(&mut first));
    let ran = run(&mut greeks(&world.server.url, &world.to())).ends(1);
    assert!(ran.stderr.contains("another pitlake pull"), "{}", ran.stderr);
    world.dam.open();
    Ran::of(first).ends(0);
    world.holds(&["greeks"]);
}

/// A server that gives everybody this answer.
fn canned(head: &str, body: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4096];
            // One read takes the small request; whoever sends more is told the same.
            let _ = client.read(&mut request);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_is_no_pitlake_server_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("data");
    for (head, body) in [
        ("200 OK\r\nContent-Type: text/html", "<html>welcome</html>"),
        ("200 OK\r\nContent-Type: application/json", "{\"data\":[]}"),
        ("404 Not Found\r\nContent-Type: text/html", "<html>not here</html>"),
        ("302 Found\r\nLocation: http://127.0.0.1:9/", ""),
    ] {
        let ran = run(&mut greeks(&canned(head, body), &to)).ends(1);
        assert!(ran.stderr.contains("does not answer as a pitlake server"), "{head}: {}", ran.stderr);
    }
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("an address");
    let ran = run(&mut greeks(&format!("http://{free}"), &to)).ends(1);
    assert!(ran.stderr.contains("cannot be reached"), "{}", ran.stderr);
    run(&mut greeks("lake.example", &to)).ends(2);
    assert!(!to.exists());
}

/// A server that wants us to write where we were not asked to.
#[test]
fn no_server_chooses_where_we_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("data");
    let row = |path: &str| json!({"path": path, "url": "http://127.0.0.1:9/x", "bytes": 1, "rows": 1, "sha256": "ab".repeat(32), "revision": 1});
    let good = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";
    for rows in [
        vec![row("../../outside")],
        vec![row("/tmp/outside")],
        vec![row("greeks/symbol=../date=2025-01-15/part-0.parquet")],
        vec![row("greeks/symbol=QQQ/date=2025-01-15/part-0.parquet")],
        vec![row("greeks_by_minute/symbol=SPY/date=2025-01-15/part-0.parquet")],
        vec![row(good), row(good)],
    ] {
        let count = rows.len();
        let list: Value = json!({"symbol": "SPY", "dataset": "greeks", "until": "2025-01-15T00:00:00Z", "data": rows, "count": count});
        let url = canned("200 OK\r\nContent-Type: application/json", &list.to_string());
        let ran = run(&mut greeks(&url, &to)).ends(1);
        assert!(ran.stderr.contains("does not answer as a pitlake server"), "{list}: {}", ran.stderr);
    }
    assert!(!to.exists());
}
