//! Wall-clock times of the exchange: on both sides of the changes of the clock, and on half days.

use serde_json::Value;

use crate::lake::{Said, World, over_every_lake, said};

over_every_lake!(the_clock_is_new_yorks_in_winter_and_summer, half_days_end_at_one);

fn times(rows: &[Value]) -> Vec<&str> {
    let mut times: Vec<&str> = rows.iter().map(|row| row["timestamp"].as_str().expect("a text")).collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn the_clock_is_new_yorks_in_winter_and_summer(world: &World) {
    // New York went forward on 2024-03-10 and back on 2024-11-03.
    for (date, two_o_clock, opening, last) in [
        ("2024-03-08", "19:00", "14:30", "20:59"),
        ("2024-03-11", "18:00", "13:30", "19:59"),
        ("2024-11-01", "18:00", "13:30", "19:59"),
        ("2024-11-04", "19:00", "14:30", "20:59"),
        ("2025-01-15", "19:00", "14:30", "20:59"),
    ] {
        let instant = |time: &str| format!("{date}T{time}:00Z");
        let ask = |query: &str| world.server.get(&format!("/api/v1/greeks/SPY/{date}?{query}")).data();
        let all = said("SPY", date);
        for query in ["at=14:00", "start_time=14:00&end_time=14:01"] {
            let answered = ask(query);
            assert_eq!(times(&answered), [instant(two_o_clock)], "{date} {query}");
            let expected: Vec<Value> = all.iter().filter(|row| row.wall_clock == "14:00").map(Said::row).collect();
            assert_eq!(answered, expected, "{date} {query}");
        }
        assert_eq!(times(&ask("end_time=09:31")), [instant(opening)], "{date}");
        assert_eq!(times(&ask("start_time=15:59")), [instant(last)], "{date}");
        let sums = world.server.get(&format!("/api/v1/greeks/SPY/{date}/aggregate?at=14:00")).data();
        assert_eq!(times(&sums), [instant(two_o_clock)], "{date}");
    }
}

fn half_days_end_at_one(world: &World) {
    for (date, last) in [("2024-07-03", "2024-07-03T16:59:00Z"), ("2024-11-29", "2024-11-29T17:59:00Z")] {
        let rows = world.server.get(&format!("/api/v1/greeks/SPY/{date}")).data();
        assert_eq!(rows, said("SPY", date).iter().map(Said::row).collect::<Vec<_>>());
        let times = times(&rows);
        assert_eq!((times.len(), times.last().copied()), (210, Some(last)));
        let at_one = world.server.get(&format!("/api/v1/greeks/SPY/{date}?at=13:00")).data();
        assert!(at_one.is_empty(), "{date}");
        let covered = world.server.get(&format!("/api/v1/greeks/SPY/coverage?start={date}&end={date}")).data();
        assert_eq!(covered[0]["minutes_expected"], 210, "{date}");
        assert_eq!(covered[0]["minutes_seen"], 210, "{date}");
        assert_eq!(covered[0]["condition"], "available", "{date}");
    }
}
