//! The answers of this room as plain SQL over the lake's files, for `pitlake prove`: a question in, text out that anybody can paste
//! into a DuckDB of their own. Pure.
//!
//! Written from the definition of each answer and from the strike level up, never from what a route does: sums come from strikes,
//! not from the datasets that hold sums, or the proof would prove nothing. Only the spot is taken from `greeks_by_minute`, since
//! strikes have none. [`call`] reads what was asked, [`one_day`] and [`span`] write the SQL, [`literal`] spells its values.

mod call;
mod literal;
mod one_day;
mod span;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use call::{Call, Reading};

use crate::Result;
use crate::lake::layout::PartitionId;
use crate::market::{Symbol, TradingDate};
use call::{Asked, Filter};

/// From (inclusive) and to (exclusive), in microseconds since 1970-01-01T00:00Z.
type Times = (Option<i64>, Option<i64>);

/// What can be proved, for those who asked for something else.
pub const PROVABLE: &str =
    "GET /api/v1/greeks/{symbol}/{date}, /latest, /{date}/aggregate, /range, /screen and /export, in any format";

/// One trading date of the lake with the session that its manifest counted minutes against.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeDay {
    pub date: TradingDate,
    /// Opening (inclusive) and close (exclusive); `None` when the exchange was closed.
    pub session: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Which days of the lake an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    One(TradingDate),
    /// The last one that the lake has.
    Last,
    /// Those that the lake has, both ends included.
    Between(TradingDate, TradingDate),
}

impl Call {
    /// The partitions that [`Call::sql`] reads on these days.
    pub fn partitions(&self, days: &[LakeDay]) -> Vec<PartitionId> {
        let of = |dataset: &'static str| days.iter().map(move |day| PartitionId::day(dataset, &self.symbol, day.date));
        self.datasets().iter().copied().flat_map(of).collect()
    }

    /// One statement for a plain DuckDB that gives the very rows of the answer, in its order. `root` is the lake's, as DuckDB
    /// shall read it: a folder or `s3://bucket/prefix`. `days` are those of [`Call::days`] that the lake has, in order.
    ///
    /// # Errors
    /// `Invalid` for wall-clock times that one of the days does not have.
    pub fn sql(&self, root: &str, days: &[LakeDay]) -> Result<String> {
        let files = Files { root, symbol: &self.symbol, days };
        let on_one_day = |filter: &Filter| match days {
            [day] => filter.times(&self.instrument, day.date),
            _ => Ok((None, None)),
        };
        Ok(match &self.asked {
            Asked::Slice { filter, .. } => one_day::slice(&files, filter, on_one_day(filter)?),
            Asked::LastMinute { filter } => one_day::last_minute(&files, filter),
            Asked::Sums { by, filter, .. } => one_day::sums(&files, *by, filter, on_one_day(filter)?),
            Asked::Statistics { greeks, .. } => span::statistics(&files, greeks),
            Asked::Minutes { greeks, expiration, .. } => span::minutes(&files, greeks, *expiration),
            Asked::Screen { screen, .. } => span::screen(&files, screen),
            Asked::Export { filter, .. } => {
                let times = |day: &LakeDay| Ok((day.date, filter.times(&self.instrument, day.date)?));
                let times = days.iter().filter(|_| filter.has_times()).map(times).collect::<Result<Vec<_>>>()?;
                span::export(&files, filter, &times)
            }
        })
    }
}

/// The files that a statement names.
struct Files<'a> {
    root: &'a str,
    symbol: &'a Symbol,
    days: &'a [LakeDay],
}

impl Files<'_> {
    /// `read_parquet(…)` of the dataset's file of each day.
    fn of(&self, dataset: &str) -> String {
        let path =
            |day: &LakeDay| literal::path(self.root, &PartitionId::day(dataset, self.symbol, day.date).data_key());
        match self.days {
            [day] => format!("read_parquet({}, hive_partitioning = true)", path(day)),
            days => {
                let paths: Vec<String> = days.iter().map(path).collect();
                format!(
                    "read_parquet([\n    {}\n  ], hive_partitioning = true, union_by_name = true)",
                    paths.join(",\n    ")
                )
            }
        }
    }
}
