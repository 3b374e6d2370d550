//! The return: possible within the session's range, and on the side of the bias.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::profile::Bias;

/// Returns nearer to nothing than this are on no side.
const NOTHING: f64 = 0.0005;
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
        let evidence = format!("bias {}, return {change}", record.shown(Field::Bias));
        findings.push(Finding::new(Code::ReturnAgainstBias, Field::Bias.name(), evidence));
    }
}
