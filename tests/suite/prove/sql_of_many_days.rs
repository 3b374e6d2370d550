//! The SQL over many days, run by DuckDB itself over the test's lake: against the rollups that compaction made, and against a day
//! small enough to be worked out by hand.

use super::*;

/// The call's SQL over the days that the lake has in its years.
fn sql(lake: &Lake, call: &str) -> String {
    let (path, query) = call.split_once('?').expect("a query");
    let reading = Call::read(&format!("/api/v1/greeks/{path}"), Some(query), &Instruments::builtin()).expect("read");
    let Reading::Provable(call) = reading else { panic!("{call} is {reading:?}") };
    let mut days = Vec::new();
    for (key, manifest) in lake.objects_under(&format!("_manifest/greeks/symbol={}/", call.symbol)) {
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        let Some(date) = manifest["date"].as_str() else { continue };
        let date: TradingDate = date.parse().expect("a date");
        let instant = |name: &str| manifest["session"][name].as_str().map(|text| text.parse().expect("an instant"));
        assert!(key.contains(&date.to_string()));
        days.push(LakeDay { date, session: instant("open").zip(instant("close")) });
    }
    let pitlake::greeks::prove::Days::Between(start, end) = call.days() else { panic!("not many days") };
    days.retain(|day| (start..=end).contains(&day.date));
    let root = lake.root();
    let text = call.sql(root.strip_prefix("file://").expect("a folder"), &days).expect("SQL");
    text.trim_end().trim_end_matches(';').to_owned()
}

/// Each row as DuckDB prints it, names included.
fn rows(sql: &str) -> Vec<String> {
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let mut statement = duckdb
        .prepare(&format!("SELECT o::VARCHAR FROM ({sql}) AS o"))
        .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

#[test]
fn statistics_are_those_of_the_year_table() {
    let lake = in_folder();
    let folder = lake.root().replace("file://", "");
    for (symbol, year, days) in
        [("SPY", 2024, 6), ("SPY", 2025, 2), ("QQQ", 2025, 1), ("IWM", 2025, 1), ("SPX", 2025, 1)]
    {
        let ours = rows(&sql(&lake, &format!("{symbol}/range?start={year}-01-01&end={year}-12-31")));
        let file = format!("{folder}/greeks_by_day/symbol={symbol}/year={year}/part-0.parquet");
        let stored = rows(&format!("SELECT * FROM read_parquet('{file}', hive_partitioning = false) ORDER BY date"));
        assert_eq!(ours.len(), days, "{symbol} {year}");
        assert_eq!(ours, stored, "{symbol} {year}");
    }
}

#[test]
fn minutes_are_sums_of_the_minute_table() {
    let lake = in_folder();
    let folder = lake.root().replace("file://", "");
    let ours = rows(&sql(&lake, "SPY/range?start=2024-03-01&end=2024-03-31&by=minute"));
    let stored = rows(&format!(
        "SELECT timestamp, sum(gamma_exposure)::BIGINT AS gamma_exposure, sum(vanna_exposure)::BIGINT AS vanna_exposure, \
         sum(charm_exposure)::BIGINT AS charm_exposure, sum(strikes)::BIGINT AS strikes, arg_min(spot, expiration) AS spot \
         FROM read_parquet('{folder}/greeks_by_minute/symbol=SPY/date=2024-03-*/part-0.parquet') GROUP BY 1 ORDER BY 1"
    ));
    assert_eq!(ours.len(), 2 * 390);
    assert_eq!(ours, stored);
}

/// Session rows only: 10 at 09:30, 100 at 15:59; 1 before and 1000 after do not count.
#[test]
fn rows_outside_the_session_cross_nothing() {
    let lake = in_folder();
    let screen =
        |what: &str| rows(&sql(&lake, &format!("IWM/screen?start=2025-01-01&end=2025-12-31&greek=gamma&{what}")));
    assert_eq!(screen("above=100"), Vec::<String>::new());
    assert_eq!(screen("above=99.5"), ["{'date': 2025-01-15, 'value': 100, 'timestamp': '2025-01-15 20:59:00+00'}"]);
    assert_eq!(
        screen("below=11&first=true"),
        ["{'date': 2025-01-15, 'value': 10, 'timestamp': '2025-01-15 14:30:00+00', \
          'first_timestamp': '2025-01-15 14:30:00+00', 'first_value': 10}"]
    );
    let minutes = rows(&sql(&lake, "IWM/range?start=2025-01-15&end=2025-01-15&by=minute&greeks=gamma"));
    let minute = |at: &str, gamma: i64, spot: &str| {
        format!("{{'timestamp': '2025-01-15 {at}+00', 'gamma_exposure': {gamma}, 'strikes': 1, 'spot': {spot}}}")
    };
    assert_eq!(minutes, [minute("14:30:00", 10, "221.0"), minute("20:59:00", 100, "222.0")]);
}

/// Only the farther expiration of 14:32 has a spot; only the nearer one has a row at 14:33.
#[test]
fn one_expiration_keeps_the_minutes_spot() {
    let lake = in_folder();
    let of = |expiration: &str| {
        rows(&sql(&lake, &format!("QQQ/range?start=2025-01-15&end=2025-01-15&by=minute&expiration={expiration}")))
    };
    let minute = |greeks: &str, strikes: i64| {
        format!("{{'timestamp': '2025-01-15 19:32:00+00', {greeks}, 'strikes': {strikes}, 'spot': 510.25}}")
    };
    let farther = minute("'gamma_exposure': NULL, 'vanna_exposure': -7, 'charm_exposure': NULL", 1);
    assert_eq!(of("2025-01-24"), [farther]);
    let nearer = of("2025-01-17");
    assert_eq!(nearer[0], minute("'gamma_exposure': 1002, 'vanna_exposure': NULL, 'charm_exposure': -4", 2));
    assert_eq!(nearer.len(), 2);
}

#[test]
fn an_export_has_every_row_of_every_day_at_its_own_wall_clock() {
    let lake = in_folder();
    let count = |what: &str| rows(&sql(&lake, &format!("SPY/export?start=2024-03-01&end=2024-03-31{what}"))).len();
    assert_eq!(count(""), said("SPY", "2024-03-08").len() + said("SPY", "2024-03-11").len());
    // 10:00 in New York is 15:00 UTC before the clocks change and 14:00 after.
    let at: Vec<String> = rows(&sql(&lake, "SPY/export?start=2024-03-01&end=2024-03-31&at=10:00&greeks=gamma"));
    assert_eq!(at.len(), 2 * 3 * 21);
    assert!(at[0].starts_with("{'date': 2024-03-08, 'timestamp': '2024-03-08 15:00:00+00', "), "{}", at[0]);
    assert!(
        at[at.len() - 1].starts_with("{'date': 2024-03-11, 'timestamp': '2024-03-11 14:00:00+00', "),
        "{}",
        at[at.len() - 1]
    );
}
