//! Lists of files and the files themselves: what is listed is what the lake holds, a URL opens its file and nothing else, and
//! a download that was cut can be continued.

use std::process::Command;

use serde_json::{Value, json};

use super::table::{FORMATS, read};
use crate::lake::{DAY, LARGE_DAY, World, filled, objects_in_bucket, over_every_lake};
use crate::pitlake_binary::{Lake, Ran, batches, sha256};
use crate::server::Server;

over_every_lake!(
    files_are_listed_as_they_are,
    files_of_a_span_and_of_years,
    files_in_every_format,
    every_url_gives_its_file,
    lists_refuse_what_they_cannot_read,
    lists_and_files_are_for_those_who_may,
    a_file_in_ranges_is_the_file,
    a_file_that_is_known_is_not_sent_again,
    what_has_no_file_is_a_404,
);

const SPY: &str = "/api/v1/greeks/SPY/files";
const FILE: &str = "/api/v1/greeks/SPY/files/2025-01-15";
const PARTITION: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn in_bucket(world: &World) -> bool {
    world.lake.server().is_some()
}

fn rows_in(bytes: bytes::Bytes) -> usize {
    batches(bytes).iter().map(|batch| batch.num_rows()).sum()
}

fn files_are_listed_as_they_are(world: &World) {
    for (dataset, cut) in [("greeks", "date"), ("greeks_by_minute", "date"), ("greeks_by_day", "year")] {
        let reply = world.server.get(&format!("/api/v1/{dataset}/SPY/files")).ok();
        assert!(reply.text().starts_with(&format!(r#"{{"symbol":"SPY","dataset":"{dataset}","until":"#)));
        assert_eq!(reply.header("cache-control"), "no-store");
        let listed = reply.data();
        let stored = world.lake.objects_under(&format!("{dataset}/symbol=SPY/"));
        assert_eq!(listed.len(), stored.len(), "{dataset}");
        for (row, (path, bytes)) in listed.iter().zip(stored) {
            assert_eq!(text(&row["path"]), path, "in order of time");
            assert_eq!(row["bytes"], bytes.len(), "{path}");
            assert_eq!(text(&row["sha256"]), sha256(&bytes), "{path}");
            assert_eq!(row["rows"], rows_in(bytes), "{path}");
            assert_eq!((&row["revision"], &row["condition"]), (&json!(1), &json!("available")), "{path}");
            assert!(path.contains(&format!("/{cut}={}/", row[cut].to_string().trim_matches('"'))), "{row}");
            assert_eq!(row["expires_at"].is_null(), !in_bucket(world), "{row}");
        }
    }
}

fn files_of_a_span_and_of_years(world: &World) {
    let dates = |query: &str| -> Vec<String> {
        let rows = world.server.get(&format!("{SPY}?{query}")).data();
        rows.iter().map(|row| text(&row["date"]).to_owned()).collect()
    };
    assert_eq!(dates("start=2024-11-04&end=2025-01-14"), ["2024-11-04", "2024-11-29", "2025-01-14"]);
    // A few days are read from the days' own manifests, more of them from the year's index.
    assert_eq!(dates("start=2025-01-13&end=2025-01-15"), ["2025-01-14", "2025-01-15"]);
    assert_eq!(dates("start=2025-01-08&end=2025-01-15"), ["2025-01-14", "2025-01-15"]);
    assert_eq!(dates("start=2024-11-29"), ["2024-11-29", "2025-01-14", "2025-01-15"]);
    assert_eq!(dates("end=2024-03-10"), ["2024-03-08"]);
    assert_eq!(dates("start=2025-01-18&end=2025-01-20"), [""; 0]);
    let years = world.server.get("/api/v1/greeks_by_day/SPY/files?start=2024-12-31&end=2024-12-31").data();
    assert_eq!(years.iter().map(|row| &row["year"]).collect::<Vec<_>>(), [2024]);
    let aliased = world.server.get("/api/v1/greeks/^SPX/files").data();
    assert_eq!(text(&aliased[0]["path"]), "greeks/symbol=SPX/date=2025-01-15/part-0.parquet");
    assert_eq!(world.server.get("/api/v1/greeks/DIA/files").data(), [] as [Value; 0], "known, and nothing stored");
}

fn files_in_every_format(world: &World) {
    let expected = ["date", "path", "url", "bytes", "rows", "sha256", "revision", "condition", "expires_at"];
    let without_signatures = |mut row: Value| {
        row["url"] = text(&row["url"]).split('?').next().into();
        row["expires_at"] = Value::Null;
        row
    };
    let json: Vec<Value> = world.server.get(SPY).data().into_iter().map(without_signatures).collect();
    for (format, kind) in FORMATS {
        let reply = world.server.get(&format!("{SPY}?format={format}")).ok();
        assert!(reply.header("content-type").starts_with(kind), "{format}");
        assert!(reply.header("pitlake-until").ends_with('Z'), "{format}");
        let table = read(format, &reply.body);
        assert_eq!(table.columns, expected, "{format}");
        assert_eq!(table.rows.into_iter().map(without_signatures).collect::<Vec<_>>(), json, "{format}");
    }
}

fn every_url_gives_its_file(world: &World) {
    for row in world.server.get(&format!("{SPY}?start=2024-11-01")).data() {
        // Plain curl, no key, nothing but the URL.
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--noproxy", "*", text(&row["url"])]);
        let got = curl.output().expect("curl");
        assert!(got.status.success(), "{row}");
        assert_eq!(sha256(&got.stdout), text(&row["sha256"]), "{row}");
    }
    if !in_bucket(world) {
        let row =
            &world.server.get_with(&format!("{SPY}?start={DAY}&end={DAY}"), &[("host", "localhost:1234")]).data()[0];
        assert_eq!(text(&row["url"]), format!("http://localhost:1234{FILE}"), "as the client named us");
    }
}

fn lists_refuse_what_they_cannot_read(world: &World) {
    for (query, parameter) in [
        ("start=2025-01-15&end=2025-01-14", "end"),
        ("start=yesterday", "start"),
        ("expires_in=59", "expires_in"),
        ("expires_in=604801", "expires_in"),
        ("expires_in=1h", "expires_in"),
        ("expires_in=-1", "expires_in"),
    ] {
        let problem = world.server.get(&format!("{SPY}?{query}")).problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{query}");
    }
    world.server.get(&format!("{SPY}?since=x")).problem(400, "unknown-parameter");
    world.server.get(&format!("{SPY}?start={DAY}&start={DAY}")).problem(400, "repeated-parameter");
    world.server.get("/api/v1/greeks/NOSUCH/files").problem(404, "unknown-symbol");
    world.server.get("/api/v1/nosuch/SPY/files").problem(404, "not-found");
    for period in ["2025", "2025-02-30", "latest"] {
        world.server.get(&format!("{SPY}/{period}")).problem(400, "invalid-parameter");
    }
    world.server.get(&format!("/api/v1/greeks_by_day/SPY/files/{DAY}")).problem(400, "invalid-parameter");
    world.server.get(&format!("{FILE}?format=csv")).problem(400, "unknown-parameter");
}

fn lists_and_files_are_for_those_who_may(world: &World) {
    let made = |more: &[&str]| {
        let made = world.lake.run(&[&["keys", "create", "--json", "--name", "desk"], more].concat()).ends(0).json();
        text(&made["key"]).to_owned()
    };
    let (all, minutes) = (made(&["--scope", "read"]), made(&["--scope", "read", "--dataset", "greeks_by_minute"]));
    let (qqq, capture) = (made(&["--scope", "read", "--symbol", "QQQ"]), made(&["--scope", "capture"]));
    let server = Server::over(&world.lake);
    for path in
        [SPY, FILE, "/api/v1/greeks/SPY/files/2025-01-17", "/api/v1/greeks/SPY/changes?since=2025-01-15T00:00:00Z"]
    {
        server.get(path).problem(401, "unauthorized");
        for key in [&minutes, &qqq, &capture] {
            server.get_with(path, &[("x-api-key", key)]).problem(403, "forbidden");
        }
    }
    for path in [SPY, FILE] {
        server.get_with(path, &[("x-api-key", &all)]).ok();
    }
    server.get_with("/api/v1/greeks_by_minute/SPY/files", &[("x-api-key", &minutes)]).ok();
}

fn a_file_in_ranges_is_the_file(world: &World) {
    let path = format!("{SPY}/{LARGE_DAY}");
    let whole = world.lake.get(&format!("greeks/symbol=SPY/date={LARGE_DAY}/part-0.parquet"));
    let size = whole.len();
    let reply = world.server.get(&path).ok();
    assert!(reply.body == whole);
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert_eq!(reply.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(reply.header("content-length"), size.to_string());
    assert_eq!(reply.header("etag"), format!("\"{}\"", sha256(&whole)));
    assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"greeks-SPY-{LARGE_DAY}.parquet\""));
    assert_eq!((reply.header("pitlake-revision"), reply.header("pitlake-condition")), ("1", "available"));
    for (asked, from, to) in [
        ("bytes=0-9".to_owned(), 0, 10),
        (format!("bytes={}-", size - 7), size - 7, size),
        ("bytes=-8".to_owned(), size - 8, size),
        (format!("bytes=1000-{}", size * 2), 1000, size),
        ("bytes=300000-300000".to_owned(), 300_000, 300_001),
    ] {
        let part = world.server.get_with(&path, &[("range", &asked)]);
        assert_eq!(part.status, 206, "{asked}: {}", part.header("content-type"));
        assert!(part.body == whole.slice(from..to), "{asked}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1), "{asked}");
        assert_eq!(part.header("content-length"), (to - from).to_string(), "{asked}");
        assert_eq!(part.header("etag"), reply.header("etag"));
    }
    for whole_instead in ["bytes=0-9,20-29", "rows=0-9", "bytes=9-0", "bytes=x"] {
        assert!(world.server.get_with(&path, &[("range", whole_instead)]).ok().body == whole, "{whole_instead}");
    }
    let beyond = world.server.get_with(&path, &[("range", &format!("bytes={size}-"))]);
    beyond.problem(416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    // If-Range: the part when the file is still that one, all of it when not.
    let tag = reply.header("etag").to_owned();
    let continued = world.server.get_with(&path, &[("range", "bytes=10-"), ("if-range", &tag)]);
    assert_eq!((continued.status, continued.body.len()), (206, size - 10));
    let anew = world.server.get_with(&path, &[("range", "bytes=10-"), ("if-range", "\"another\"")]);
    assert_eq!((anew.status, anew.body.len()), (200, size));
}

fn a_file_that_is_known_is_not_sent_again(world: &World) {
    let tag = world.server.get(FILE).ok().header("etag").to_owned();
    assert_eq!(tag.trim_matches('"'), sha256(&world.lake.get(PARTITION)));
    let known = world.server.get_with(FILE, &[("if-none-match", &tag)]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), tag);
    world.server.get_with(FILE, &[("if-none-match", "\"another\"")]).ok();
    world.server.get_with(FILE, &[("if-match", &tag)]).ok();
    world.server.get_with(FILE, &[("if-match", "\"another\"")]).problem(412, "precondition-failed");
    let head = world.server.request("HEAD", FILE).send().expect("an answer");
    assert_eq!((head.status().as_u16(), head.headers()["etag"].to_str().expect("text")), (200, tag.as_str()));
}

fn what_has_no_file_is_a_404(world: &World) {
    world.server.get("/api/v1/greeks/SPY/files/2025-01-17").problem(404, "missing-day");
    world.server.get("/api/v1/greeks/SPY/files/2025-01-18").problem(404, "closed-day");
    world.server.get("/api/v1/greeks_by_day/SPY/files/2019").problem(404, "not-found");
    let year = world.server.get("/api/v1/greeks_by_day/SPY/files/2025").ok();
    assert!(year.body == world.lake.get("greeks_by_day/symbol=SPY/year=2025/part-0.parquet"));
}

#[test]
fn a_presigned_url_opens_nothing_but_its_file() {
    let world = World::in_bucket();
    let status = |url: &str| reqwest::blocking::get(url).expect("an answer").status().as_u16();
    let row = world.server.get(&format!("{SPY}?start={DAY}&end={DAY}&expires_in=604800")).data().remove(0);
    let url = text(&row["url"]);
    assert_eq!(status(url), 200);
    for (from, to) in
        [("2025-01-15", "2025-01-14"), ("symbol%3DSPY", "symbol%3DQQQ"), ("Expires=604800", "Expires=604801")]
    {
        let other = url.replace(from, to).replace(&from.replace("%3D", "="), &to.replace("%3D", "="));
        assert_ne!(other, url, "{from} is in {url}");
        assert_eq!(status(&other), 403, "{to}");
    }
    assert_eq!(status(url.split('?').next().expect("a URL")), 403);
    let client = reqwest::blocking::Client::new();
    for method in ["PUT", "DELETE"] {
        let refused = client.request(method.parse().expect("a method"), url).send().expect("an answer");
        assert_eq!(refused.status().as_u16(), 403, "{method}");
    }
    assert!(world.lake.get(PARTITION).len() as u64 == row["bytes"], "still there");
}

#[test]
fn lists_touch_no_partition_and_never_list() {
    let world = World::in_bucket();
    let s3 = world.lake.server().expect("a bucket");
    s3.reset();
    for dataset in ["greeks", "greeks_by_minute", "greeks_by_day"] {
        world.server.get(&format!("/api/v1/{dataset}/SPY/files")).ok();
        world.server.get(&format!("/api/v1/{dataset}/SPY/files?start=2025-01-13&end=2025-01-17")).ok();
        world.server.get(&format!("/api/v1/{dataset}/SPY/changes?since=2020-01-01T00:00:00Z")).ok();
    }
    let calls = s3.calls();
    assert!(!calls.is_empty());
    for call in calls {
        assert!(call.op == "GetObject" && !call.key.ends_with(".parquet"), "{call:?}");
    }
}

/// Credentials that end sooner than was asked end the URL sooner, and the answer says when.
#[test]
fn urls_end_with_the_credentials_that_signed_them() {
    let lake = filled(Lake::in_bucket(), objects_in_bucket());
    let server = lake.server().expect("a bucket");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let ends = chrono::DateTime::from_timestamp(now.as_secs().cast_signed() + 7200, 0).expect("an instant");
    let ends = ends.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let credentials = json!({"Version": 1, "AccessKeyId": crate::s3_server::ACCESS_KEY_ID,
        "SecretAccessKey": crate::s3_server::SECRET_ACCESS_KEY, "SessionToken": "a token", "Expiration": ends});
    let file = lake.file("credentials.json", credentials.to_string());
    let config = lake.file("config", format!("[default]\ncredential_process = cat {file}\n"));
    let mut command = lake.command(&[]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_SESSION_TOKEN");
    command.env("AWS_CONFIG_FILE", config).env("HOME", lake.work()).env("PATH", std::env::var("PATH").expect("a path"));
    let over = Server::run(command, &[]);
    let end = |query: &str| {
        let row = over.get(&format!("{SPY}?start={DAY}&end={DAY}{query}")).data().remove(0);
        assert_eq!(reqwest::blocking::get(text(&row["url"])).expect("an answer").status().as_u16(), 200);
        chrono::DateTime::parse_from_rfc3339(text(&row["expires_at"])).expect("an instant").timestamp()
    };
    let credentials_end = chrono::DateTime::parse_from_rfc3339(&ends).expect("an instant").timestamp();
    // Whole seconds are signed for, so the URL may end one before.
    assert!((credentials_end - 1..=credentials_end).contains(&end("&expires_in=604800")), "{ends}");
    assert!(end("") < credentials_end - 1800, "an hour by default");
    drop(over);
    assert!(server.count("GetObject") > 0);
}

/// A corrected day is listed as it is now, from its own manifest, even before the year's index knows.
#[test]
fn one_day_is_listed_as_it_is_now() {
    let lake = filled(Lake::in_folder(), crate::lake::objects_in_folder());
    let mut manifest = lake.manifest("SPY", DAY);
    manifest["revision"] = 2.into();
    manifest["sha256"] = "ab".repeat(32).into();
    lake.plant("_manifest/greeks/symbol=SPY/2025-01-15.json", manifest.to_string());
    let server = Server::over(&lake);
    let row = |query: &str| {
        let rows = server.get(&format!("{SPY}?{query}")).data();
        rows.into_iter().find(|row| row["date"] == DAY).expect("the day")
    };
    assert_eq!(row("start=2025-01-15&end=2025-01-15")["revision"], 2);
    assert_eq!(row("")["revision"], 1, "many days go by the index");
    lake.plant("_manifest/greeks/symbol=SPY/2025-01-15.json", "{");
    let damaged = Server::over(&lake);
    damaged.get(&format!("{SPY}?start=2025-01-15&end=2025-01-15")).problem(500, "corrupt");
    let ran = Ran::of(lake.command(&["verify"]).spawn().expect("the program starts"));
    assert_eq!(ran.code, Some(1));
}
