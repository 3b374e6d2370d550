//! Input that is empty, torn, not text, or far too large: never a crash, never silence, never more memory than a bound.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::json;

use crate::pitlake_binary::{Lake, Ran, nested, on_every_store};

on_every_store!(
    an_empty_file_is_told,
    bytes_that_are_no_text_are_refused,
    a_torn_gzip_is_taken_not_at_all,
    a_document_of_seventy_megabytes_is_refused_alone,
);

fn an_empty_file_is_told(lake: &Lake) {
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("blank", b" \n\r\n\t\n"),
        ("list", b"[]"),
        ("header.csv", b"timestamp,symbol,expiration,strike\n"),
    ] {
        let file = lake.file(name, bytes);
        let ran = lake.run(&["ingest", "greeks", "--json", &file]).ends(1);
        assert_eq!(
            ran.json(),
            json!({"captures": 0, "documents": 0, "rows": 0, "duplicates": 0, "refused": 0}),
            "{name}"
        );
        assert!(ran.stderr.contains(name) && ran.stderr.contains("no document"), "{}", ran.stderr);
    }
    assert!(lake.objects().is_empty());
}

fn bytes_that_are_no_text_are_refused(lake: &Lake) {
    // A linear congruential generator: bytes without any order, the same everywhere.
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(300_000)
    .collect();
    let ran = lake.run(&["ingest", "greeks", "--json", &lake.file("noise", &noise)]).ends(1);
    let counts = ran.json();
    assert_eq!((&counts["documents"], &counts["captures"]), (&json!(0), &json!(0)));
    assert!(counts["refused"].as_u64() > Some(0), "{counts}");

    let good = nested("2025-01-15T15:00:00Z", "2025-01-17", None, &[(580.0, 1, 2, 3)]);
    let latin = [good.as_bytes(), b"\n{\"symbol\":\"caf\xe9\"}\n", good.replace("580", "581").as_bytes()].concat();
    let counts = lake.ingest(&lake.file("latin", latin));
    assert_eq!((&counts["documents"], &counts["refused"]), (&json!(2), &json!(1)));
}

fn a_torn_gzip_is_taken_not_at_all(lake: &Lake) {
    let lines: Vec<String> = (0..2_000)
        .map(|at| {
            nested(
                &format!("2025-01-15T15:{:02}:00Z", at % 60),
                "2025-01-17",
                None,
                &[(500.0 + f64::from(at), 1, 2, 3)],
            )
        })
        .collect();
    let text = lines.join("\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("gzip");
    let gzip = gzip.finish().expect("gzip");
    let zstd = zstd::encode_all(text.as_bytes(), 3).expect("zstd");
    let mut flipped = gzip.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    for (name, bytes) in [
        ("torn.gz", &gzip[..gzip.len() * 2 / 3]),
        ("torn.zst", &zstd[..zstd.len() * 2 / 3]),
        ("flipped.gz", &flipped),
        ("head.gz", &gzip[..5]),
    ] {
        let ran = lake.run(&["ingest", "greeks", "--json", &lake.file(name, bytes)]).ends(1);
        assert_eq!(ran.json()["documents"], 0, "{name}");
        assert!(ran.stderr.contains(name) && ran.stderr.contains("cannot be read"), "{}", ran.stderr);
        assert!(lake.objects().is_empty(), "{name}: nothing of it was taken");
    }
}

/// A document in one line, longer than any that is taken.
fn enormous() -> Vec<u8> {
    let mut text =
        br#"{"timestamp":"2025-01-15T15:00:00Z","symbol":"SPY","expiration":"2025-01-17","strikes":["#.to_vec();
    let mut strike = 1_000_000;
    while text.len() < 70_000_000 {
        text.extend_from_slice(format!(r#"{{"strike":{strike},"gamma":1,"vanna":2,"charm":3}},"#).as_bytes());
        strike += 1;
    }
    text.pop();
    text.extend_from_slice(b"]}\n");
    text
}

fn a_document_of_seventy_megabytes_is_refused_alone(lake: &Lake) {
    let good =
        |minute: i32| nested(&format!("2025-01-15T16:{minute:02}:00Z"), "2025-01-17", None, &[(580.0, 1, 2, 3)]) + "\n";
    let enormous = enormous();
    let in_the_middle = [good(1).as_bytes(), &enormous, good(2).as_bytes()].concat();
    let at_the_start = [&enormous, good(3).as_bytes(), good(4).as_bytes()].concat();
    for (name, text, line) in [("middle", in_the_middle, 2), ("start", at_the_start, 1)] {
        let lake = lake.another();
        let counts = lake.ingest(&lake.file(name, text));
        assert_eq!(counts, json!({"captures": 1, "documents": 2, "rows": 2, "duplicates": 0, "refused": 1}), "{name}");
        let rejected = lake.objects_under("raw/_rejected/");
        let kept = zstd::decode_all(rejected.values().next().expect("kept").as_ref()).expect("zstd");
        let kept: serde_json::Value = serde_json::from_slice(&kept).expect("one line");
        assert_eq!(kept["code"], "document_too_large", "{name}");
        assert_eq!(kept["place"], format!("document {line}, line {line}"), "{name}");
    }
}

/// A day of 390 minutes × 10 expirations × 300 strikes, 64 MB of JSON, written without generating any greeks.
fn write_day(date: &str, out: &mut impl Write) -> std::io::Result<()> {
    let mut line = Vec::new();
    for minute in 0..390 {
        for expiration in 0..10 {
            line.clear();
            write!(
                line,
                r#"{{"timestamp":"{date}T{:02}:{:02}:00Z","symbol":"SPY","expiration":"2025-02-{:02}","spot":588.12,"strikes":["#,
                15 + minute / 60,
                minute % 60,
                expiration + 1
            )?;
            for strike in 0..300 {
                let dollars = (minute * 7919 + strike * 104_729 + expiration * 31) % 100_000_003;
                write!(
                    line,
                    r#"{{"strike":{},"gamma":{dollars},"vanna":{},"charm":-{}}},"#,
                    400 + strike,
                    dollars / 3,
                    dollars / 7
                )?;
            }
            line.pop();
            line.extend_from_slice(b"]}\n");
            out.write_all(&line)?;
        }
    }
    Ok(())
}

/// The most memory a process ever had, in KiB; `None` once it has ended.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn memory_does_not_grow_with_the_input() {
    if peak_kib(std::process::id()).is_none() {
        println!("skipped: there is no /proc to read a process's memory from");
        return;
    }
    let lake = Lake::in_folder();
    let mut child =
        lake.command(&["ingest", "greeks", "--json", "-"]).stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    for date in ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16", "2025-01-17"] {
        write_day(date, &mut stdin).expect("the program reads");
    }
    let mut peak = peak_kib(child.id()).expect("the program runs");
    drop(stdin);
    // The captures are put into the lake after the input has ended.
    while let Some(now) = peak_kib(child.id()) {
        peak = peak.max(now);
        std::thread::yield_now();
    }
    let mut text = String::new();
    child.stdout.as_mut().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
    child.stdout = None;
    Ran::of(child).ends(0);
    let counts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(counts, json!({"captures": 5, "documents": 19_500, "rows": 5_850_000, "duplicates": 0, "refused": 0}));
    println!("peak memory: {} MiB", peak >> 10);
    assert!(peak < 300 << 10, "{} MiB", peak >> 10);
}
