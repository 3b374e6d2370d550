//! Where the lake has bars, they decide.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Archive, PERIODS, clean, fates, price, with};
use crate::pitlake_binary::{Lake, on_every_store};
use crate::server::Server;

on_every_store!(
    bars_decide_and_originals_stay_answerable,
    bars_that_come_later_take_over,
    undo_leaves_what_was_computed
);

/// Minutes of which each reaches over its period's whole range, so that TPOs by minutes are those by periods.
fn minutes(date: &str) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    for minute in 0..390_u32 {
        let (_, high, low) = PERIODS[(minute / 30) as usize];
        let (hour, past) = ((570 + minute) / 60, (570 + minute) % 60);
        let (open, close) = (price(4), price(4 + u32::from(minute == 389)));
        writeln!(text, "{date} {hour:02}:{past:02}:00,{open},{},{},{close},100", price(high), price(low))
            .expect("a string");
    }
    text
}

fn bring_bars(lake: &Lake, date: &str) {
    let file = lake.file(&format!("bars-{date}.csv"), minutes(date));
    lake.run(&["ingest", "bars", "--symbol", "NQ", "--tz", "America/New_York", &file]).ends(0);
    lake.run(&["compact", "bars"]).ends(0);
}

fn asked(server: &Server, date: &str, more: &str) -> Value {
    server.get(&format!("/api/v1/tpo/NQ/{date}{more}")).ok().json()
}

/// A record whose point of control is outside of its value area.
fn wrong(date: &str) -> Value {
    with(clean(date), "poc", json!(price(9)))
}

fn bars_decide_and_originals_stay_answerable(lake: &Lake) {
    for date in ["2025-01-14", "2025-01-15"] {
        bring_bars(lake, date);
    }
    let records = json!([clean("2025-01-14"), wrong("2025-01-15"), clean("2025-01-16")]);
    let archive = Archive::new(lake, &[("a.json", records.to_string())]);
    let (_, account) = archive.migrate(&[]);
    assert_eq!(fates(&account), BTreeMap::from([("confirmed_by_bars", 1), ("imported", 1), ("recalculated", 1)]));
    let server = Server::over(lake);
    for date in ["2025-01-14", "2025-01-15"] {
        let current = asked(&server, date, "");
        assert_eq!(current["calculation_version"], "tpo-1", "{date}");
        // By rows of a tick, as the archive had them, bars make the session that was worked by hand.
        let by_ticks = asked(&server, date, "?row_ticks=1");
        for field in [
            "poc",
            "value_area_high",
            "value_area_low",
            "single_prints",
            "excess_high",
            "excess_low",
            "tpo_structure",
            "volume",
        ] {
            assert_eq!(by_ticks[field], clean(date)[field], "{date} {field}");
        }
    }
    assert_eq!(asked(&server, "2025-01-14", "?version=legacy")["poc"], price(6));
    server.get("/api/v1/tpo/NQ/2025-01-15?version=legacy").problem(404, "missing-day");
    assert_eq!(asked(&server, "2025-01-16", "")["calculation_version"], "legacy");
    lake.is_sound();
    assert_eq!(
        fates(&archive.migrate(&[]).1),
        BTreeMap::from([("already_imported", 2), ("recalculated", 1)]),
        "a second run"
    );
}

fn bars_that_come_later_take_over(lake: &Lake) {
    let archive = Archive::new(lake, &[("a.json", json!([clean("2025-01-14"), wrong("2025-01-15")]).to_string())]);
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("imported", 1), ("quarantined", 1)]));
    for date in ["2025-01-14", "2025-01-15"] {
        bring_bars(lake, date);
    }
    let (_, account) = archive.migrate(&[]);
    assert_eq!(fates(&account), BTreeMap::from([("already_imported", 1), ("recalculated", 1)]));
    assert_eq!(account["sessions"][0]["covered"], 2);
    let server = Server::over(lake);
    assert_eq!(asked(&server, "2025-01-14", "")["calculation_version"], "tpo-1");
    assert_eq!(asked(&server, "2025-01-14", "?version=legacy")["condition"], "degraded");
}

fn undo_leaves_what_was_computed(lake: &Lake) {
    bring_bars(lake, "2025-01-14");
    Archive::new(lake, &[("a.json", json!([clean("2025-01-14"), clean("2025-01-16")]).to_string())]).migrate(&[]);
    assert_eq!(lake.run(&["migrate", "legacy-tpo", "--undo", "--json"]).ends(0).json()["taken_back"], 2);
    let server = Server::over(lake);
    assert_eq!(asked(&server, "2025-01-14", "")["calculation_version"], "tpo-1");
    server.get("/api/v1/tpo/NQ/2025-01-14?version=legacy").problem(404, "missing-day");
    server.get("/api/v1/tpo/NQ/2025-01-16").problem(404, "missing-day");
    lake.is_sound();
}
