//! SQL for the answers about many days: statistics per day, totals per minute, days beyond a threshold, rows. All of it from the
//! strike level up. Nothing is added up over time. Pure.

use super::Files;
use super::LakeDay;
use super::call::{Filter, Screen};
use super::literal;
use super::one_day::{SPOT, sum};
use crate::greeks::record::{GREEKS, GREEKS_BY_MINUTE, Greek};

/// Strike level of every day, one day after the other.
pub(super) fn export(files: &Files<'_>, filter: &Filter) -> String {
    let conditions = filter.conditions();
    let admitted =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}\n", conditions.join("\n  AND ")) };
    format!(
        "SELECT timestamp, expiration, strike, {}\nFROM {}\n{admitted}ORDER BY date, expiration, strike, timestamp;\n",
        filter.exposures(),
        files.of(GREEKS),
    )
}

/// A row per minute: all expirations together, with the spot of the nearest that has one.
pub(super) fn minutes(files: &Files<'_>, greeks: &[Greek]) -> String {
    let columns: String = greeks.iter().map(|greek| format!("{}, ", greek.column())).collect();
    format!(
        "{}\nSELECT timestamp, {columns}strikes, spot\nFROM counted LEFT JOIN spots USING (date, timestamp)\n\
         ORDER BY timestamp;\n",
        with(&[counted(files, greeks), spots(files)])
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
        with(&[counted(files, &[screen.greek])])
    )
}

/// The rows of `greeks_by_day`, worked out again.
pub(super) fn statistics(files: &Files<'_>) -> String {
    let mut levels = String::new();
    for greek in Greek::ALL {
        let (name, total) = (greek.name(), greek.column());
        let known = format!("FILTER (WHERE {total} IS NOT NULL)");
        levels.push_str(&format!(
            ",\n    first({total} ORDER BY timestamp) {known} AS {name}_open,\n    \
             last({total} ORDER BY timestamp) {known} AS {name}_close,\n    \
             min({total}) AS {name}_min,\n    max({total}) AS {name}_max,\n    \
             sum({total})::BIGINT::DOUBLE / count({total}) AS {name}_mean,\n    \
             first(timestamp ORDER BY {total}, timestamp) {known} AS {name}_min_at,\n    \
             first(timestamp ORDER BY {total} DESC, timestamp) {known} AS {name}_max_at"
        ));
    }
    let statistics = format!(
        "statistics AS (\n  SELECT date, any_value(minutes) AS minutes_expected, count(*) FILTER (WHERE inside) AS minutes_seen,\n    \
         first(spot ORDER BY timestamp) FILTER (WHERE spot IS NOT NULL) AS spot_open,\n    \
         last(spot ORDER BY timestamp) FILTER (WHERE spot IS NOT NULL) AS spot_close{levels}\n  \
         FROM counted LEFT JOIN spots USING (date, timestamp)\n  GROUP BY date\n)"
    );
    let last = "last_minute AS (\n  SELECT date, max(timestamp) AS timestamp FROM counted GROUP BY date\n)".to_owned();
    let by_strike = format!(
        "-- Gamma by strike at the day's last minute, all expirations together, and its running sum from the lowest strike up.\n\
         by_strike AS (\n  SELECT date, strike, sum(gamma_exposure)::BIGINT AS gamma, any_value(spot) AS spot\n  \
         FROM {} JOIN last_minute USING (date, timestamp) LEFT JOIN spots USING (date, timestamp)\n  \
         WHERE gamma_exposure IS NOT NULL\n  GROUP BY date, strike\n)",
        files.of(GREEKS)
    );
    let running =
        "running AS (\n  SELECT *, sum(gamma) OVER (PARTITION BY date ORDER BY strike) AS cumulated FROM by_strike\n)";
    let flips = "flips AS (\n  SELECT date, strike, spot FROM running WHERE cumulated <> 0\n  \
                 QUALIFY sign(cumulated) <> lag(sign(cumulated)) OVER (PARTITION BY date ORDER BY strike)\n)";
    let flip = "flip AS (\n  SELECT date, CASE WHEN count(*) = 1 THEN min(strike)\n    \
                WHEN any_value(spot) IS NOT NULL THEN first(strike ORDER BY abs(strike - spot), strike) END AS gamma_flip_strike\n  \
                FROM flips GROUP BY date\n)";
    let extremes = "extremes AS (\n  SELECT date, first(strike ORDER BY gamma DESC, strike) AS gamma_top_strike,\n    \
                    first(strike ORDER BY gamma, strike) AS gamma_bottom_strike\n  FROM by_strike GROUP BY date\n)";
    let tables = [
        counted(files, &Greek::ALL),
        spots(files),
        statistics,
        last,
        by_strike,
        running.to_owned(),
        flips.to_owned(),
        flip.to_owned(),
        extremes.to_owned(),
    ];
    format!(
        "{}\nSELECT * FROM statistics LEFT JOIN flip USING (date) LEFT JOIN extremes USING (date)\nORDER BY date;\n",
        with(&tables)
    )
}

fn with(tables: &[String]) -> String {
    format!("WITH {}", tables.join(",\n"))
}

/// Totals of each minute that counts: the session's, or all when the day has no others.
fn counted(files: &Files<'_>, greeks: &[Greek]) -> String {
    let sums: String = greeks.iter().map(|greek| format!("{}, ", sum(*greek))).collect();
    let sessions: Vec<String> = files.days.iter().map(session).collect();
    format!(
        "sessions (date, opens, closes, minutes) AS (\n  VALUES {}\n),\n\
         totals AS (\n  SELECT date, timestamp, {sums}count(*) AS strikes\n  FROM {}\n  GROUP BY date, timestamp\n),\n\
         placed AS (\n  SELECT *, coalesce(timestamp >= opens AND timestamp < closes, false) AS inside\n  \
         FROM totals JOIN sessions USING (date)\n),\n\
         -- Minutes outside the session stay out, unless the day has no others.\n\
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
