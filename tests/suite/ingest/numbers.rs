//! Numbers at their edges: rounding half to even, the largest there are, and the capture that keeps what was sent.

use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(dollars_are_rounded_half_to_even, the_largest_numbers_are_exact, the_capture_keeps_the_number_as_sent);

fn document(strike: &str, gamma: &str) -> String {
    format!(
        r#"{{"timestamp":"2025-01-15T15:00:00Z","symbol":"SPY","expiration":"2025-01-17","strike":{strike},"gamma_exposure":{gamma}}}"#
    )
}

/// What each text of a gamma becomes, one strike each.
fn stored(lake: &Lake, texts: &[&str]) -> Vec<i64> {
    let lines: Vec<String> =
        texts.iter().enumerate().map(|(at, text)| document(&format!("{}", 500 + at), text)).collect();
    assert_eq!(lake.ingest_lines(&lines)["refused"], 0);
    lake.compact(&[]);
    lake.strikes("SPY", "2025-01-15").iter().map(|row| row.greeks[0].expect("gamma")).collect()
}

fn dollars_are_rounded_half_to_even(lake: &Lake) {
    let texts = [
        "0.5",
        "1.5",
        "2.5",
        "-0.5",
        "-1.5",
        "-2.5",
        "0.49999999999999994",
        "0.5000000000000001",
        "1e-300",
        "12345.5",
        "12346.5",
    ];
    assert_eq!(stored(lake, &texts), [0, 2, 2, 0, -2, -2, 0, 1, 0, 12346, 12346]);
}

fn the_largest_numbers_are_exact(lake: &Lake) {
    let texts = ["9000000000000000", "-9000000000000000", "9e15", "8999999999999999", "-8999999999999999", "0", "-0.0"];
    let most = 9_000_000_000_000_000;
    assert_eq!(stored(lake, &texts), [most, -most, most, most - 1, 1 - most, 0, 0]);
}

fn the_capture_keeps_the_number_as_sent(lake: &Lake) {
    let line = document("580.10", "-142500000.123456789012345678");
    lake.ingest_lines(std::slice::from_ref(&line));
    let captures = lake.objects_under("raw/greeks/symbol=SPY/date=2025-01-15/");
    let text = zstd::decode_all(captures.values().next().expect("a capture").as_ref()).expect("zstd");
    assert!(String::from_utf8(text).expect("UTF-8").contains(&line));
}
