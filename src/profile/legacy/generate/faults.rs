//! The faults that can be planted, and how each is made of a record that is right. Pure; what must be found in the end stands in
//! the truth, never in the records.

use std::collections::BTreeSet;

use super::super::code::Code;
use super::super::field::Field;
use super::super::record::LegacyRecord;
use crate::market::{Grid, Instrument, SessionKind, Ticks, TradingDate};
use crate::profile::{Bias, SessionType};

/// Faults inside of a record, by the finding that each must lead to.
pub(super) const INSIDE: [Code; 29] = [
    Code::ValueAreaOrder,
    Code::SwappedHighLow,
    Code::OutsideSessionRange,
    Code::OffTickGrid,
    Code::ImpossiblePrice,
    Code::InitialBalanceMismatch,
    Code::SessionRangeMismatch,
    Code::PeriodsMissing,
    Code::PeriodsUnexpected,
    Code::SinglePrintsOutsideRange,
    Code::SinglePrintsNotSingle,
    Code::PoorWithSinglePrints,
    Code::PoorAndExcess,
    Code::ExcessWithoutTail,
    Code::TailWithoutExcess,
    Code::ReturnAgainstBias,
    Code::ImpossibleReturn,
    Code::ImpossibleVolume,
    Code::OddVolume,
    Code::ImplausiblePrice,
    Code::DiffersFromPeriods,
    Code::DiffersFromBars,
    Code::MissingLevel,
    Code::MissingDetail,
    Code::UnknownSessionType,
    Code::UnknownBias,
    Code::UnreadableField,
    Code::RepeatedField,
    Code::UnknownSymbol,
];

/// Faults of where a record is, or of the text around it.
pub(super) const AROUND: [Code; 16] = [
    Code::NoSymbol,
    Code::NoDate,
    Code::BadDate,
    Code::ClosedDay,
    Code::FutureDate,
    Code::FileDateDiffers,
    Code::FileSymbolDiffers,
    Code::DuplicateIdentical,
    Code::DuplicateConflict,
    Code::Truncated,
    Code::NotJson,
    Code::EmptyFile,
    Code::NotText,
    Code::NoRecord,
    Code::NotARecord,
    Code::FileUnreadable,
];

/// A record with a fault in it, and what stands in its text beside its fields.
#[derive(Debug, Clone)]
pub(super) struct Faulty {
    pub record: LegacyRecord,
    pub instead: Option<(Field, String)>,
    pub more: Vec<(Field, String)>,
}

/// Plants `code`; `None` when this session does not lend itself to it. `turn` counts the sessions with this fault.
pub(super) fn plant(code: Code, record: &LegacyRecord, instrument: &Instrument, turn: usize) -> Option<Faulty> {
    let mut faulty = Faulty { record: record.clone(), instead: None, more: Vec::new() };
    let record = &mut faulty.record;
    let tick = Grid::of(instrument).price(Ticks(1));
    let (high, low) = (record.session_high?, record.session_low?);
    let (area_high, area_low, poc) = (record.value_area_high?, record.value_area_low?, record.poc?);
    match code {
        Code::ValueAreaOrder => {
            let above = area_high + 2.0 * tick;
            record.poc = Some(if above <= high { above } else { area_low - 2.0 * tick }).filter(|poc| *poc >= low);
            record.poc?;
        }
        Code::SwappedHighLow => match turn % 3 {
            0 => (record.value_area_high, record.value_area_low) = (record.value_area_low, record.value_area_high),
            1 => (record.session_high, record.session_low) = (record.session_low, record.session_high),
            _ => {
                let period = record.tpo_structure.as_ref()?.iter().find(|period| period.letter == "C")?;
                let (high, low) = (period.high, period.low);
                (high > low).then_some(())?;
                faulty.instead = Some((Field::TpoStructure, swapped_period(record, high, low)));
            }
        },
        Code::OutsideSessionRange => record.value_area_high = Some(high + 3.0 * tick),
        Code::OffTickGrid => record.poc = Some(poc + 0.4 * tick).filter(|poc| *poc <= area_high),
        Code::ImpossiblePrice => record.value_area_low = Some(if turn.is_multiple_of(2) { 0.0 } else { -area_low }),
        Code::InitialBalanceMismatch => {
            let balance = record.initial_balance_high? - 2.0 * tick;
            (balance > record.initial_balance_low?).then_some(())?;
            record.initial_balance_high = Some(balance);
        }
        Code::SessionRangeMismatch => record.session_high = Some(high + 5.0 * tick),
        Code::PeriodsMissing => {
            let periods = record.tpo_structure.as_mut()?;
            periods.retain(|period| !["D", "F", "G"][..=turn % 3].contains(&period.letter.as_str()));
        }
        Code::PeriodsUnexpected => {
            let periods = record.tpo_structure.as_mut()?;
            let mut last = periods.last()?.clone();
            last.letter = crate::profile::session_record::letter(periods.len());
            periods.push(last);
        }
        Code::SinglePrintsOutsideRange => {
            record.single_prints.as_mut()?.push([high + 2.0 * tick, high + 6.0 * tick]);
        }
        Code::SinglePrintsNotSingle => {
            record.single_prints.as_mut()?.push([poc - tick, poc + tick]);
        }
        Code::PoorWithSinglePrints => {
            record.single_prints.as_ref()?.iter().find(|print| print[0] == low)?;
            record.poor_low = Some(true);
            record.excess_low = Some(false);
        }
        Code::PoorAndExcess => {
            record.excess_high.filter(|excess| *excess)?;
            record.poor_high = Some(true);
        }
        Code::ExcessWithoutTail => {
            record.poor_high.filter(|poor| *poor)?;
            record.poor_high = Some(false);
            record.excess_high = Some(true);
        }
        Code::TailWithoutExcess => {
            record.excess_low.filter(|excess| *excess)?;
            record.excess_low = Some(false);
        }
        Code::ReturnAgainstBias => {
            // Only where the return is most of the way through the range, and of the same hours as the bias.
            let is_clear = record.cash_session_return?.abs() * low > 0.6 * (high - low);
            (is_clear && instrument.default_session == SessionKind::Rth).then_some(())?;
            record.bias = Some(match record.bias? {
                Bias::Up => Bias::Down,
                Bias::Down => Bias::Up,
                Bias::Neutral => return None,
            });
        }
        Code::ImpossibleReturn => {
            let change = record.cash_session_return?;
            (change.abs() > 0.0015).then_some(())?;
            record.cash_session_return = Some(change * 100.0);
        }
        Code::ImpossibleVolume => {
            let volume = record.volume?;
            record.volume = Some([-volume, 0.0, volume + 0.5, volume * 1000.0][turn % 4]);
        }
        Code::OddVolume => record.volume = Some((record.volume? / 1000.0).floor()),
        Code::ImplausiblePrice => scale(record, 10.0),
        Code::DiffersFromPeriods => {
            let lower = poc - tick;
            (lower > area_low).then_some(())?;
            record.poc = Some(lower);
        }
        Code::DiffersFromBars => shift(record, 8.0 * tick),
        Code::MissingLevel => record.poc = None,
        Code::MissingDetail => match turn % 2 {
            0 => record.volume = None,
            _ => record.bias = None,
        },
        Code::UnknownSessionType => faulty.instead = Some((Field::SessionType, "\"rotational\"".to_owned())),
        Code::UnknownBias => faulty.instead = Some((Field::Bias, "\"mixed\"".to_owned())),
        Code::UnreadableField => faulty.instead = Some((Field::Poc, "\"see chart\"".to_owned())),
        Code::RepeatedField => faulty.more.push((Field::Poc, (poc + tick).to_string())),
        Code::UnknownSymbol => record.symbol = Some("QQQQZ".to_owned()),
        _ => return None,
    }
    Some(faulty)
}

/// All periods as they should be, but for C, whose low stands before its high.
fn swapped_period(record: &LegacyRecord, high: f64, low: f64) -> String {
    let one = |period: &super::super::record::LegacyPeriod| {
        let (first, second) = if period.letter == "C" { (low, high) } else { (period.high, period.low) };
        format!("\"{}\": [{first}, {second}]", period.letter)
    };
    let all: Vec<String> = record.tpo_structure.iter().flatten().map(one).collect();
    format!("{{{}}}", all.join(", "))
}

fn shift(record: &mut LegacyRecord, by: f64) {
    every_price(record, |price| price + by);
}

fn scale(record: &mut LegacyRecord, by: f64) {
    every_price(record, |price| price * by);
}

fn every_price(record: &mut LegacyRecord, change: impl Fn(f64) -> f64) {
    for field in Field::ALL {
        if matches!(field, Field::Volume | Field::CashSessionReturn) {
            continue;
        }
        if let Some(price) = record.number_mut(field) {
            *price = price.map(&change);
        }
    }
    for print in record.single_prints.iter_mut().flatten() {
        *print = print.map(&change);
    }
    for period in record.tpo_structure.iter_mut().flatten() {
        (period.high, period.low) = (change(period.high), change(period.low));
    }
}

/// The same with another session type, for a copy in conflict.
pub(super) fn in_conflict(record: &LegacyRecord) -> LegacyRecord {
    let mut other = record.clone();
    other.volume = record.volume.map(|volume| volume + 1.0);
    other.session_type = Some(match record.session_type {
        Some(SessionType::Normal) => SessionType::NormalVariation,
        _ => SessionType::Normal,
    });
    other
}

/// A day after `date` on which the exchange is closed and that is none of `taken`.
pub(super) fn closed_near(
    instrument: &Instrument,
    date: TradingDate,
    taken: &BTreeSet<TradingDate>,
) -> Option<TradingDate> {
    std::iter::successors(Some(date), |date| Some(date.next_day()))
        .take(100)
        .find(|date| instrument.session(*date).is_none() && !taken.contains(date))
}
