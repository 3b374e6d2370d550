//! One day at strike level, its latest minute, and a symbol's other names: each answer is a plain filter of what was said.

use serde_json::{Value, json};

use crate::lake::{COLUMNS, DAY, LARGE_DAY, LARGE_DAY_ROWS, Said, World, over_every_lake, said};

over_every_lake!(
    the_whole_day_is_what_was_said,
    every_filter_is_a_plain_filter,
    named_greeks_alone_are_answered,
    a_day_of_many_row_groups_filters_alike,
    nothing_selected_is_an_empty_list,
    the_envelope_is_the_contracts,
    the_latest_minute_is_the_last_one_said,
    a_providers_spelling_finds_the_instrument,
    what_no_source_sent_is_null,
);

fn rows<'a>(said: impl IntoIterator<Item = &'a Said>) -> Vec<Value> {
    said.into_iter().map(Said::row).collect()
}

fn the_whole_day_is_what_was_said(world: &World) {
    let all = said("SPY", DAY);
    assert_eq!(all.len(), 3 * 21 * 390);
    assert_eq!(world.server.get("/api/v1/greeks/SPY/2025-01-15").data(), rows(&all));
}

fn every_filter_is_a_plain_filter(world: &World) {
    let all = said("SPY", DAY);
    let strikes: Vec<f64> = all.iter().map(|row| row.strike).collect();
    let (lowest, highest) =
        (strikes.iter().copied().fold(f64::MAX, f64::min), strikes.iter().copied().fold(0.0, f64::max));
    assert!(lowest <= 580.0 && 590.0 <= highest, "the strikes below are inside");
    let second = "2025-01-17";
    type Plain = fn(&Said) -> bool;
    let filters: [(&str, Plain); 26] = [
        ("strike=585", |row| row.strike == 585.0),
        ("strike=585.0", |row| row.strike == 585.0),
        ("strike=%35%385", |row| row.strike == 585.0),
        ("strike_min=588", |row| row.strike >= 588.0),
        ("strike_max=580", |row| row.strike <= 580.0),
        ("strike_min=580&strike_max=583", |row| (580.0..=583.0).contains(&row.strike)),
        ("strike_min=580.5&strike_max=581.5", |row| row.strike == 581.0),
        ("strike_min=583&strike_max=583", |row| row.strike == 583.0),
        ("strike=585&strike_min=584&strike_max=586", |row| row.strike == 585.0),
        ("expiration=2025-01-15", |row| row.expiration == "2025-01-15"),
        ("expiration=2025-01-17", |row| row.expiration == "2025-01-17"),
        ("start_time=15:58", |row| row.wall_clock.as_str() >= "15:58"),
        ("start_time=15:58:00", |row| row.wall_clock.as_str() >= "15:58"),
        // Between two minutes: the minute that has begun is over.
        ("start_time=15:57:30", |row| row.wall_clock.as_str() >= "15:58"),
        ("end_time=09:32", |row| row.wall_clock.as_str() < "09:32"),
        ("end_time=09:31:01", |row| row.wall_clock.as_str() < "09:32"),
        ("start_time=10:00&end_time=10:05", |row| ("10:00".."10:05").contains(&row.wall_clock.as_str())),
        ("start_time=10:00&end_time=10:01", |row| row.wall_clock == "10:00"),
        ("start_time=00:00&end_time=23:59", |_| true),
        ("at=14:32", |row| row.wall_clock == "14:32"),
        ("at=14:32:59", |row| row.wall_clock == "14:32"),
        ("at=15:59", |row| row.wall_clock == "15:59"),
        ("at=09:30&strike=585", |row| row.wall_clock == "09:30" && row.strike == 585.0),
        ("expiration=2025-01-17&strike=585", |row| row.expiration == "2025-01-17" && row.strike == 585.0),
        ("expiration=2025-01-17&strike_min=589&start_time=12:00&end_time=12:02", |row| {
            row.expiration == "2025-01-17"
                && row.strike >= 589.0
                && ("12:00".."12:02").contains(&row.wall_clock.as_str())
        }),
        ("end_time=12:02&start_time=12:00&strike_min=589&expiration=2025-01-17", |row| {
            row.expiration == "2025-01-17"
                && row.strike >= 589.0
                && ("12:00".."12:02").contains(&row.wall_clock.as_str())
        }),
    ];
    assert!(all.iter().any(|row| row.expiration == second));
    for (query, plain) in filters {
        let expected = rows(all.iter().filter(|row| plain(row)));
        assert!(!expected.is_empty(), "{query} selects something");
        // Twice: from the file, then from what is in memory by now.
        for _ in 0..2 {
            let answered = world.server.get(&format!("/api/v1/greeks/SPY/2025-01-15?{query}")).data();
            assert!(answered == expected, "{query}: {} rows, not {}", answered.len(), expected.len());
        }
    }
}

fn named_greeks_alone_are_answered(world: &World) {
    let minute: Vec<Said> = said("SPY", DAY).into_iter().filter(|row| row.wall_clock == "14:32").collect();
    for (greeks, wanted) in
        [("gamma", &[0][..]), ("charm,gamma", &[0, 2]), ("vanna", &[1]), ("gamma,vanna,charm", &[0, 1, 2])]
    {
        let expected: Vec<Value> = minute
            .iter()
            .map(|said| {
                let mut row =
                    json!({"timestamp": said.timestamp, "expiration": said.expiration, "strike": said.strike});
                wanted.iter().for_each(|at| row[COLUMNS[*at]] = json!(said.greeks[*at]));
                row
            })
            .collect();
        assert_eq!(world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?at=14:32&greeks={greeks}")).data(), expected);
        let csv = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?at=14:32&greeks={greeks}&format=csv")).ok();
        let columns: Vec<&str> = wanted.iter().map(|at| COLUMNS[*at]).collect();
        let header = format!("timestamp,expiration,strike,{}", columns.join(","));
        assert_eq!(csv.text().lines().next(), Some(header.as_str()), "in the order of the schema");
    }
}

fn a_day_of_many_row_groups_filters_alike(world: &World) {
    let all = said("SPY", LARGE_DAY);
    assert_eq!(all.len(), LARGE_DAY_ROWS);
    type Plain = fn(&Said) -> bool;
    let filters: [(&str, Plain); 4] = [
        ("strike=585", |row| row.strike == 585.0),
        ("at=15:59", |row| row.wall_clock == "15:59"),
        ("start_time=12:00&end_time=12:10", |row| ("12:00".."12:10").contains(&row.wall_clock.as_str())),
        ("expiration=2025-01-17", |row| row.expiration == "2025-01-17"),
    ];
    for (query, plain) in filters {
        let expected = rows(all.iter().filter(|row| plain(row)));
        assert!(!expected.is_empty(), "{query} selects something");
        let answered = world.server.get(&format!("/api/v1/greeks/SPY/{LARGE_DAY}?{query}")).data();
        assert!(answered == expected, "{query}: {} rows, not {}", answered.len(), expected.len());
    }
}

fn nothing_selected_is_an_empty_list(world: &World) {
    for query in [
        "strike=1",
        "strike=585.25",
        "expiration=2026-01-16",
        "at=08:00",
        "end_time=09:30",
        "start_time=16:00",
        "strike=585&strike_min=586",
        "strike_max=0.5",
    ] {
        let reply = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?{query}")).ok();
        assert!(reply.text().trim_end().ends_with("\"data\":[],\"count\":0}"), "{query}: {}", reply.text());
        assert_eq!(reply.header("pitlake-condition"), "available");
    }
    let aggregate = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}/aggregate?by=strike&at=08:00")).ok();
    assert!(aggregate.text().trim_end().ends_with("\"data\":[],\"count\":0}"), "{}", aggregate.text());
}

fn the_envelope_is_the_contracts(world: &World) {
    for (path, head) in [
        (
            "/api/v1/greeks/SPY/2025-01-15",
            r#"{"symbol":"SPY","date":"2025-01-15","revision":1,"condition":"available","#,
        ),
        (
            "/api/v1/greeks/QQQ/2025-01-15",
            r#"{"symbol":"QQQ","date":"2025-01-15","revision":1,"condition":"degraded","#,
        ),
        ("/api/v1/greeks/SPY/latest", r#"{"symbol":"SPY","date":"2025-01-15","revision":1,"condition":"available","#),
        (
            "/api/v1/greeks/SPY/2025-01-15/aggregate",
            r#"{"symbol":"SPY","date":"2025-01-15","revision":1,"condition":"available","#,
        ),
    ] {
        let reply = world.server.get(path).ok();
        let text = reply.text();
        assert!(text.starts_with(head), "{path}: {}", &text[..200]);
        let (data, count) = (text.find("\"data\":[").expect("data"), text.rfind("],\"count\":").expect("count"));
        assert!(head.len() < data && data < count, "{path}");
        let condition = if path.contains("QQQ") { "degraded" } else { "available" };
        assert_eq!(reply.header("pitlake-condition"), condition, "{path}");
        assert_eq!(reply.header("pitlake-revision"), "1", "{path}");
        assert_eq!(reply.header("content-type"), "application/json", "{path}");
    }
}

fn the_latest_minute_is_the_last_one_said(world: &World) {
    let all = said("SPY", DAY);
    let last = |row: &&Said| row.wall_clock == "15:59";
    let latest = |query: &str| world.server.get(&format!("/api/v1/greeks/SPY/latest{query}")).data();
    assert_eq!(latest(""), rows(all.iter().filter(last)));
    assert_eq!(latest("?strike=585"), rows(all.iter().filter(last).filter(|row| row.strike == 585.0)));
    let narrow = all.iter().filter(last).filter(|row| row.expiration == "2025-01-17" && row.strike >= 588.0);
    assert_eq!(latest("?expiration=2025-01-17&strike_min=588"), rows(narrow));
    assert!(latest("?strike=1").is_empty());
    // The last minute is the last one that has rows, in the session or not.
    let iwm = world.server.get("/api/v1/greeks/IWM/latest").data();
    assert_eq!(iwm, rows(said("IWM", DAY).iter().filter(|row| row.wall_clock == "16:00")));
}

fn a_providers_spelling_finds_the_instrument(world: &World) {
    let expected = rows(&said("SPX", DAY));
    assert_eq!(expected.len(), 2);
    for spelling in ["SPX", "^SPX", "%5ESPX", "SPXW", "$SPX", "%53PX"] {
        let reply = world.server.get(&format!("/api/v1/greeks/{spelling}/{DAY}")).ok();
        assert_eq!(reply.json()["symbol"], "SPX", "{spelling}");
        assert_eq!(reply.data(), expected, "{spelling}");
    }
}

fn what_no_source_sent_is_null(world: &World) {
    let by_hand = json!([
        {"timestamp": "2025-01-15T19:32:00Z", "expiration": "2025-01-17", "strike": 510.5, "gamma_exposure": 2, "vanna_exposure": null, "charm_exposure": -4},
        {"timestamp": "2025-01-15T19:32:00Z", "expiration": "2025-01-17", "strike": 511.0, "gamma_exposure": 1000, "vanna_exposure": null, "charm_exposure": null},
        {"timestamp": "2025-01-15T19:33:00Z", "expiration": "2025-01-17", "strike": 511.0, "gamma_exposure": null, "vanna_exposure": null, "charm_exposure": 9_000_000_000_000_000_i64},
        {"timestamp": "2025-01-15T19:32:00Z", "expiration": "2025-01-24", "strike": 511.0, "gamma_exposure": null, "vanna_exposure": -7, "charm_exposure": null},
    ]);
    assert_eq!(json!(rows(&said("QQQ", DAY))), by_hand);
    assert_eq!(json!(world.server.get(&format!("/api/v1/greeks/QQQ/{DAY}")).data()), by_hand);
}
