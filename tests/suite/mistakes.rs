//! Mistakes that were made once, seen from outside: sums of two revisions in one answer, a revision that went back, input left
//! out because nobody read our output, refusals booked on another's day, an order of receipt that broke between two chunks,
//! an expiration whose absence nobody noticed, and a revision that named two files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lake::World;
use crate::pitlake_binary::{Lake, instant, micros, nested, on_every_store};
use crate::server::Server;

on_every_store!(
    sums_after_a_correction_are_of_one_revision,
    sums_of_a_day_that_grew_fit_their_revision,
    a_truncated_manifest_does_not_set_the_revision_back,
    a_deleted_manifest_does_not_set_the_revision_back,
    a_file_left_without_its_record_keeps_the_revision_it_was_served_under,
    a_refused_document_is_booked_on_its_own_symbol,
    a_refused_row_is_booked_on_its_own_symbol,
    a_refused_document_of_a_symbol_without_good_ones_degrades_nothing,
    an_expiration_missing_for_an_hour_degrades,
    a_document_from_the_future_is_nobodys_present,
);

const DATE: &str = "2025-01-15";
const EXPIRES: &str = "2025-01-17";

/// The start of a minute after the opening, and a second of it.
fn at(minute: i64, second: i64) -> String {
    instant(micros("2025-01-15T14:30:00Z") + (minute * 60 + second) * 1_000_000)
}

/// The first minutes of the day at two strikes, of which the upper has ten times the gamma.
fn day(minutes: i64, second: i64, gamma: i64) -> Vec<String> {
    let strikes = [(580.0, gamma, 1, 1), (585.0, 10 * gamma, 1, 1)];
    (0..minutes).map(|minute| nested(&at(minute, second), EXPIRES, Some(588.0), &strikes)).collect()
}

fn publish(lake: &Lake, lines: &[String]) {
    lake.ingest_lines(lines);
    lake.compact(&[]);
}

/// Asks for the sums in every way and holds each against the one revision that it names: `days` has the minutes and the
/// gamma of each. Gives the revisions that were answered.
fn sums_belong_together(server: &Server, days: &[(usize, i64)]) -> Vec<u64> {
    let questions = [
        ("", 11, 1),
        ("?by=expiration", 11, 1),
        ("?by=strike", 0, 2),
        ("?strike=585", 10, 1),
        ("?strike_max=580", 1, 1),
    ];
    let mut revisions = Vec::new();
    for (question, times, rows) in questions {
        let reply = server.get(&format!("/api/v1/greeks/SPY/{DATE}/aggregate{question}")).ok();
        let revision = reply.json()["revision"].as_u64().expect("a revision");
        assert_eq!(reply.header("pitlake-revision"), revision.to_string());
        let (minutes, gamma) = days[revision as usize - 1];
        let data = reply.data();
        assert_eq!(data.len(), minutes * rows, "{question}: revision {revision} has {minutes} minutes");
        for row in data {
            let times = match (times, row["strike"].as_f64()) {
                (0, Some(585.0)) => 10,
                (0, _) => 1,
                (times, _) => times,
            };
            assert_eq!(row["gamma_exposure"], times * gamma, "{question}: revision {revision}: {row}");
        }
        revisions.push(revision);
    }
    revisions
}

fn sums_after_a_correction_are_of_one_revision(lake: &Lake) {
    publish(lake, &day(390, 0, 3));
    let server = Server::over(lake);
    assert_eq!(server.get(&format!("/api/v1/greeks/SPY/{DATE}")).data().len(), 780);
    publish(lake, &day(390, 30, 7));
    sums_belong_together(&server, &[(390, 3), (390, 7)]);
    assert_eq!(sums_belong_together(&Server::over(lake), &[(390, 3), (390, 7)]), [2; 5]);
}

fn sums_of_a_day_that_grew_fit_their_revision(lake: &Lake) {
    publish(lake, &day(100, 0, 3));
    let server = Server::over(lake);
    assert_eq!(sums_belong_together(&server, &[(100, 3)]), [1; 5]);
    publish(lake, &day(390, 30, 7));
    sums_belong_together(&server, &[(100, 3), (390, 7)]);
    assert_eq!(sums_belong_together(&Server::over(lake), &[(100, 3), (390, 7)]), [2; 5]);
}

const MANIFEST: &str = "_manifest/greeks/symbol=SPY/2025-01-15.json";

fn at_revision_two(lake: &Lake) {
    publish(lake, &day(390, 0, 3));
    publish(lake, &day(390, 20, 5));
    assert_eq!(lake.manifest("SPY", DATE)["revision"], 2);
}

fn revision_three_is_everywhere(lake: Lake) {
    publish(&lake, &day(390, 40, 7));
    let manifest = lake.manifest("SPY", DATE);
    assert_eq!((&manifest["revision"], &manifest["counts"]["duplicates"]), (&json!(3), &json!(2 * 780)));
    let index: Value = serde_json::from_slice(&lake.get("_manifest/greeks/symbol=SPY/2025.json")).expect("JSON");
    let entry = &index["days"][0];
    assert_eq!((&entry["date"], &entry["revision"]), (&json!(DATE), &json!(3)));
    assert_eq!(entry["sha256"], manifest["sha256"]);
    assert_eq!(lake.day("SPY", DATE)["gamma_close"], "77");
    assert!(lake.minutes("SPY", DATE).iter().all(|row| row.greeks[0] == Some(77)));
    lake.is_sound();
    let world = World { server: Server::over(&lake), lake };
    let path = format!("/api/v1/greeks/SPY/coverage?start={DATE}&end={DATE}");
    assert_eq!(world.server.get(&path).data()[0]["revision"], 3);
    let revisions = sums_belong_together(&world.server, &[(390, 3), (390, 5), (390, 7)]);
    assert_eq!(revisions, [3; 5]);
}

fn a_truncated_manifest_does_not_set_the_revision_back(lake: &Lake) {
    at_revision_two(lake);
    let copy = lake.another();
    for (key, bytes) in lake.objects() {
        let kept = if key == MANIFEST { bytes.slice(..bytes.len() / 2) } else { bytes };
        copy.plant(&key, kept);
    }
    revision_three_is_everywhere(copy);
}

fn a_deleted_manifest_does_not_set_the_revision_back(lake: &Lake) {
    at_revision_two(lake);
    let copy = lake.another();
    lake.objects().into_iter().filter(|(key, _)| key != MANIFEST).for_each(|(key, bytes)| copy.plant(&key, bytes));
    revision_three_is_everywhere(copy);
}

fn a_file_left_without_its_record_keeps_the_revision_it_was_served_under(lake: &Lake) {
    publish(lake, &day(2, 0, 1));
    let records = lake.objects_under("_manifest/");
    publish(lake, &day(2, 10, 100));
    // As if the second compaction had died between file and record, twice.
    records.into_iter().for_each(|(key, bytes)| lake.plant(&key, bytes));
    let before = Server::over(lake).get(&format!("/api/v1/greeks/SPY/{DATE}")).ok();
    assert_eq!((before.header("pitlake-revision"), &before.json()["data"][0]["gamma_exposure"]), ("2", &json!(100)));
    publish(lake, &day(2, 20, 10_000));
    for dataset in ["greeks", "greeks_by_minute"] {
        let key = format!("_manifest/{dataset}/symbol=SPY/{DATE}.json");
        let manifest: Value = serde_json::from_slice(&lake.get(&key)).expect("JSON");
        assert_eq!(manifest["revision"], 3, "{dataset}: the second revision was another file");
    }
    lake.is_sound();
}

#[test]
fn input_is_taken_and_days_are_made_though_nobody_reads_what_is_said() {
    for json in [&[][..], &["--json"]] {
        let lake = Lake::in_folder();
        let nobody_reads = |arguments: &[&str]| {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let mut child = lake.command(&[arguments, json].concat()).stdout(writer).spawn().expect("it starts");
            assert!(child.wait().expect("an end").success(), "{arguments:?}");
        };
        let next = day(5, 0, 2).iter().map(|line| line.replace("2025-01-15T", "2025-01-16T")).collect::<Vec<_>>();
        let (first, second) = (lake.file("a.jsonl", day(5, 0, 1).join("\n")), lake.file("b.jsonl", next.join("\n")));
        nobody_reads(&["ingest", "greeks", &first, &second]);
        assert_eq!(lake.objects_under("raw/greeks/symbol=SPY/").len(), 2, "{json:?}");
        nobody_reads(&["compact"]);
        assert_eq!(lake.strikes("SPY", DATE).len(), 10, "{json:?}");
        assert_eq!(lake.strikes("SPY", "2025-01-16").len(), 10, "{json:?}");
    }
}

fn qqq(document: &str) -> String {
    document.replace("\"SPY\"", "\"QQQ\"")
}

/// Holds a day's record against whether something of it was refused.
fn refused(lake: &Lake, symbol: &str, documents: u64) {
    let manifest = lake.manifest(symbol, DATE);
    assert_eq!(manifest["counts"]["refused"], documents, "{symbol}");
    let reasons = manifest["reasons"].as_array().expect("a list");
    let told: Vec<&Value> = reasons.iter().filter(|reason| reason["code"] == "refused_input").collect();
    assert_eq!(told.len() as u64, documents.min(1), "{symbol}: {reasons:?}");
    assert!(told.iter().all(|reason| reason["count"] == documents && reason["degrades"] == true), "{told:?}");
    assert_eq!(manifest["condition"], if documents == 0 { "available" } else { "degraded" }, "{symbol}: {reasons:?}");
}

fn a_refused_document_is_booked_on_its_own_symbol(lake: &Lake) {
    let mut lines = Vec::new();
    for (minute, good) in day(390, 0, 3).into_iter().enumerate() {
        lines.push(good.clone());
        // The minute comes again, so that nothing but the refusal is wrong with the day.
        let bad = (minute == 0).then(|| qqq(&good).replace("580.0", "-580.0"));
        lines.extend(bad);
        lines.push(qqq(&good));
    }
    assert_eq!(lake.ingest_lines(&lines)["refused"], 1);
    lake.compact(&[]);
    refused(lake, "SPY", 0);
    refused(lake, "QQQ", 1);
}

fn a_refused_row_is_booked_on_its_own_symbol(lake: &Lake) {
    // Refused for its value, and for its length.
    for bad in ["QQQ,2025-01-17,-580,1,2,3", "QQQ,2025-01-17,580,1,2"] {
        let lake = lake.another();
        let mut text = "timestamp,symbol,expiration,strike,gamma_exposure,vanna_exposure,charm_exposure\n".to_owned();
        for minute in 0..390 {
            let at = at(minute, 0);
            text += &format!("{at},SPY,2025-01-17,580,1,2,3\n");
            if minute == 0 {
                text += &format!("{at},{bad}\n");
            }
            text += &format!("{at},QQQ,2025-01-17,580,1,2,3\n");
        }
        assert_eq!(lake.ingest(&lake.file("rows.csv", text))["refused"], 1, "{bad}");
        lake.compact(&[]);
        refused(&lake, "SPY", 0);
        refused(&lake, "QQQ", 1);
    }
}

fn a_refused_document_of_a_symbol_without_good_ones_degrades_nothing(lake: &Lake) {
    let mut lines = day(390, 0, 3);
    let bad = qqq(&lines[0]).replace("580.0", "-580.0");
    lines.insert(200, bad.clone());
    lines.insert(0, bad);
    assert_eq!(lake.ingest_lines(&lines)["refused"], 2);
    lake.compact(&[]);
    refused(lake, "SPY", 0);
    assert!(
        lake.objects_under("raw/greeks/symbol=QQQ/").is_empty() && lake.objects_under("greeks/symbol=QQQ/").is_empty()
    );
    assert_eq!(lake.objects_under("raw/_rejected/greeks/").len(), 1);
    lake.is_sound();
}

#[test]
fn what_is_received_last_wins_across_chunks_too() {
    let lake = Lake::in_folder();
    let flat = |row: usize, gamma: i64| {
        let (minute, strike) = (row / 39, 560 + row % 39);
        let at = at(minute as i64, 0);
        format!(
            r#"{{"timestamp":"{at}","symbol":"SPY","expiration":"{EXPIRES}","strike":{strike},"gamma_exposure":{gamma}}}"#
        )
    };
    let rows = 390 * 39;
    let mut lines: Vec<String> = (0..3000).map(|row| flat(row, 0).replace("\"strike\":", "\"strike\":-")).collect();
    // Each strike's correction comes this many strikes later, so that pairs lie across every bound there is.
    let later = 500;
    for row in 0..rows + later {
        lines.extend((row < rows).then(|| flat(row, 1)));
        lines.extend(row.checked_sub(later).map(|row| flat(row, 2)));
    }
    let counts = lake.ingest_lines(&lines);
    assert_eq!((&counts["documents"], &counts["refused"]), (&json!(2 * rows), &json!(3000)));
    let captures = lake.objects_under("raw/greeks/symbol=SPY/");
    let capture = captures.values().next().expect("a capture");
    let length = zstd::decode_all(capture.as_ref()).expect("zstd").len();
    assert!(captures.len() == 1 && length > 5 << 20, "one capture of more than one chunk, not of {length} bytes");
    lake.compact(&[]);
    let mut gammas: BTreeMap<Option<i64>, usize> = BTreeMap::new();
    lake.strikes("SPY", DATE).iter().for_each(|row| *gammas.entry(row.greeks[0]).or_default() += 1);
    assert_eq!(gammas, BTreeMap::from([(Some(2), rows)]));
    assert_eq!(lake.manifest("SPY", DATE)["counts"]["duplicates"], rows);
}

fn an_expiration_missing_for_an_hour_degrades(lake: &Lake) {
    let strikes: Vec<_> = (0..20).map(|strike| (580.0 + f64::from(strike), 1, 2, 3)).collect();
    let mut lines = Vec::new();
    for minute in 0..390 {
        lines.push(nested(&at(minute, 0), EXPIRES, None, &strikes));
        lines.extend((!(90..150).contains(&minute)).then(|| nested(&at(minute, 0), "2025-01-24", None, &strikes)));
    }
    publish(lake, &lines);
    let manifest = lake.manifest("SPY", DATE);
    let reasons = manifest["reasons"].as_array().expect("a list");
    let told: Vec<_> = reasons.iter().map(|reason| (&reason["code"], &reason["count"], &reason["degrades"])).collect();
    assert_eq!(told, [(&json!("strike_coverage"), &json!(60), &json!(true))]);
    assert_eq!(manifest["condition"], "degraded");
    let holes = manifest["details"]["strike_coverage"].as_array().expect("a list");
    let (first, last) = (&holes[0]["timestamp"], &holes[holes.len() - 1]["timestamp"]);
    assert_eq!((first, last), (&json!("2025-01-15T16:00:00Z"), &json!("2025-01-15T16:59:00Z")));
    assert!(holes.iter().all(|hole| hole["expiration"] == "2025-01-24" && hole["strikes"] == 0 && hole["usual"] == 20));
}

/// `/latest` once took the last date that the lake had, whatever the source's clock was.
fn a_document_from_the_future_is_nobodys_present(lake: &Lake) {
    let future = nested("2199-01-15T14:32:00-05:00", "2199-01-17", Some(588.0), &[(580.0, 1, 1, 1)]);
    publish(lake, &[&day(3, 0, 5)[..], &[future]].concat());
    let server = Server::over(lake);
    let latest = server.get("/api/v1/greeks/SPY/latest").ok().json();
    assert_eq!((latest["date"].as_str(), latest["data"][0]["timestamp"].as_str()), (Some(DATE), Some(&*at(2, 0))));
    // It is there for who asks for it by name.
    server.get("/api/v1/greeks/SPY/2199-01-15").ok();
}
