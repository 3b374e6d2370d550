//! SQL for the answers about many days: statistics per day, totals per minute, days beyond a threshold, rows. All of it from the
//! strike level up. Nothing is added up over time. Pure.

use super::call::{Filter, Screen};
use super::literal;
use super::one_day::SPOT;
use super::{Files, LakeDay, Times};
use crate::greeks::record::{GREEKS, GREEKS_BY_MINUTE, Greek};
use crate::market::TradingDate;

/// Strike level of every day, one day after the other. `times` has the wall-clock bounds of each, if any were asked for.
pub(super) fn export(files: &Files<'_>, filter: &Filter, times: &[(TradingDate, Times)]) -> String {
    let mut conditions = filter.conditions();
    let mut bounds = String::new();
    if !times.is_empty() {
        let instant = |micros: Option<i64>| micros.map_or("NULL::TIMESTAMPTZ".to_owned(), literal::instant);
        let row = |(date, (from, to)): &(TradingDate, Times)| {
            format!("({}, {}, {})", literal::date(*date), instant(*from), instant(*to))
        };
        let rows: Vec<String> = times.iter().map(row).collect();
        bounds =
            format!("JOIN (\n  VALUES {}\n) AS asked (date, starts, ends) USING (date)\n", rows.join(",\n         "));
        conditions.push("(starts IS NULL OR timestamp >= starts)".to_owned());
        conditions.push("(ends IS NULL OR timestamp < ends)".to_owned());
    }
    let admitted =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}\n", conditions.join("\n  AND ")) };
    format!(
        "SELECT date, timestamp, expiration, strike, {}\nFROM {}\n{bounds}{admitted}\
         ORDER BY date, expiration, strike, timestamp;\n",
        filter.exposures(),
        files.of(GREEKS),
    )
}

/// A row per minute: all expirations together or one, with the spot of the nearest that has one.
pub(super) fn minutes(files: &Files<'_>, greeks: &[Greek], expiration: Option<TradingDate>) -> String {
    let columns: String = greeks.iter().map(|greek| format!("{}, ", greek.column())).collect();
    let tables = [counted(files, greeks, expiration), spots(files)];
    format!(
        "{}\nSELECT timestamp, {columns}strikes, spot\nFROM counted LEFT JOIN spots USING (date, timestamp)\n\
         WHERE strikes > 0\nORDER BY timestamp;\n",
        with(&tables)
    )
}

/// Days whose total was strictly beyond the threshold at any minute, with the extreme and the first minute that has it.
pub(super) fn screen(files: &Files<'_>, screen: &Screen) -> String {
    let total = screen.greek.column();
    let (extreme, order, beyond) = if screen.above { ("max", " DESC", ">") } else { ("min", "", "<") };
    let crossing = format!("{total} {beyond} {}", literal::number(screen.threshold));
    let first = if screen.first {
        format!(
            ",\n  first(timestamp ORDER BY timestamp) FILTER (WHERE {crossing}) AS first_timestamp,\n  \
             first({total} ORDER BY timestamp) FILTER (WHERE {crossing}) AS first_value"
        )
    } else {
        String::new()
    };
    format!(
        "{}\nSELECT date, {extreme}({total}) AS value,\n  first(timestamp ORDER BY {total}{order}, timestamp) AS timestamp{first}\n\
         FROM counted\nWHERE {total} IS NOT NULL\nGROUP BY date\nHAVING bool_or({crossing})\nORDER BY date;\n",
        with(&[counted(files, &[screen.greek], None)])
    )
}

/// The rows of `greeks_by_day`, worked out again.
pub(super) fn statistics(files: &Files<'_>, greeks: &[Greek]) -> String {
    let mut columns = String::new();
    for greek in greeks {
        let (name, total) = (greek.name(), greek.column());
        let known = format!("FILTER (WHERE {total} IS NOT NULL)");
        columns.push_str(&format!(
            ",\n    first({total} ORDER BY timestamp) {known} AS {name}_open,\n    \
             last({total} ORDER BY timestamp) {known} AS {name}_close,\n    \
             min({total}) AS {name}_min,\n    max({total}) AS {name}_max,\n    \
             sum({total})::BIGINT::DOUBLE / count({total}) AS {name}_mean,\n    \
             first(timestamp ORDER BY {total}, timestamp) {known} AS {name}_min_at,\n    \
             first(timestamp ORDER BY {total} DESC, timestamp) {known} AS {name}_max_at"
        ));
    }
    let mut tables = vec![counted(files, greeks, None), spots(files)];
    tables.push(format!(
        "levels AS (\n  SELECT date, any_value(minutes) AS minutes_expected,\n    \
         count(*) FILTER (WHERE inside) AS minutes_seen,\n    \
         first(spot ORDER BY timestamp) FILTER (WHERE spot IS NOT NULL) AS spot_open,\n    \
         last(spot ORDER BY timestamp) FILTER (WHERE spot IS NOT NULL) AS spot_close{columns}\n  \
         FROM counted LEFT JOIN spots USING (date, timestamp)\n  GROUP BY date\n)"
    ));
    let mut strikes = "";
    if greeks.contains(&Greek::Gamma) {
        tables.extend(gamma_strikes(files));
        strikes = " LEFT JOIN flip USING (date) LEFT JOIN extremes USING (date)";
    }
    format!("{}\nSELECT * FROM levels{strikes}\nORDER BY date;\n", with(&tables))
}

/// The strikes that mattered at each day's last minute: where gamma cumulated from the lowest strike changes sign (of several
/// the nearest to spot), the largest and the smallest.
fn gamma_strikes(files: &Files<'_>) -> Vec<String> {
    let by_strike = format!(
        "-- Gamma by strike at the last minute, all expirations together.\n\
         by_strike AS (\n  SELECT date, strike, sum(gamma_exposure)::BIGINT AS gamma, any_value(spot) AS spot\n  \
         FROM {}\n  JOIN last_minute USING (date, timestamp) LEFT JOIN spots USING (date, timestamp)\n  \
         WHERE gamma_exposure IS NOT NULL\n  GROUP BY date, strike\n)",
        files.of(GREEKS)
    );
    let others = [
        "-- Its running sum from the lowest strike up, and where that changes sign.\n\
         running AS (\n  SELECT *, sum(gamma) OVER (PARTITION BY date ORDER BY strike) AS cumulated FROM by_strike\n)",
        "flips AS (\n  SELECT date, strike, spot FROM running WHERE cumulated <> 0\n  \
         QUALIFY sign(cumulated) <> lag(sign(cumulated)) OVER (PARTITION BY date ORDER BY strike)\n)",
        "flip AS (\n  SELECT date, CASE WHEN count(*) = 1 THEN min(strike)\n    \
         WHEN any_value(spot) IS NOT NULL THEN first(strike ORDER BY abs(strike - spot), strike)\n    \
         END AS gamma_flip_strike\n  FROM flips GROUP BY date\n)",
        "extremes AS (\n  SELECT date, first(strike ORDER BY gamma DESC, strike) AS gamma_top_strike,\n    \
         first(strike ORDER BY gamma, strike) AS gamma_bottom_strike\n  FROM by_strike GROUP BY date\n)",
    ];
    let last = "last_minute AS (\n  SELECT date, max(timestamp) AS timestamp FROM counted GROUP BY date\n)".to_owned();
    [last, by_strike].into_iter().chain(others.map(str::to_owned)).collect()
}

fn with(tables: &[String]) -> String {
    format!("WITH {}", tables.join(",\n"))
}

/// Totals of each minute that counts: the session's, or all when the day has no others. Of one expiration with its rows alone,
/// while every row says which minutes count.
fn counted(files: &Files<'_>, greeks: &[Greek], expiration: Option<TradingDate>) -> String {
    let only =
        expiration.map(|date| format!(" FILTER (WHERE expiration = {})", literal::date(date))).unwrap_or_default();
    let sum = |greek: &Greek| match only.as_str() {
        "" => format!("    sum({0})::BIGINT AS {0},\n", greek.column()),
        only => format!("    (sum({0}){only})::BIGINT AS {0},\n", greek.column()),
    };
    let sums: String = greeks.iter().map(sum).collect();
    let sessions: Vec<String> = files.days.iter().map(session).collect();
    format!(
        "sessions (date, opens, closes, minutes) AS (\n  VALUES {}\n),\n\
         totals AS (\n  SELECT date, timestamp,\n{sums}    count(*){only} AS strikes\n  FROM {}\n  GROUP BY date, timestamp\n),\n\
         placed AS (\n  SELECT *, coalesce(timestamp >= opens AND timestamp < closes, false) AS inside\n  \
         FROM totals JOIN sessions USING (date)\n),\n\
         -- Minutes outside the session count only when the day has no others.\n\
         counted AS (\n  SELECT * FROM placed QUALIFY inside OR NOT bool_or(inside) OVER (PARTITION BY date)\n)",
        sessions.join(",\n         "),
        files.of(GREEKS),
    )
}

fn session(day: &LakeDay) -> String {
    let date = literal::date(day.date);
    match day.session {
        Some((open, close)) => format!(
            "({date}, {}, {}, {})",
            literal::instant(open.timestamp_micros()),
            literal::instant(close.timestamp_micros()),
            (close - open).num_minutes()
        ),
        None => format!("({date}, NULL::TIMESTAMPTZ, NULL::TIMESTAMPTZ, 0)"),
    }
}

fn spots(files: &Files<'_>) -> String {
    format!(
        "spots AS (\n  SELECT date, timestamp, {SPOT}\n  FROM {}\n  GROUP BY date, timestamp\n)",
        files.of(GREEKS_BY_MINUTE)
    )
}
