//! The return: possible within the session's range, and not clearly against the bias.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::market::SessionKind;
use crate::profile::{Bias, SessionType};

/// Returns nearer to nothing than this are on no side.
const NOTHING: f64 = 0.0005;
/// A move over this share of the session's range is a clear one. By default settings no computed session has its bias against one: its
/// close lies on the other side of the middle, and what is left of the votes is too few.
const CLEAR: f64 = 0.5;
/// Returns were written with four decimals.
const ROUNDING: f64 = 0.000_051;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let record = subject.record;
    let Some(change) = record.cash_session_return else { return };
    if let Some((high, low)) = subject.range()
        && low > 0.0
    {
        // From the low to the high is the most that a session can win, from the high to the low the most it can lose.
        let (most, least) = (high / low - 1.0, low / high - 1.0);
        if change > most + ROUNDING || change < least - ROUNDING {
            let evidence = format!("{change}; {low} to {high} allows {least:.5} to {most:.5}");
            findings.push(Finding::new(Code::ImpossibleReturn, Field::CashSessionReturn.name(), evidence));
            return;
        }
    }
    let against = match record.bias {
        Some(Bias::Up) => change < -NOTHING,
        Some(Bias::Down) => change > NOTHING,
        _ => false,
    };
    if against {
        let code = if is_clear(subject, change) { Code::ReturnAgainstBias } else { Code::ReturnBesideBias };
        let evidence = format!("bias {}, return {change}", record.shown(Field::Bias));
        findings.push(Finding::new(code, Field::Bias.name(), evidence));
    }
}

/// Whether a return of the other sign contradicts the bias, and is not merely beside it: a neutral extreme's bias is the side it
/// closed at, wherever it opened, and a full session's is of more hours than the return.
fn is_clear(subject: &Subject<'_>, change: f64) -> bool {
    let is_of_return =
        subject.session.kind == SessionKind::Rth && subject.record.session_type != Some(SessionType::NeutralExtreme);
    let share = |(high, low): (f64, f64)| change.abs() * low / (high - low);
    is_of_return
        && subject.range().filter(|(high, low)| high > low && *low > 0.0).is_some_and(|range| share(range) >= CLEAR)
}
