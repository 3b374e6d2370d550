//! Sums of a day by minute, expiration and strike: each is a plain loop over what was said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lake::{COLUMNS, DAY, LARGE_DAY, Said, World, over_every_lake, said};

over_every_lake!(
    sums_are_plain_sums,
    sums_take_the_filters_of_the_day,
    sums_of_a_day_of_many_row_groups,
    named_greeks_alone_are_summed,
    what_is_unknown_is_null_and_not_nought,
    rows_outside_the_session_stay_out_of_the_sums,
);

/// What an aggregate has one row for, as text that sorts like the answer (strikes here all have three digits before the point).
fn keys(by: &str, row: &Said) -> (String, String) {
    let second = match by {
        "minute" => String::new(),
        "expiration" => row.expiration.clone(),
        "strike" => format!("{:08.2}", row.strike),
        other => panic!("no {other}"),
    };
    (row.timestamp.clone(), second)
}

/// Plain sums of `rows`, all of which have the same spot in one minute.
fn summed<'a>(by: &str, rows: impl IntoIterator<Item = &'a Said>) -> Vec<Value> {
    let mut groups: BTreeMap<(String, String), Vec<&Said>> = BTreeMap::new();
    for row in rows {
        groups.entry(keys(by, row)).or_default().push(row);
    }
    let sum_up = |rows: &Vec<&Said>| {
        let mut sum = json!({"timestamp": rows[0].timestamp, "strikes": rows.len(), "spot": rows[0].spot});
        match by {
            "expiration" => sum["expiration"] = json!(rows[0].expiration),
            "strike" => sum["strike"] = json!(rows[0].strike),
            _ => {}
        }
        for (at, column) in COLUMNS.iter().enumerate() {
            sum[column] = json!(rows.iter().map(|row| row.greeks[at].expect("all are known")).sum::<i64>());
        }
        sum
    };
    groups.values().map(sum_up).collect()
}

fn ask(world: &World, date: &str, query: &str) -> Vec<Value> {
    world.server.get(&format!("/api/v1/greeks/SPY/{date}/aggregate?{query}")).data()
}

fn sums_are_plain_sums(world: &World) {
    let all = said("SPY", DAY);
    for (by, rows) in [("minute", 390), ("expiration", 390 * 3), ("strike", 390 * 21)] {
        let expected = summed(by, &all);
        assert_eq!(expected.len(), rows);
        assert_eq!(ask(world, DAY, &format!("by={by}")), expected, "{by}");
    }
    assert_eq!(ask(world, DAY, ""), summed("minute", &all), "by minute unless said otherwise");
    let reply = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}/aggregate?by=strike&format=csv")).ok();
    let header = "timestamp,strike,gamma_exposure,vanna_exposure,charm_exposure,strikes,spot";
    assert_eq!(reply.text().lines().next(), Some(header));
}

fn sums_take_the_filters_of_the_day(world: &World) {
    let all = said("SPY", DAY);
    type Plain = fn(&Said) -> bool;
    let filters: [(&str, Plain); 9] = [
        ("at=14:32", |row| row.wall_clock == "14:32"),
        ("start_time=10:00&end_time=10:03", |row| ("10:00".."10:03").contains(&row.wall_clock.as_str())),
        ("expiration=2025-01-17", |row| row.expiration == "2025-01-17"),
        ("expiration=2025-01-17&at=15:59", |row| row.expiration == "2025-01-17" && row.wall_clock == "15:59"),
        ("strike=585", |row| row.strike == 585.0),
        ("strike_min=580&strike_max=583", |row| (580.0..=583.0).contains(&row.strike)),
        ("strike_min=588&at=09:30", |row| row.strike >= 588.0 && row.wall_clock == "09:30"),
        ("strike_max=580&expiration=2025-01-15", |row| row.strike <= 580.0 && row.expiration == "2025-01-15"),
        ("strike=585&expiration=2025-01-17&start_time=15:58", |row| {
            row.strike == 585.0 && row.expiration == "2025-01-17" && row.wall_clock.as_str() >= "15:58"
        }),
    ];
    for (query, plain) in filters {
        for by in ["minute", "expiration", "strike"] {
            let expected = summed(by, all.iter().filter(|row| plain(row)));
            assert!(!expected.is_empty(), "{query} selects something");
            let answered = ask(world, DAY, &format!("by={by}&{query}"));
            assert!(answered == expected, "{by} {query}: {:?} is not {:?}", answered.first(), expected.first());
        }
    }
}

fn sums_of_a_day_of_many_row_groups(world: &World) {
    let all = said("SPY", LARGE_DAY);
    for by in ["minute", "expiration", "strike"] {
        assert!(ask(world, LARGE_DAY, &format!("by={by}")) == summed(by, &all), "{by}");
    }
    let low = summed("minute", all.iter().filter(|row| row.strike <= 570.0));
    assert!(!low.is_empty() && ask(world, LARGE_DAY, "strike_max=570") == low);
}

fn named_greeks_alone_are_summed(world: &World) {
    for by in ["minute", "expiration", "strike"] {
        let rows = ask(world, DAY, &format!("by={by}&at=14:32&greeks=charm,gamma"));
        let mut expected = summed(by, said("SPY", DAY).iter().filter(|row| row.wall_clock == "14:32"));
        for row in &mut expected {
            row.as_object_mut().expect("an object").remove("vanna_exposure");
        }
        assert_eq!(rows, expected, "{by}");
    }
}

fn what_is_unknown_is_null_and_not_nought(world: &World) {
    let ask = |by: &str| json!(world.server.get(&format!("/api/v1/greeks/QQQ/{DAY}/aggregate?by={by}")).data());
    let (first, second) = ("2025-01-15T19:32:00Z", "2025-01-15T19:33:00Z");
    let largest = 9_000_000_000_000_000_i64;
    let minutes = json!([
        {"timestamp": first, "gamma_exposure": 1002, "vanna_exposure": -7, "charm_exposure": -4, "strikes": 3, "spot": 510.25},
        {"timestamp": second, "gamma_exposure": null, "vanna_exposure": null, "charm_exposure": largest, "strikes": 1, "spot": null},
    ]);
    assert_eq!(ask("minute"), minutes);
    let expirations = json!([
        {"timestamp": first, "expiration": "2025-01-17", "gamma_exposure": 1002, "vanna_exposure": null, "charm_exposure": -4, "strikes": 2, "spot": null},
        {"timestamp": first, "expiration": "2025-01-24", "gamma_exposure": null, "vanna_exposure": -7, "charm_exposure": null, "strikes": 1, "spot": 510.25},
        {"timestamp": second, "expiration": "2025-01-17", "gamma_exposure": null, "vanna_exposure": null, "charm_exposure": largest, "strikes": 1, "spot": null},
    ]);
    assert_eq!(ask("expiration"), expirations);
    let strikes = json!([
        {"timestamp": first, "strike": 510.5, "gamma_exposure": 2, "vanna_exposure": null, "charm_exposure": -4, "strikes": 1, "spot": 510.25},
        {"timestamp": first, "strike": 511.0, "gamma_exposure": 1000, "vanna_exposure": -7, "charm_exposure": null, "strikes": 2, "spot": 510.25},
        {"timestamp": second, "strike": 511.0, "gamma_exposure": null, "vanna_exposure": null, "charm_exposure": largest, "strikes": 1, "spot": null},
    ]);
    assert_eq!(ask("strike"), strikes);
}

fn rows_outside_the_session_stay_out_of_the_sums(world: &World) {
    let all = said("IWM", DAY);
    let rows: Vec<Value> = all.iter().map(Said::row).collect();
    assert_eq!(world.server.get(&format!("/api/v1/greeks/IWM/{DAY}")).data(), rows, "the strike level keeps them");
    let inside: Vec<&Said> = all.iter().filter(|row| ("09:30".."16:00").contains(&row.wall_clock.as_str())).collect();
    assert_eq!(inside.len(), 2);
    for by in ["minute", "expiration", "strike"] {
        for filter in ["", "&strike=220", "&expiration=2025-01-17", "&start_time=09:00&end_time=17:00"] {
            let answered = world.server.get(&format!("/api/v1/greeks/IWM/{DAY}/aggregate?by={by}{filter}")).data();
            assert_eq!(answered, summed(by, inside.iter().copied()), "{by}{filter}");
        }
    }
}
