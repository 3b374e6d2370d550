//! The day that everything is measured with, the questions that are asked about it, and what a right answer to each holds.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Deserialize;

use super::client::Connection;
use super::table::readable;
use crate::greeks::generate::{self, Settings};
use crate::market::{Instruments, TradingDate};
use crate::{Error, Result};

pub const SYMBOL: &str = "SPY";
const DATE: &str = "2025-01-15";
/// How many expirations and strikes the questions for one strike's day go around: the answer to the one before must not help.
const EXPIRATIONS_ASKED: usize = 4;
const STRIKES_ASKED: usize = 16;

/// A synthetic day of dealer exposures.
pub struct Workload {
    settings: Settings,
    pub date: TradingDate,
    pub rows: u64,
}

/// A question whose answer is a list with a known number of rows.
#[derive(Debug, Clone)]
pub struct Question {
    pub path: String,
    pub rows: u64,
}

/// The keys of a strike-level row, as an answer spells them.
#[derive(Debug, Deserialize)]
struct Keys {
    expiration: String,
    strike: f64,
}

#[derive(Debug, Deserialize)]
struct List {
    data: Vec<Keys>,
    count: u64,
}

impl Workload {
    /// # Errors
    /// `Internal` when the generator does not know the day any more.
    pub fn full_day() -> Result<Self> {
        let date = DATE.parse()?;
        let settings = Settings::full_day(SYMBOL, date);
        let rows = settings.rows(&Instruments::builtin())?;
        Ok(Self { settings, date, rows })
    }

    /// Rows of one minute: every expiration and strike.
    fn a_minute(&self) -> u64 {
        (self.settings.expirations * self.settings.strikes) as u64
    }

    /// Minutes of the session.
    fn minutes(&self) -> u64 {
        self.rows / self.a_minute()
    }

    pub fn describe(&self) -> String {
        let Settings { expirations, strikes, .. } = self.settings;
        let (rows, minutes) = (readable(self.rows as f64), self.minutes());
        format!(
            "{SYMBOL} {}: {rows} rows, {expirations} expirations × {strikes} strikes × {minutes} minutes",
            self.date
        )
    }

    /// Writes the raw capture, one JSON document a line.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be written.
    pub fn write_capture(&self, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::unavailable(format!(
                "{} could not be written ({error}): check the folder and its rights",
                path.display()
            ))
            .caused_by(error)
        };
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
        generate::generate(&self.settings, &Instruments::builtin(), &mut file)?;
        file.flush().map_err(failed)
    }

    fn question(&self, rest: &str, rows: u64) -> Question {
        Question { path: format!("/api/v1/greeks/{SYMBOL}/{}{rest}", self.date), rows }
    }

    pub fn whole_day(&self) -> Question {
        self.question("", self.rows)
    }

    pub fn whole_day_as_arrow(&self) -> Question {
        self.question("?format=arrow", self.rows)
    }

    pub fn minute_sums(&self) -> Question {
        self.question("/aggregate", self.minutes())
    }

    pub fn one_hour(&self) -> Question {
        self.question("?start_time=10:00&end_time=11:00", 60 * self.a_minute())
    }

    pub fn one_minute(&self) -> Question {
        self.question("?at=10:30", self.a_minute())
    }

    pub fn latest(&self) -> Question {
        Question { path: format!("/api/v1/greeks/{SYMBOL}/latest"), rows: self.a_minute() }
    }

    /// Questions for one strike's day, around the middle strikes of the first expirations that the lake holds. Each answer
    /// is checked here, row by row.
    ///
    /// # Errors
    /// `Corrupt` when an answer holds other rows than it was asked for.
    pub fn strike_days(&self, connection: &mut Connection) -> Result<Vec<Question>> {
        let minute = list(connection, &self.one_minute())?;
        let mut expirations: Vec<&str> = minute.iter().map(|keys| keys.expiration.as_str()).collect();
        expirations.dedup();
        let mut questions = Vec::with_capacity(EXPIRATIONS_ASKED * STRIKES_ASKED);
        for expiration in expirations.into_iter().take(EXPIRATIONS_ASKED) {
            let strikes: Vec<f64> =
                minute.iter().filter(|keys| keys.expiration == expiration).map(|keys| keys.strike).collect();
            let first = (strikes.len() / 2).saturating_sub(STRIKES_ASKED / 2);
            for strike in strikes.into_iter().skip(first).take(STRIKES_ASKED) {
                let question = self.question(&format!("?strike={strike}&expiration={expiration}"), self.minutes());
                let rows = list(connection, &question)?;
                if let Some(other) = rows.iter().find(|keys| keys.strike != strike || keys.expiration != expiration) {
                    return Err(Error::corrupt(format!("{} was answered with {other:?}", question.path)));
                }
                questions.push(question);
            }
        }
        Ok(questions)
    }
}

/// The keys of every row of a small answer.
fn list(connection: &mut Connection, question: &Question) -> Result<Vec<Keys>> {
    let mut body = Vec::new();
    connection.get(&question.path, &mut body)?;
    let list: List = serde_json::from_slice(&body)
        .map_err(|error| Error::corrupt(format!("the answer to {} is not a list of rows ({error})", question.path)))?;
    if list.count != question.rows || list.data.len() as u64 != list.count {
        let held = list.data.len();
        return Err(Error::corrupt(format!(
            "the answer to {} says it holds {} rows, holds {held}, and should hold {}",
            question.path, list.count, question.rows
        )));
    }
    Ok(list.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 10 × 300 × 390 rows; 9:30 to 16:00 has 390 minutes.
    #[test]
    fn the_day_of_the_table() {
        let workload = Workload::full_day().unwrap();
        assert_eq!((workload.rows, workload.minutes(), workload.a_minute()), (1_170_000, 390, 3_000));
        assert_eq!(workload.one_hour().rows, 180_000);
        assert_eq!(workload.one_minute().path, "/api/v1/greeks/SPY/2025-01-15?at=10:30");
    }
}
