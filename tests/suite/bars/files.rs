//! Every kind of file with the same bars in it gives the same rows.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{HEADER, NEW_YORK, Row, counts, manifest, refused, row, rows, take, told};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(every_kind_of_file_gives_the_same_rows, the_same_file_twice_changes_nothing, any_order_is_one_capture);

/// Three minutes of SPY, as rows of the dataset.
fn expected() -> [Row; 3] {
    [
        row("2025-01-15T14:30:00Z", [590.0, 590.5, 589.75, 590.25], 1000.0, 1),
        row("2025-01-15T14:31:00Z", [590.25, 591.0, 590.25, 590.5], 2000.5, 1),
        row("2025-01-15T14:32:00Z", [590.5, 590.5, 590.0, 590.0], 0.0, 1),
    ]
}

const CELLS: [&str; 3] = ["590,590.5,589.75,590.25,1000", "590.25,591,590.25,590.5,2000.5", "590.5,590.5,590.0,590,0"];

fn table(header: &str, times: [&str; 3], mark: char) -> Vec<u8> {
    let row = |(time, cells): (&str, &str)| format!("{time},{cells}\n");
    let text: String = times.into_iter().zip(CELLS).map(row).collect();
    format!("{header}{text}").replace(',', &mark.to_string()).into_bytes()
}

fn objects(name: &str, times: [&str; 3]) -> Vec<String> {
    let object = |(time, cells): (&str, &str)| {
        let cells: Vec<&str> = cells.split(',').collect();
        let (open, high, low, close, volume) = (cells[0], cells[1], cells[2], cells[3], cells[4]);
        format!(r#"{{"{name}":{time},"o":{open},"h":"{high}","l":{low},"c":{close},"v":{volume},"n":null}}"#)
    };
    times.into_iter().zip(CELLS).map(object).collect()
}

fn parquet(times: ArrayRef, packed: Compression) -> Vec<u8> {
    let column = |at: usize| -> Vec<f32> {
        CELLS.iter().map(|cells| cells.split(',').nth(at).expect("a cell").parse().expect("a number")).collect()
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![("Date", times)];
    for (at, name) in ["Open", "High", "Low", "Close", "Volume"].into_iter().enumerate() {
        columns.push((name, Arc::new(Float32Array::from(column(at)))));
    }
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let properties = WriterProperties::builder().set_compression(packed).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("an end");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

fn every_kind_of_file_gives_the_same_rows(lake: &Lake) {
    let local = ["2025-01-15 09:30:00", "2025-01-15 09:31:00", "2025-01-15 09:32:00"];
    let zoned = ["2025-01-15T14:30:00Z", "2025-01-15T09:31:00-05:00", "2025-01-15T20:02:00+05:30"];
    let quoted = |times: [&str; 3]| times.map(|time| format!("\"{time}\""));
    let lines = |name: &str, times: &[String; 3]| objects(name, [&times[0], &times[1], &times[2]]);
    let millis = ["1736951400000", "1736951460000", "1736951520000"];
    let nanos: Vec<i64> = millis.iter().map(|text| text.parse::<i64>().expect("a number") * 1_000_000).collect();
    let wall: Vec<i64> = nanos.iter().map(|nanos| nanos - 5 * 3_600_000_000_000).collect();
    let usual = table(HEADER, local, ',');
    let parts = "20250115,093000,590,590.5,589.75,590.25,1000\n20250115,093100,590.25,591,590.25,590.5,2000.5\n20250115,093200,590.5,590.5,590.0,590,0\n";
    let by_number = "date=1,time=2,open=3,high=4,low=5,close=6,volume=7";
    let texts = || -> ArrayRef { Arc::new(StringArray::from(local.to_vec())) };
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1_736_951_400, 1_736_951_460, 1_736_951_520]));
    let none: [&str; 0] = [];
    let numbered = [NEW_YORK[0], NEW_YORK[1], "--columns", by_number];
    let named = [NEW_YORK[0], NEW_YORK[1], "--columns", "timestamp=when"];
    let cases: Vec<(&str, &[&str], Vec<u8>)> = vec![
        ("csv", &NEW_YORK, usual.clone()),
        ("csv, gzipped", &NEW_YORK, gzip(&usual)),
        ("csv, zstd", &NEW_YORK, zstd::encode_all(&usual[..], 3).expect("zstd")),
        (
            "semicolons and a mark",
            &NEW_YORK,
            [b"\xef\xbb\xbf".to_vec(), table("Datetime;Open;High;Low;Close;Volume\n", local, ';')].concat(),
        ),
        ("tabs", &NEW_YORK, table("<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n", local, '\t')),
        (
            "quotes and Windows",
            &NEW_YORK,
            String::from_utf8(usual.clone())
                .expect("text")
                .replace("2025-01-15 09:30:00", "\"2025-01-15 09:30:00\"")
                .replace('\n', "\r\n")
                .into_bytes(),
        ),
        ("a column named", &named, table("when,open,high,low,close,volume\n", local, ',')),
        ("no header", &numbered, parts.as_bytes().to_vec()),
        ("zones in the data", &none, table(HEADER, zoned, ',')),
        ("zones in the data win", &["--tz", "Asia/Tokyo"], table(HEADER, zoned, ',')),
        ("milliseconds", &none, table("date,open,high,low,close,volume\n", millis, ',')),
        ("json lines", &NEW_YORK, lines("t", &quoted(local)).join("\n").into_bytes()),
        ("json numbers", &none, lines("timestamp", &millis.map(str::to_owned)).join("\n\n").into_bytes()),
        ("one array", &none, format!(" [\n{}\n]\n", lines("time", &quoted(zoned)).join(",\n")).into_bytes()),
        (
            "parquet of instants",
            &none,
            parquet(Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("+02:00")), Compression::SNAPPY),
        ),
        (
            "parquet of clock times",
            &NEW_YORK,
            parquet(Arc::new(TimestampNanosecondArray::from(wall)), Compression::LZ4_RAW),
        ),
        ("parquet of texts", &NEW_YORK, parquet(texts(), Compression::GZIP(GzipLevel::default()))),
        ("parquet, brotli", &NEW_YORK, parquet(texts(), Compression::BROTLI(BrotliLevel::default()))),
        (
            "parquet of numbers, zstd",
            &none,
            zstd::encode_all(&parquet(numbers, Compression::ZSTD(ZstdLevel::default()))[..], 3).expect("zstd"),
        ),
    ];
    for (name, more, bytes) in cases {
        let lake = lake.another();
        assert_eq!(take(&lake, "SPY", more, bytes), counts(1, 3, 3, 0, 0), "{name}");
        lake.compact(&["bars"]);
        assert_eq!(rows(&lake, "SPY", "2025-01-15"), expected(), "{name}");
        let manifest = manifest(&lake, "SPY", "2025-01-15");
        assert_eq!(manifest["minutes_seen"], 3, "{name}");
        assert_eq!(told(&manifest, "missing_minutes"), 387, "{name}");
        lake.is_sound();
    }
}

fn the_same_file_twice_changes_nothing(lake: &Lake) {
    let bars = table(HEADER, ["2025-01-15 09:30:00", "2025-01-15 09:31:00", "2025-01-15 09:32:00"], ',');
    assert_eq!(take(lake, "SPY", &NEW_YORK, &bars), counts(1, 3, 3, 0, 0));
    lake.compact(&["bars"]);
    let before = lake.objects();
    assert_eq!(take(lake, "SPY", &NEW_YORK, &bars), counts(0, 3, 0, 3, 0));
    assert!(lake.compact(&["bars"]).iter().all(|outcome| outcome["action"] == "unchanged"));
    assert!(lake.objects() == before, "not a byte differs");
    // More of the same: what was there is told.
    let more = [&bars[..], b"2025-01-15 09:33:00,590,590,590,590,5\n"].concat();
    assert_eq!(take(lake, "SPY", &NEW_YORK, more), counts(1, 4, 1, 3, 0));
    lake.compact(&["bars"]);
    let manifest = manifest(lake, "SPY", "2025-01-15");
    assert_eq!(
        (manifest["rows"].as_u64(), told(&manifest, "duplicates"), manifest["revision"].as_u64()),
        (Some(4), 3, Some(2))
    );
}

fn any_order_is_one_capture(lake: &Lake) {
    let minutes: Vec<String> =
        (30..60).map(|minute| format!("2025-01-15 09:{minute}:00,590,591,589,590,{minute}\n")).collect();
    let forwards = format!("{HEADER}{}", minutes.concat());
    let backwards = format!("{HEADER}{}", minutes.iter().rev().map(String::as_str).collect::<String>());
    let mixed: String = (0..30).map(|at| minutes[at * 7 % 30].as_str()).collect();
    assert_eq!(take(lake, "SPY", &NEW_YORK, forwards), counts(1, 30, 30, 0, 0));
    assert_eq!(take(lake, "SPY", &NEW_YORK, backwards), counts(0, 30, 0, 30, 0));
    assert_eq!(take(lake, "SPY", &NEW_YORK, format!("{HEADER}{mixed}")), counts(0, 30, 0, 30, 0));
}

#[test]
fn what_cannot_be_taken_as_a_whole_says_what_to_do() {
    let lake = Lake::in_folder();
    let local = ["2025-01-15 09:30:00", "2025-01-15 09:31:00", "2025-01-15 09:32:00"];
    let usual = table(HEADER, local, ',');
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let symbols = format!(
        "symbol,{HEADER}SPY,{}QQQ,{}",
        text(&usual).lines().nth(1).expect("a row").to_owned() + "\n",
        text(&usual).lines().nth(2).expect("a row")
    );
    let mixed = format!(
        "{HEADER}2025-01-15 09:30:00,1,1,1,1,1\n2025-01-15 09:35:00,1,1,1,1,1\n2025-01-15 09:40:00,1,1,1,1,1\n2025-01-15 09:42:00,1,1,1,1,1\n"
    );
    let one = format!("{HEADER}2025-01-15 09:30:00,1,1,1,1,1\n");
    let daily = format!(
        "{HEADER}2025-01-14 00:00:00,1,1,1,1,1\n2025-01-15 00:00:00,1,1,1,1,1\n2025-01-16 00:00:00,1,1,1,1,1\n"
    );
    let without_volume = "time,open,high,low,close\n2025-01-15 09:30:00,1,1,1,1\n2025-01-15 09:31:00,1,1,1,1\n";
    let none: &[&str] = &[];
    let cases: [(&str, &[&str], Vec<u8>, &str); 12] = [
        ("no zone", none, usual.clone(), "--tz America/New_York"),
        ("no such column", &NEW_YORK, table("when,a,b,c,d,e\n", local, ','), "--columns timestamp=NAME"),
        ("no header", &NEW_YORK, table("", local, ','), "number its columns"),
        ("two symbols", &NEW_YORK, symbols.into_bytes(), "split it"),
        ("two lengths", &NEW_YORK, mixed.into_bytes(), "split the file by length"),
        ("one bar", &NEW_YORK, one.clone().into_bytes(), "--interval"),
        ("days", &NEW_YORK, daily.into_bytes(), "1440 minutes apart"),
        ("no volume", &NEW_YORK, without_volume.as_bytes().to_vec(), "--volume none"),
        ("no table", &NEW_YORK, b"hello\nworld\n".to_vec(), "neither JSON nor Parquet"),
        ("torn parquet", &NEW_YORK, b"PAR1 and no more".to_vec(), "Parquet file cannot be read"),
        ("torn array", &NEW_YORK, b"[{\"t\":1".to_vec(), "nothing of it was taken"),
        ("torn gzip", &NEW_YORK, gzip(&usual)[..60].to_vec(), "nothing of it was taken"),
    ];
    for (name, more, bytes, words) in cases {
        let said = refused(&lake, "SPY", more, bytes);
        assert!(said.contains(words), "{name}: {said}");
        assert!(lake.objects().is_empty(), "{name}");
    }
    let said = refused(&lake, "NOPE", &NEW_YORK, &usual);
    assert!(said.contains("_config/instruments.toml"), "{said}");
    // And with what it asked for, they go in.
    assert_eq!(take(&lake, "SPY", &["--tz", "America/New_York", "--interval", "1m"], one), counts(1, 1, 1, 0, 0));
    assert_eq!(
        take(&lake, "SPX", &["--tz", "America/New_York", "--volume", "none"], without_volume),
        counts(1, 2, 2, 0, 0)
    );
    lake.run(&["ingest", "bars", "--symbol", "SPY", "--tz", "EST5", "x"]).ends(2);
    lake.run(&["ingest", "bars", "--symbol", "SPY", "--interval", "2h", "x"]).ends(2);
    lake.run(&["ingest", "bars", "x"]).ends(2);
}

#[test]
fn a_count_declared_as_own_volumes_is_told() {
    let bars = |volume: fn(usize) -> usize| {
        let bar = |at: usize| format!("2025-01-15 09:{}:00,590,590,590,590,{}\n", 30 + at % 30, volume(at));
        format!("{HEADER}{}", (0..30).map(bar).collect::<String>())
    };
    for (name, volume, expected) in [
        ("a count", (|at| 1000 + 7 * at) as fn(usize) -> usize, 30),
        ("own volumes that fall once", |at| if at == 17 { 3 } else { 1000 + 7 * at }, 0),
        ("own volumes that are all the same", |_| 100, 0),
    ] {
        let lake = Lake::in_folder();
        take(&lake, "SPY", &NEW_YORK, bars(volume));
        lake.compact(&["bars"]);
        assert_eq!(told(&manifest(&lake, "SPY", "2025-01-15"), "volume_looks_cumulative"), expected, "{name}");
    }
}
