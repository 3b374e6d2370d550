//! SQL for the answers about one trading date: rows, the last minute, sums over strikes. Pure.

use super::call::Filter;
use super::literal;
use super::{Files, Times};
use crate::greeks::query::By;
use crate::greeks::record::{GREEKS, GREEKS_BY_MINUTE, Greek};

/// Rows of a day as they are.
pub(super) fn slice(files: &Files<'_>, filter: &Filter, times: Times) -> String {
    let conditions = [filter.conditions(), within(times)].concat();
    let admitted =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}\n", conditions.join("\n  AND ")) };
    format!(
        "SELECT timestamp, expiration, strike, {}\nFROM {}\n{admitted}ORDER BY expiration, strike, timestamp;\n",
        filter.exposures(),
        files.of(GREEKS),
    )
}

/// Rows of the last minute that the day has, whichever strike or expiration has it.
pub(super) fn last_minute(files: &Files<'_>, filter: &Filter) -> String {
    let mut conditions = vec![format!("timestamp = (SELECT max(timestamp) FROM {})", files.of(GREEKS))];
    conditions.extend(filter.conditions());
    format!(
        "SELECT timestamp, expiration, strike, {}\nFROM {}\nWHERE {}\nORDER BY expiration, strike, timestamp;\n",
        filter.exposures(),
        files.of(GREEKS),
        conditions.join("\n  AND "),
    )
}

/// Sums over strikes, expirations or both, of the rows that count: the session's, or all when the day has no others.
pub(super) fn sums(files: &Files<'_>, by: By, filter: &Filter, times: Times) -> String {
    let keys = match by {
        By::Minute => "timestamp",
        By::Expiration => "timestamp, expiration",
        By::Strike => "timestamp, strike",
    };
    let (spot, spot_keys, grouped) = match by {
        By::Expiration => ("spot", "timestamp, expiration", ""),
        // A minute's spot is that of the nearest expiration that has one.
        By::Minute | By::Strike => (SPOT, "timestamp", "\n  GROUP BY timestamp"),
    };
    let greeks = filter.greeks.clone().unwrap_or_else(|| Greek::ALL.to_vec());
    let mut conditions = [filter.conditions(), within(times)].concat();
    conditions.extend(counted(files));
    let admitted =
        if conditions.is_empty() { String::new() } else { format!("  WHERE {}\n", conditions.join("\n    AND ")) };
    format!(
        "SELECT {keys}, {columns}strikes, spot\n\
         FROM (\n  SELECT {keys},\n{sums}    count(*) AS strikes\n  FROM {strikes}\n{admitted}  GROUP BY {keys}\n) AS sums\n\
         LEFT JOIN (\n  SELECT {spot_keys}, {spot}\n  FROM {minutes}{grouped}\n) AS spots USING ({spot_keys})\n\
         ORDER BY {keys};\n",
        columns = greeks.iter().map(|greek| format!("{}, ", greek.column())).collect::<String>(),
        sums = greeks.iter().map(|greek| format!("    {},\n", sum(*greek))).collect::<String>(),
        strikes = files.of(GREEKS),
        minutes = files.of(GREEKS_BY_MINUTE),
    )
}

/// The first spot in order of expiration.
pub(super) const SPOT: &str = "first(spot ORDER BY expiration) FILTER (WHERE spot IS NOT NULL) AS spot";

pub(super) fn sum(greek: Greek) -> String {
    format!("sum({0})::BIGINT AS {0}", greek.column())
}

fn within((from, to): Times) -> Vec<String> {
    let time = |how: &str, time: Option<i64>| time.map(|time| format!("timestamp {how} {}", literal::instant(time)));
    [time(">=", from), time("<", to)].into_iter().flatten().collect()
}

/// Rows outside the session stay out of sums, unless the day has no others: judged by the whole day, whatever is asked of it.
fn counted(files: &Files<'_>) -> Option<String> {
    let (open, close) = files.days.first()?.session?;
    let inside = format!(
        "timestamp >= {} AND timestamp < {}",
        literal::instant(open.timestamp_micros()),
        literal::instant(close.timestamp_micros())
    );
    // Named once more: whether the day has rows of its session is asked of all of them.
    Some(
        [
            format!("(({inside})"),
            "         -- The day's rows outside its session count only when there are no others.".to_owned(),
            "         OR NOT EXISTS (".to_owned(),
            format!("           SELECT 1 FROM {}", files.of(GREEKS)),
            format!("           WHERE {inside}))"),
        ]
        .join("\n"),
    )
}

impl Filter {
    pub(super) fn conditions(&self) -> Vec<String> {
        let strike =
            |how: &str, strike: Option<f64>| strike.map(|strike| format!("strike {how} {}", literal::number(strike)));
        let all = [
            self.expiration.map(|expiration| format!("expiration = {}", literal::date(expiration))),
            strike("=", self.strike),
            strike(">=", self.strike_min),
            strike("<=", self.strike_max),
        ];
        all.into_iter().flatten().collect()
    }

    /// The greeks asked for by name, or all that the files have: a later schema may have more.
    pub(super) fn exposures(&self) -> String {
        match &self.greeks {
            Some(greeks) => greeks.iter().map(|greek| greek.column()).collect::<Vec<_>>().join(", "),
            None => "COLUMNS('.*_exposure')".to_owned(),
        }
    }
}
