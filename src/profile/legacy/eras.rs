//! Spans of dates in which the same field differs again and again from what it should be: the trace of logic that was wrong for
//! a time and then mended. Pure.

use serde::Serialize;

use super::code::{Code, Finding};
use super::field::Field;
use crate::market::{SessionKind, TradingDate};

/// Records that may agree by chance before an era is over.
const GAP: usize = 10;
/// Fewer are chance.
const LEAST: usize = 5;
/// One in so many of an era's records differs at least.
const ONE_IN: usize = 4;

/// The groups of fields that one piece of logic makes.
const GROUPS: [&str; 9] = [
    "value_area",
    "poc",
    "initial_balance",
    "session_range",
    "single_prints",
    "poor_and_excess",
    "tpo_structure",
    "volume",
    "cash_session_return",
];

/// A record's date and which groups differ in it, by their place in [`GROUPS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Differing {
    pub date: TradingDate,
    pub fields: u16,
}

/// A span of dates with one fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Era {
    pub symbol: String,
    pub session: SessionKind,
    /// Groups of fields: `value_area`, `poc`, `initial_balance` ….
    pub fields: Vec<&'static str>,
    pub first: TradingDate,
    pub last: TradingDate,
    /// Records that differ, of so many in the span.
    pub differing: usize,
    pub records: usize,
}

/// The groups in which a record differs from its bars or its own periods.
pub(super) fn differing(findings: &[Finding]) -> u16 {
    let counts = |finding: &&Finding| {
        matches!(
            finding.code,
            Code::DiffersFromBars
                | Code::DiffersFromDegradedBars
                | Code::DiffersFromPeriods
                | Code::InitialBalanceMismatch
                | Code::SessionRangeMismatch
        )
    };
    let group = |finding: &Finding| {
        let name = Field::ALL.into_iter().find(|field| field.name() == finding.field).map(group)?;
        GROUPS.iter().position(|group| *group == name)
    };
    findings.iter().filter(counts).filter_map(group).fold(0, |fields, at| fields | 1 << at)
}

fn group(field: Field) -> &'static str {
    match field {
        Field::ValueAreaHigh | Field::ValueAreaLow => "value_area",
        Field::InitialBalanceHigh | Field::InitialBalanceLow => "initial_balance",
        Field::SessionHigh | Field::SessionLow => "session_range",
        Field::PoorHigh | Field::PoorLow | Field::ExcessHigh | Field::ExcessLow => "poor_and_excess",
        other => other.name(),
    }
}

/// The eras of one series, whose records are in the order of their dates.
pub(super) fn eras(symbol: &str, kind: SessionKind, records: &[Differing]) -> Vec<Era> {
    let mut eras: Vec<Era> = Vec::new();
    for (bit, name) in GROUPS.into_iter().enumerate() {
        let differs: Vec<usize> =
            records.iter().enumerate().filter(|(_, record)| record.fields >> bit & 1 == 1).map(|(at, _)| at).collect();
        for span in differs.chunk_by(|before, after| after - before <= GAP) {
            let (&[first, ..], &[.., last]) = (span, span) else { continue };
            let records_in = last - first + 1;
            if span.len() < LEAST || span.len() * ONE_IN < records_in {
                continue;
            }
            let (first, last) = (records[first].date, records[last].date);
            match eras.iter_mut().find(|era| (era.first, era.last) == (first, last)) {
                Some(era) => {
                    era.fields.push(name);
                    era.differing = era.differing.max(span.len());
                }
                None => eras.push(Era {
                    symbol: symbol.to_owned(),
                    session: kind,
                    fields: vec![name],
                    first,
                    last,
                    differing: span.len(),
                    records: records_in,
                }),
            }
        }
    }
    eras.sort_by_key(|era| (era.first, era.last));
    eras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_for_a_time_is_an_era_and_what_differs_once_is_none() {
        let start: TradingDate = "2023-01-01".parse().unwrap();
        let mut date = start;
        let records: Vec<Differing> = (0..300)
            .map(|at| {
                date = date.next_day();
                let value_area = (100..200).contains(&at) && at % 2 == 0;
                Differing { date, fields: u16::from(value_area) | u16::from(at % 60 == 0) << 1 }
            })
            .collect();
        let eras = eras("NQ", SessionKind::Rth, &records);
        assert_eq!(eras.len(), 1);
        assert_eq!((eras[0].first, eras[0].last), (records[100].date, records[198].date));
        assert_eq!((eras[0].fields.as_slice(), eras[0].differing, eras[0].records), (&["value_area"][..], 50, 99));
    }
}
