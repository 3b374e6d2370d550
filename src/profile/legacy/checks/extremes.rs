//! Poor highs and lows, excesses and the single prints at the extremes: which of them exclude each other.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::market::Ticks;

/// Single prints of so many ticks are a tail.
const TAIL_TICKS: usize = 2;

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
            && left_behind(subject, extreme, if side == "high" { -1 } else { 1 }) >= TAIL_TICKS
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

/// Ticks from an extreme on at which one period alone traded, and others came after it: nobody has had the time to come back
/// to what the last period alone traded at. None without all periods.
fn left_behind(subject: &Subject<'_>, extreme: f64, step: i64) -> usize {
    let (Some(Ticks(extreme)), Some(periods)) = (subject.ticks(extreme), subject.all_periods()) else { return 0 };
    let Some(last) = periods.iter().map(|period| period.at).max() else { return 0 };
    let is_left = |at: &i64| {
        let mut makers = periods.iter().filter(|period| (period.low.0..=period.high.0).contains(at));
        makers.next().is_some_and(|maker| maker.at != last) && makers.next().is_none()
    };
    (0..TAIL_TICKS as i64).map(|tick| extreme + step * tick).take_while(is_left).count()
}
