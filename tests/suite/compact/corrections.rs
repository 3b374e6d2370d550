//! Of two rows for one minute, expiration and strike: the later source time wins, then the one received last. A correction of a
//! closed day is a new revision; a day that is still open stays at its first.

use serde_json::json;

use crate::pitlake_binary::{Lake, nested, on_every_store};

on_every_store!(
    a_correction_wins_and_makes_a_revision,
    the_order_of_lines_decides_what_times_do_not,
    a_correction_may_replace_one_strike_and_take_away_a_greek,
    an_open_day_is_pending_and_keeps_its_first_revision,
);

const EXPIRES: &str = "2025-01-17";

fn gammas(lake: &Lake, date: &str) -> Vec<i64> {
    lake.strikes("SPY", date).iter().map(|row| row.greeks[0].expect("gamma")).collect()
}

fn said(second: &str, gamma: i64) -> Vec<String> {
    vec![nested(&format!("2025-01-15T15:00:{second}Z"), EXPIRES, Some(588.0), &[(580.0, gamma, 0, 0)])]
}

fn a_correction_wins_and_makes_a_revision(lake: &Lake) {
    lake.ingest_lines(&[nested("2025-01-14T15:00:00Z", EXPIRES, None, &[(580.0, 5, 5, 5)])]);
    // (what comes next, the gamma and revision after it)
    let steps = [
        ("20", 100, 100, 1),
        ("40", 200, 200, 2), // a later second of the minute
        ("40", 300, 300, 3), // the same source time, received later
        ("30", 400, 300, 4), // an earlier source time, received later: another capture, the same row
    ];
    for (second, gamma, wins, revision) in steps {
        lake.ingest_lines(&said(second, gamma));
        lake.compact(&[]);
        assert_eq!(gammas(lake, "2025-01-15"), [wins], "after {gamma} of second {second}");
        let manifest = lake.manifest("SPY", "2025-01-15");
        assert_eq!(
            (&manifest["revision"], &manifest["counts"]["duplicates"]),
            (&json!(revision), &json!(revision - 1))
        );
        assert_eq!(lake.day("SPY", "2025-01-15")["gamma_close"], wins.to_string());
        assert_eq!(lake.minutes("SPY", "2025-01-15")[0].greeks[0], Some(wins));
        lake.is_sound();
    }
    let reasons = lake.manifest("SPY", "2025-01-15")["reasons"].clone();
    let duplicates = reasons.as_array().expect("a list").iter().find(|reason| reason["code"] == "duplicates");
    assert_eq!(duplicates.map(|reason| (&reason["count"], &reason["degrades"])), Some((&json!(3), &json!(false))));
    assert_eq!(lake.manifest("SPY", "2025-01-14")["revision"], 1, "the other day was left alone");
}

fn the_order_of_lines_decides_what_times_do_not(lake: &Lake) {
    // One file is received within one instant or nearly so; its order is the order of receipt.
    lake.ingest_lines(&[said("20", 1), said("50", 2), said("50", 3), said("40", 4)].concat());
    lake.compact(&[]);
    assert_eq!(gammas(lake, "2025-01-15"), [3]);
}

fn a_correction_may_replace_one_strike_and_take_away_a_greek(lake: &Lake) {
    lake.ingest_lines(&[nested("2025-01-15T15:00:00Z", EXPIRES, Some(588.0), &[(580.0, 1, 2, 3), (585.0, 4, 5, 6)])]);
    lake.ingest_lines(&[format!(
        r#"{{"timestamp":"2025-01-15T15:00:01Z","symbol":"SPY","expiration":"{EXPIRES}","spot":589.5,"strikes":[{{"strike":585,"vanna":50}}]}}"#
    )]);
    lake.compact(&[]);
    let rows: Vec<_> = lake.strikes("SPY", "2025-01-15").iter().map(|row| (row.strike, row.greeks)).collect();
    assert_eq!(rows, [(580.0, [Some(1), Some(2), Some(3)]), (585.0, [None, Some(50), None])], "a row wins whole");
    let minutes = lake.minutes("SPY", "2025-01-15");
    assert_eq!(
        (minutes[0].spot, minutes[0].greeks, minutes[0].strikes),
        (Some(589.5), [Some(1), Some(52), Some(3)], 2)
    );
}

fn an_open_day_is_pending_and_keeps_its_first_revision(lake: &Lake) {
    // A Thursday so far ahead that its session has not closed whenever this runs.
    let line = |minute: u32| {
        nested(&format!("2099-01-15T15:{minute:02}:00Z"), "2099-01-16", None, &[(580.0, minute.into(), 0, 0)])
    };
    for minute in 0..3 {
        lake.ingest_lines(&[line(minute)]);
        let told = lake.compact(&[]);
        assert!(told.iter().all(|outcome| outcome["revision"] == 1 && outcome["condition"] == "pending"), "{told:?}");
        assert_eq!(lake.strikes("SPY", "2099-01-15").len(), minute as usize + 1);
    }
    let manifest = lake.manifest("SPY", "2099-01-15");
    assert_eq!(manifest["calculation"]["session_closed"], false);
    // Minutes that have not come yet are not missing: judged up to the last one seen, 14:30 to 15:03.
    assert_eq!(
        manifest["gaps"],
        json!([{"start": "2099-01-15T14:30:00Z", "end": "2099-01-15T15:00:00Z", "minutes": 30, "cause": "no_data_received"}])
    );
    lake.is_sound();
}
