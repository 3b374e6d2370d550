//! `pitlake status`: what it says of lakes that are full, empty, strange or out of reach. Sums are taken from the objects
//! themselves.

use serde_json::{Value, json};

use crate::lake::{DAY, LARGE_DAY_ROWS, SMALL_DAYS, filled, objects_in_bucket, objects_in_folder, said};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(an_empty_lake_says_what_to_do, captures_are_counted_when_asked);

fn full(lake: Lake) -> Lake {
    let objects = if lake.server().is_some() { objects_in_bucket() } else { objects_in_folder() };
    filled(lake, objects)
}

#[track_caller]
fn holding(answer: &Value, dataset: &str, symbol: &str) -> Value {
    let datasets = answer["datasets"].as_array().expect("a list");
    let stored = datasets.iter().find(|stored| stored["dataset"] == dataset).expect("the dataset");
    let symbols = stored["symbols"].as_array().expect("a list");
    symbols.iter().find(|holding| holding["symbol"] == symbol).expect("the symbol").clone()
}

fn says_what_is_stored(lake: &Lake) {
    let answer = lake.run(&["status", "--json"]).ends(0).json();
    let bytes = |prefix: &str| lake.objects_under(prefix).values().map(|object| object.len() as u64).sum::<u64>();
    let spy = holding(&answer, "greeks", "SPY");
    let rows = LARGE_DAY_ROWS + SMALL_DAYS.iter().map(|date| said("SPY", date).len()).sum::<usize>();
    assert_eq!((&spy["first"], &spy["last"], &spy["partitions"]), (&json!("2024-03-08"), &json!(DAY), &json!(8)));
    assert_eq!((&spy["rows"], &spy["bytes"]), (&json!(rows), &json!(bytes("greeks/symbol=SPY/"))));
    let per_row = spy["bytes_per_row"].as_f64().expect("a number");
    assert!((per_row - bytes("greeks/symbol=SPY/") as f64 / rows as f64).abs() < 0.006, "{per_row}");
    assert_eq!((&spy["revised"], &spy["stale"]), (&json!(0), &json!(0)));
    assert_eq!(spy["conditions"]["available"], 8);
    assert_eq!((&spy["newest"]["date"], &spy["newest"]["minute"]), (&json!(DAY), &json!("2025-01-15T20:59:00Z")));
    // Two days in March of which one is a Friday and one the Monday after; then nothing.
    assert_eq!(spy["calendar"]["2024-03"], "       #..#!!!!..!!!!!..!!!!..."); // Good Friday was the 29th
    assert_eq!(spy["calendar"]["2024-07"], "!!#.!..!!!!!..!!!!!..!!!!!..!!!");
    assert_eq!(spy["calendar"]["2025-01"], ".!!..!!!.!..!##");
    assert_eq!(spy["calendar"].as_object().expect("months").len(), 11);

    let years = holding(&answer, "greeks_by_day", "SPY");
    assert_eq!((&years["first"], &years["last"], &years["rows"]), (&json!("2024"), &json!("2025"), &json!(8)));
    let iwm = holding(&answer, "greeks", "IWM");
    assert_eq!((&iwm["conditions"]["degraded"], &iwm["conditions"]["available"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&iwm["newest"]["condition"], &iwm["newest"]["minute"]),
        (&json!("degraded"), &json!("2025-01-15T20:59:00Z"))
    );

    let one = lake.run(&["status", "--json", "--symbol", "^SPX", "--dataset", "greeks_by_minute"]).ends(0).json();
    assert_eq!(one["datasets"].as_array().map(Vec::len), Some(1));
    let spx = holding(&one, "greeks_by_minute", "SPX");
    assert_eq!((&spx["partitions"], &one["captures"]), (&json!(1), &Value::Null));
}

#[test]
fn it_says_what_is_stored_in_a_folder() {
    says_what_is_stored(&full(Lake::in_folder()));
}

#[test]
fn it_says_what_is_stored_in_a_bucket_and_reads_records_only() {
    let lake = full(Lake::in_bucket());
    says_what_is_stored(&lake);
    let s3 = lake.server().expect("a bucket");
    s3.reset();
    lake.run(&["status"]).ends(0);
    let calls = s3.calls();
    assert!(calls.iter().any(|call| call.key.contains("_manifest/greeks/")), "{calls:?}");
    assert!(calls.iter().all(|call| call.op == "GetObject" && !call.key.ends_with(".parquet")), "{calls:?}");
    s3.deny("lake");
    let refused = lake.run(&["status"]).ends(1);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("s3://lake/some/where"), "{}", refused.stderr);
}

#[test]
fn the_page_fits_its_width_and_is_plain_off_a_terminal() {
    let lake = full(Lake::in_folder());
    let page = |columns: &str, arguments: &[&str]| {
        let mut command = lake.command(arguments);
        command.env("COLUMNS", columns);
        crate::pitlake_binary::Ran::of(command.spawn().expect("the program starts")).ends(0).stdout
    };
    let narrow = page("60", &["status", "--symbol", "SPY", "--dataset", "greeks"]);
    let wide = page("140", &["status", "--symbol", "SPY", "--dataset", "greeks"]);
    for text in [&narrow, &wide] {
        assert!(!text.contains('\x1b') && !text.lines().any(|line| line.ends_with(' ')), "{text}");
        assert!(text.contains("8 available") && text.contains("# available   d degraded"), "{text}");
    }
    let strip = |text: &str| text.lines().find(|line| line.contains("2025-01 .!!..!!!.!..!##")).map(str::to_owned);
    assert_eq!(strip(&narrow).as_deref(), Some("  2025-01 .!!..!!!.!..!##"));
    assert!(strip(&wide).is_some_and(|line| line.starts_with("  2024-05 ") && line.len() > 100), "{wide}");
    // The ruler's marks stand over the days they name, in every column.
    let lines: Vec<&str> = wide.lines().collect();
    let ruler = lines.iter().position(|line| line.trim_start().starts_with("1...5")).expect("a ruler");
    let columns: Vec<usize> = lines[ruler].match_indices("1...5").map(|(at, _)| at).collect();
    let months: Vec<usize> = lines[ruler + 1].match_indices("2024-").map(|(at, _)| at + 8).collect();
    assert_eq!(columns, months, "{wide}");
}

fn an_empty_lake_says_what_to_do(lake: &Lake) {
    let text = lake.run(&["status"]).ends(0).stdout;
    assert!(text.contains("nothing is stored yet") && text.contains("pitlake ingest greeks"), "{text}");
    let answer = lake.run(&["status", "--json"]).ends(0).json();
    assert!(answer["datasets"].as_array().expect("a list").iter().all(|stored| stored["symbols"] == json!([])));
    assert!(lake.run(&["status", "--symbol", "TSLA"]).ends(0).stdout.contains("nothing is stored of TSLA"));
    let unknown = lake.run(&["status", "--symbol", "NOPE"]).ends(1);
    assert!(unknown.stderr.contains("NOPE is not a known symbol"), "{}", unknown.stderr);
    lake.run(&["status", "--symbol", "no such"]).ends(1);
    let dataset = lake.run(&["status", "--dataset", "tea"]).ends(2);
    assert!(dataset.stderr.contains("greeks_by_minute"), "{}", dataset.stderr);
}

fn captures_are_counted_when_asked(lake: &Lake) {
    lake.ingest_lines(&[
        r#"{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"SPY","expiration":"2025-01-17","strikes":[{"strike":580,"gamma":1}]}"#.to_owned(),
        r#"{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"SPY","expiration":"2025-01-17","strikes":[{"strike":-580,"gamma":1}]}"#.to_owned(),
    ]);
    lake.compact(&[]);
    let answer = lake.run(&["status", "--json", "--captures"]).ends(0).json();
    let (taken, refused) = (lake.objects_under("raw/greeks/"), lake.objects_under("raw/_rejected/greeks/"));
    assert_eq!((taken.len(), refused.len()), (1, 1));
    let size =
        |objects: &std::collections::BTreeMap<String, bytes::Bytes>| objects.values().map(|o| o.len()).sum::<usize>();
    let expected = json!({"dataset": "greeks", "count": 1, "bytes": size(&taken),
        "rejected_count": 1, "rejected_bytes": size(&refused)});
    assert_eq!(answer["captures"][0], expected);
    let spy = holding(&answer, "greeks", "SPY");
    // One minute of 390, late in the day: the rest of the session is owed, and days since.
    assert_eq!(spy["newest"]["minute"], "2025-01-15T19:32:00Z");
    assert!(spy["newest"]["behind_minutes"].as_u64().is_none_or(|minutes| minutes >= 87), "{spy}");
    assert!(lake.run(&["status", "--captures"]).ends(0).stdout.contains("refused: 1 file, "));
}
