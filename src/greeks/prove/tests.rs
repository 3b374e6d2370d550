//! The SQL of each kind of call against text written by hand.

use super::*;
use crate::market::Instruments;

fn call(text: &str) -> Call {
    call_about(&Instruments::builtin(), text)
}

fn call_about(instruments: &Instruments, text: &str) -> Call {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    match Call::read(&format!("/api/v1/greeks/{path}"), query, instruments).unwrap() {
        Reading::Provable(call) => *call,
        other => panic!("{text}: {other:?}"),
    }
}

fn day(date: &str, session: Option<(&str, &str)>) -> LakeDay {
    let instant = |text: &str| text.parse().unwrap();
    LakeDay { date: date.parse().unwrap(), session: session.map(|(open, close)| (instant(open), instant(close))) }
}

fn usual() -> LakeDay {
    day("2025-01-15", Some(("2025-01-15T14:30:00Z", "2025-01-15T21:00:00Z")))
}

#[test]
fn a_slice_names_its_file_and_spells_its_values() {
    let sql = call("SPY/2025-01-15?strike_min=580&strike_max=587.5&expiration=2025-01-17&start_time=14:00&end_time=15:00&greeks=charm,gamma")
        .sql("s3://prices/lake", &[usual()])
        .unwrap();
    let expected = "\
SELECT timestamp, expiration, strike, gamma_exposure, charm_exposure
FROM read_parquet('s3://prices/lake/greeks/symbol=SPY/date=2025-01-15/part-0.parquet', hive_partitioning = true)
WHERE expiration = DATE '2025-01-17'
  AND strike >= 580
  AND strike <= 587.5
  AND timestamp >= TIMESTAMPTZ '2025-01-15 19:00:00+00'
  AND timestamp < TIMESTAMPTZ '2025-01-15 20:00:00+00'
ORDER BY expiration, strike, timestamp;
";
    assert_eq!(sql, expected);
}

#[test]
fn sums_come_from_strikes_within_the_session_and_the_spot_from_the_minutes() {
    let sql = call("SPY/2025-01-15/aggregate?by=strike&greeks=gamma").sql("/data/lake", &[usual()]).unwrap();
    let expected = "\
SELECT timestamp, strike, gamma_exposure, strikes, spot
FROM (
  SELECT timestamp, strike,
    sum(gamma_exposure)::BIGINT AS gamma_exposure,
    count(*) AS strikes
  FROM read_parquet('/data/lake/greeks/symbol=SPY/date=2025-01-15/part-0.parquet', hive_partitioning = true)
  WHERE ((timestamp >= TIMESTAMPTZ '2025-01-15 14:30:00+00' AND timestamp < TIMESTAMPTZ '2025-01-15 21:00:00+00')
         -- The day's rows outside its session count only when there are no others.
         OR NOT EXISTS (
           SELECT 1 FROM read_parquet('/data/lake/greeks/symbol=SPY/date=2025-01-15/part-0.parquet', hive_partitioning = true)
           WHERE timestamp >= TIMESTAMPTZ '2025-01-15 14:30:00+00' AND timestamp < TIMESTAMPTZ '2025-01-15 21:00:00+00'))
  GROUP BY timestamp, strike
) AS sums
LEFT JOIN (
  SELECT timestamp, first(spot ORDER BY expiration) FILTER (WHERE spot IS NOT NULL) AS spot
  FROM read_parquet('/data/lake/greeks_by_minute/symbol=SPY/date=2025-01-15/part-0.parquet', hive_partitioning = true)
  GROUP BY timestamp
) AS spots USING (timestamp)
ORDER BY timestamp, strike;
";
    assert_eq!(sql, expected);
    let closed = call("SPY/2025-01-18/aggregate").sql("/data/lake", &[day("2025-01-18", None)]).unwrap();
    assert!(
        !closed.contains("WHERE (") && !closed.contains("NOT EXISTS"),
        "without a session every row counts: {closed}"
    );
}

#[test]
fn a_screen_over_two_days_says_each_days_session() {
    let days = [day("2025-01-14", None), usual()];
    let sql = call("SPY/screen?start=2025-01-01&end=2025-01-31&greek=vanna&below=-1e9&first=true")
        .sql("/lake", &days)
        .unwrap();
    let expected = "\
WITH sessions (date, opens, closes, minutes) AS (
  VALUES (DATE '2025-01-14', NULL::TIMESTAMPTZ, NULL::TIMESTAMPTZ, 0),
         (DATE '2025-01-15', TIMESTAMPTZ '2025-01-15 14:30:00+00', TIMESTAMPTZ '2025-01-15 21:00:00+00', 390)
),
totals AS (
  SELECT date, timestamp,
    sum(vanna_exposure)::BIGINT AS vanna_exposure,
    count(*) AS strikes
  FROM read_parquet([
    '/lake/greeks/symbol=SPY/date=2025-01-14/part-0.parquet',
    '/lake/greeks/symbol=SPY/date=2025-01-15/part-0.parquet'
  ], hive_partitioning = true, union_by_name = true)
  GROUP BY date, timestamp
),
placed AS (
  SELECT *, coalesce(timestamp >= opens AND timestamp < closes, false) AS inside
  FROM totals JOIN sessions USING (date)
),
-- Minutes outside the session count only when the day has no others.
counted AS (
  SELECT * FROM placed QUALIFY inside OR NOT bool_or(inside) OVER (PARTITION BY date)
)
SELECT date, min(vanna_exposure) AS value,
  first(timestamp ORDER BY vanna_exposure, timestamp) AS timestamp,
  first(timestamp ORDER BY timestamp) FILTER (WHERE vanna_exposure < -1000000000) AS first_timestamp,
  first(vanna_exposure ORDER BY timestamp) FILTER (WHERE vanna_exposure < -1000000000) AS first_value
FROM counted
WHERE vanna_exposure IS NOT NULL
GROUP BY date
HAVING bool_or(vanna_exposure < -1000000000)
ORDER BY date;
";
    assert_eq!(sql, expected);
}

#[test]
fn the_evening_of_a_session_is_the_day_before() {
    // Globex opens on Sunday 18:00 New York for Monday.
    let all_hours = Instruments::with_overrides("[ES]\ndefault_session = 'full'\n", "test").unwrap();
    let es = call_about(&all_hours, "ES/2025-01-13?start_time=18:00&end_time=09:30");
    let session = Some(("2025-01-12T23:00:00Z", "2025-01-13T22:00:00Z"));
    let sql = es.sql("/lake", &[day("2025-01-13", session)]).unwrap();
    assert!(sql.contains("timestamp >= TIMESTAMPTZ '2025-01-12 23:00:00+00'"), "{sql}");
    assert!(sql.contains("timestamp < TIMESTAMPTZ '2025-01-13 14:30:00+00'"), "{sql}");
}

#[test]
fn what_is_no_question_about_rows_is_told_apart() {
    let read = |path: &str, query| Call::read(path, query, &Instruments::builtin()).unwrap();
    for path in ["/api/v1/greeks/SPY/coverage", "/api/v1/greeks/SPY/files", "/api/v1/symbols", "/health"] {
        assert!(matches!(read(path, None), Reading::NotProvable(_)), "{path}");
    }
    assert!(matches!(read("/api/v1/greeks/SPY/2025-01-15", Some("at=14:32&as_of=x")), Reading::NotProvable(_)));
    for path in [
        "/",
        "/api/v2/greeks/SPY/latest",
        "/api/v1/tea/SPY/latest",
        "/api/v1/greeks/NOPE/latest",
        "/api/v1/greeks/SPY/soon",
    ] {
        assert!(matches!(read(path, None), Reading::Wrong), "{path}");
    }
    // An unknown parameter is never left out: the proof would be of another question.
    assert!(Call::read("/api/v1/greeks/SPY/latest", Some("colour=red"), &Instruments::builtin()).is_err());
}

#[test]
fn partitions_are_those_that_the_sql_names() {
    for text in [
        "SPY/2025-01-15",
        "SPY/latest",
        "SPY/2025-01-15/aggregate",
        "SPY/range?start=2025-01-01&end=2025-01-31",
        "SPY/range?start=2025-01-01&end=2025-01-31&by=minute",
        "SPY/screen?start=2025-01-01&end=2025-01-31&greek=gamma&above=1",
        "SPY/export?start=2025-01-01&end=2025-01-31",
    ] {
        let call = call(text);
        let sql = call.sql("/lake", &[usual()]).unwrap();
        let mut named: Vec<&str> = sql.split("'/lake/").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        named.sort_unstable();
        named.dedup();
        let keys: Vec<String> = call.partitions(&[usual()]).iter().map(PartitionId::data_key).collect();
        assert_eq!(named, keys, "{text}");
    }
}
