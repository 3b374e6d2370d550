//! The question in a query string, read strictly: what cannot be meant is refused with the parameter's name.

use std::ops::Range;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveTime, Utc};

use crate::bars::quality::widest_session;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::market::{Instrument, TradingDate};
use crate::{Error, Result};

/// What a question about a day may say.
pub const FILTERS: [&str; 4] = ["start_time", "end_time", "at", "format"];

const MINUTE_US: i64 = 60_000_000;

/// Which bars of a day; times are microseconds since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Bars that start from here on.
    pub from_us: Option<i64>,
    /// Bars that start before it.
    pub to_us: Option<i64>,
    /// Bars that hold this instant.
    pub at_us: Option<i64>,
}

impl Filter {
    /// Reads the filter; times are wall-clock times of the instrument's exchange on that trading date, those from an evening
    /// opening on of the evening before.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn of(params: &Params, instrument: &Instrument, date: TradingDate) -> Result<Self, Problem> {
        let instant = |name: &str| -> Result<Option<i64>, Problem> {
            let time = params.time(name)?.map(|time| wall_clock(instrument, date, time)).transpose()?;
            Ok(time.map(|time| time.timestamp_micros()))
        };
        let (from_us, to_us, at_us) = (instant("start_time")?, instant("end_time")?, instant("at")?);
        if at_us.is_some() && (from_us.is_some() || to_us.is_some()) {
            let detail = "'at' names one minute; give it, or start_time and end_time, not both";
            return Err(Problem::parameter("at", detail));
        }
        if let (Some(from), Some(to)) = (from_us, to_us)
            && to <= from
        {
            let detail = "end_time must be after start_time: the start is inclusive, the end exclusive";
            return Err(Problem::parameter("end_time", detail));
        }
        Ok(Self { from_us, to_us, at_us })
    }

    /// The rows of a day's batch that are asked for.
    ///
    /// # Errors
    /// `Corrupt` when a column is not there.
    pub fn rows(&self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        let missing = || Error::corrupt("bars have no column of their times; run `pitlake verify`");
        let times =
            batch.column_by_name("timestamp").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(missing)?.values();
        let from = self.from_us.map_or(0, |from| times.partition_point(|time| *time < from));
        let to = self.to_us.map_or(times.len(), |to| times.partition_point(|time| *time < to));
        let Some(at) = self.at_us else { return Ok(vec![from..to.max(from)]) };
        let lengths = batch.column_by_name("minutes").and_then(|column| column.as_primitive_opt::<Int32Type>());
        let lengths = lengths.ok_or_else(missing)?.values();
        let holds = |row: &usize| times[*row] <= at && at < times[*row] + i64::from(lengths[*row]) * MINUTE_US;
        Ok((0..times.len()).filter(holds).map(|row| row..row + 1).collect())
    }
}

fn wall_clock(instrument: &Instrument, date: TradingDate, time: NaiveTime) -> Result<DateTime<Utc>, Problem> {
    let open = widest_session(instrument, date).map(|session| session.open.with_timezone(&instrument.time_zone));
    let on = match open {
        Some(open) if open.date_naive() < date.naive() && time >= open.time() => TradingDate::from(open.date_naive()),
        _ => date,
    };
    Ok(instrument.local_to_utc(on, time)?)
}
