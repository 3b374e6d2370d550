//! Realistic synthetic captures of dealer exposures, seeded: the same settings give the same bytes on every machine.
//! `pitlake generate greeks` calls it, and so do the demo, the benchmarks and the tests. With defects it also tells
//! what it planted, so that what the quality checks find can be measured.
//!
//! How a row comes about: `underlying` and `expirations` say what is listed, `path` moves the spot, `surface` the implied
//! volatility, `interest` says how much is open; `day` turns them into dollars with the Black-Scholes-Merton greeks;
//! `defects` makes a `plan` of what goes wrong; `snapshot` spells the lines; `write` streams them.

mod day;
mod defects;
mod expirations;
mod interest;
mod path;
mod plan;
mod random;
mod snapshot;
mod surface;
mod truth;
mod underlying;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;

use chrono::NaiveDate;

use day::{Day, Extent};
use path::Walk;
use plan::Plan;
use random::RunKey;
pub use snapshot::Shape;
pub use truth::{Correction, Coverage, DayTruth, Gap, Late, Outlier, Planted, Refused, Repeat, Truth, WrongDay};
use underlying::Underlying;
use write::LineWriter;

use crate::market::{Instrument, Instruments, Session, TradingDate};
use crate::{Error, Result};

/// The date for which the underlyings' price levels are meant.
const REFERENCE_DATE: NaiveDate = NaiveDate::from_ymd_opt(2025, 1, 15).unwrap();

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub symbol: String,
    /// The first trading date.
    pub date: TradingDate,
    /// Sessions, this one included.
    pub days: u32,
    pub expirations: usize,
    pub strikes: usize,
    /// Only the first so many minutes of each session; `None` is all of them.
    pub minutes: Option<u32>,
    pub seed: u64,
    pub shape: Shape,
    pub defects: bool,
}

impl Settings {
    /// The full day of dealer exposures that everything is measured with: 10 expirations × 300 strikes × 390 minutes.
    pub fn full_day(symbol: impl Into<String>, date: TradingDate) -> Self {
        Self {
            symbol: symbol.into(),
            date,
            days: 1,
            expirations: 10,
            strikes: 300,
            minutes: None,
            seed: 7,
            shape: Shape::Nested,
            defects: false,
        }
    }

    fn check(&self) -> Result<()> {
        let within = |name: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("--{name} is {value}: choose 1 to {most}")))
        };
        within("days", self.days.into(), 5_000)?;
        within("expirations", self.expirations as u64, 60)?;
        within("strikes", self.strikes as u64, 5_000)?;
        within("minutes", self.minutes.unwrap_or(1).into(), 1_440)
    }

    /// Rows of the run, defects left aside.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn rows(&self, instruments: &Instruments) -> Result<u64> {
        self.check()?;
        let instrument = self.instrument(instruments)?;
        let a_minute = (self.expirations * self.strikes) as u64;
        let minutes = |session: Session| u64::from(session.minutes().min(self.minutes.unwrap_or(u32::MAX)));
        Ok(self.sessions(instrument)?.into_iter().map(minutes).sum::<u64>() * a_minute)
    }

    fn instrument<'a>(&self, instruments: &'a Instruments) -> Result<&'a Instrument> {
        instruments.resolve(&self.symbol).map(AsRef::as_ref).ok_or_else(|| {
            Error::invalid(format!(
                "{:?} is not an instrument that pitlake knows: check --symbol, or add it",
                self.symbol
            ))
        })
    }

    /// The sessions of the run.
    fn sessions(&self, instrument: &Instrument) -> Result<Vec<Session>> {
        let first = instrument.session(self.date).ok_or_else(|| {
            let symbol = &instrument.symbol;
            let next = instrument.next_session_date(self.date);
            Error::invalid(format!("{symbol} has no session on {}: the next one is on {next}", self.date))
        })?;
        let mut sessions = vec![first];
        let mut date = self.date;
        while sessions.len() < self.days as usize {
            date = instrument.next_session_date(date);
            let session = instrument.session(date).ok_or_else(|| {
                Error::invalid(format!("{}'s calendar ends before {date}: ask for fewer --days", instrument.symbol))
            })?;
            sessions.push(session);
        }
        Ok(sessions)
    }
}

/// Writes the captures to `out`, and gives the truth about them when the settings ask for defects.
///
/// # Errors
/// Invalid for settings out of range, an unknown symbol or a date without a session; Unavailable when `out` fails.
pub fn generate(settings: &Settings, instruments: &Instruments, out: &mut dyn Write) -> Result<Option<Truth>> {
    settings.check()?;
    let instrument = settings.instrument(instruments)?;
    let sessions = settings.sessions(instrument)?;
    let run = RunKey::new(settings.seed, instrument.symbol.as_str(), &settings.date.to_string());
    let years = (settings.date.naive() - REFERENCE_DATE).num_days() as f64 / 365.25;
    let underlying = Underlying::assume(instrument.symbol.as_str(), years, &run);
    let mut walk = Walk::new(run.stream("path"), underlying.spot, underlying.volatility);
    let extent = Extent {
        expirations: settings.expirations,
        strikes: settings.strikes,
        minutes: settings.minutes.map(|minutes| minutes as usize),
    };
    let mut truth = Truth {
        symbol: instrument.symbol.to_string(),
        seed: settings.seed,
        shape: settings.shape.as_str().to_owned(),
        ..Truth::default()
    };
    let mut lines = LineWriter::new(out);
    for session in sessions {
        let day = Day::open(instrument, session, extent, &underlying, &mut walk, &run)?;
        let plan = if settings.defects { plant(&day, instrument, settings, &run, &mut truth) } else { Plan::default() };
        lines.write(&day, &plan, settings.shape)?;
    }
    (truth.lines, truth.refused) = lines.finish()?;
    truth.documents = truth.days.values().map(|day| day.documents).sum();
    truth.rows_in = truth.days.values().map(|day| day.rows_in).sum();
    Ok(settings.defects.then_some(truth))
}

/// Plants defects into `day` and adds what was planted to `truth`.
fn plant(day: &Day, instrument: &Instrument, settings: &Settings, run: &RunKey, truth: &mut Truth) -> Plan {
    let date = day.session.date;
    let draws = run.stream(&format!("defects {date}"));
    let used: BTreeSet<TradingDate> = truth.days.keys().copied().collect();
    let planted = defects::plant(day, instrument, settings.shape, settings.date, &used, draws);
    truth.days.insert(date, planted.truth);
    truth.days.extend(planted.misdated);
    planted.plan
}
