//! Single prints: inside of the session's range, and at prices where one period alone traded.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::market::Ticks;
use crate::profile::periods::Period;

/// More ticks than this in one run are not looked at one by one.
const MOST_TICKS: i64 = 1_000_000;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Some(prints) = &subject.record.single_prints else { return };
    let field = Field::SinglePrints.name();
    let mut outside = Vec::new();
    let mut wrong = Vec::new();
    let periods = subject.periods().unwrap_or_default();
    let complete = subject.missing_letters().is_empty();
    for [low, high] in prints {
        if let Some((top, bottom)) = subject.range()
            && (*low < bottom || *high > top)
        {
            outside.push(format!("{low} to {high}"));
            continue;
        }
        if let (Some(from), Some(to), false) = (subject.ticks(*low), subject.ticks(*high), periods.is_empty())
            && let Some((at, count)) = not_single(&periods, from, to, complete)
        {
            wrong.push(format!("{low} to {high}: {count} periods at {}", subject.grid.price(at)));
        }
    }
    if !outside.is_empty() {
        findings.push(Finding::new(Code::SinglePrintsOutsideRange, field, outside.join(", ")));
    }
    if !wrong.is_empty() {
        findings.push(Finding::new(Code::SinglePrintsNotSingle, field, wrong.join("; ")));
    }
}

/// A price of the run that is not single, with the number of periods there. Whether the ends of a run belong to it is the
/// writer's choice, so where a run is longer than its ends only what lies between them counts.
fn not_single(periods: &[Period], low: Ticks, high: Ticks, complete: bool) -> Option<(Ticks, usize)> {
    let (from, to) = if high.0 - low.0 >= 2 { (low.0 + 1, high.0 - 1) } else { (low.0, high.0) };
    if to - from > MOST_TICKS {
        return None;
    }
    let count = |at: i64| periods.iter().filter(|period| (period.low.0..=period.high.0).contains(&at)).count();
    (from..=to).map(|at| (Ticks(at), count(at))).find(|(_, count)| *count > 1 || (*count == 0 && complete))
}
