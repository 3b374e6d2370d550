//! Poor highs and lows, excesses and the single prints at the extremes: which of them exclude each other.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::market::Ticks;

/// Single prints of so many ticks are a tail.
const TAIL_TICKS: i64 = 2;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let record = subject.record;
    let Some((high, low)) = subject.range() else { return };
    let sides = [
        ("high", high, record.poor_high, record.excess_high, Field::PoorHigh, Field::ExcessHigh),
        ("low", low, record.poor_low, record.excess_low, Field::PoorLow, Field::ExcessLow),
    ];
    for (side, extreme, poor, excess, poor_field, excess_field) in sides {
        let tail = tail(subject, extreme);
        if let (Some(true), Some([from, to])) = (poor, tail) {
            let evidence = format!("poor {side}, and single prints {from} to {to} at the {side} {extreme}");
            findings.push(Finding::new(Code::PoorWithSinglePrints, poor_field.name(), evidence));
        }
        if (poor, excess) == (Some(true), Some(true)) {
            let evidence = format!("the {side} {extreme} is called both");
            findings.push(Finding::new(Code::PoorAndExcess, excess_field.name(), evidence));
        }
        if excess == Some(true) && tail.is_none() && record.single_prints.is_some() {
            let evidence = format!("no single prints at the {side} {extreme}");
            findings.push(Finding::new(Code::ExcessWithoutTail, excess_field.name(), evidence));
        }
        if let (Some(false), Some([from, to])) = (excess, tail)
            && is_left_behind(subject, from, to, extreme)
        {
            let evidence = format!("single prints {from} to {to} at the {side} {extreme}");
            findings.push(Finding::new(Code::TailWithoutExcess, excess_field.name(), evidence));
        }
    }
}

/// The single prints that reach the extreme.
fn tail(subject: &Subject<'_>, extreme: f64) -> Option<[f64; 2]> {
    let prints = subject.record.single_prints.iter().flatten();
    prints.copied().find(|[low, high]| (*low..=*high).contains(&extreme))
}

/// Whether single prints at an extreme are a tail for certain: enough of them, and made by a period that others came after.
/// Nobody has had the time to come back to what the last period alone traded at.
fn is_left_behind(subject: &Subject<'_>, low: f64, high: f64, extreme: f64) -> bool {
    let (Some(from), Some(to), Some(Ticks(extreme))) =
        (subject.ticks(low), subject.ticks(high), subject.ticks(extreme))
    else {
        return false;
    };
    let Some(periods) = subject.all_periods() else { return false };
    let last = periods.iter().map(|period| period.at).max();
    let makers = periods.iter().filter(|period| (period.low.0..=period.high.0).contains(&extreme));
    let is_last = makers.map(|period| Some(period.at)).any(|maker| maker == last);
    let rows = to.0 - from.0 + 1;
    let left_by_one = rows >= TAIL_TICKS;
    left_by_one && !is_last
}
