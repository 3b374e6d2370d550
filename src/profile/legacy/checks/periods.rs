//! Periods against the calendar, and what their union must be: the initial balance of the first hour, the range of the session.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::super::record::LegacyPeriod;
use super::super::shapes::place;
use super::Subject;

/// The initial balance is made in the first hour.
const INITIAL_BALANCE_MINUTES: u32 = 60;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Some(periods) = &subject.record.tpo_structure else { return };
    let (missing, unexpected) = (subject.missing_letters(), subject.unexpected_letters());
    let field = Field::TpoStructure.name();
    let expected = subject.expected_periods();
    if !missing.is_empty() {
        let evidence = format!("{} of {expected}: {}", missing.len(), runs(&missing));
        findings.push(Finding::new(Code::PeriodsMissing, field, evidence));
    }
    if !unexpected.is_empty() {
        let early = if subject.session.early_close { ", it closed early" } else { "" };
        let evidence = format!("{}; the session has {expected}{early}", unexpected.join(", "));
        findings.push(Finding::new(Code::PeriodsUnexpected, field, evidence));
    }
    initial_balance(subject, periods, findings);
    session_range(subject, periods, missing.is_empty(), findings);
}

fn initial_balance(subject: &Subject<'_>, periods: &[LegacyPeriod], findings: &mut Vec<Finding>) {
    let record = subject.record;
    let count = INITIAL_BALANCE_MINUTES.div_ceil(subject.instrument.tpo_period_minutes.max(1)) as usize;
    let count = count.min(subject.expected_periods());
    let first: Vec<&LegacyPeriod> = periods.iter().filter(|period| place(&period.letter) < count).collect();
    let said = Subject::ordered(record.initial_balance_high, record.initial_balance_low);
    if let (Some((high, low)), Some((above, below)), true) = (said, union(&first), first.len() == count)
        && (high, low) != (above, below)
    {
        let letters = first.iter().map(|period| period.letter.as_str()).collect::<Vec<_>>().join(" and ");
        let evidence = format!("{low} to {high}; {letters} make {below} to {above}");
        findings.push(Finding::new(Code::InitialBalanceMismatch, Field::InitialBalanceHigh.name(), evidence));
    }
}

fn session_range(subject: &Subject<'_>, periods: &[LegacyPeriod], complete: bool, findings: &mut Vec<Finding>) {
    let all: Vec<&LegacyPeriod> = periods.iter().collect();
    let (Some((high, low)), Some((above, below))) = (subject.range(), union(&all)) else { return };
    // What is missing may have been further out; what is there cannot.
    let fits = if complete { (high, low) == (above, below) } else { above <= high && below >= low };
    if !fits {
        let evidence = format!("{low} to {high}; the periods make {below} to {above}");
        findings.push(Finding::new(Code::SessionRangeMismatch, Field::SessionHigh.name(), evidence));
    }
}

/// High and low of all.
fn union(periods: &[&LegacyPeriod]) -> Option<(f64, f64)> {
    let high = periods.iter().map(|period| period.high).reduce(f64::max)?;
    let low = periods.iter().map(|period| period.low).reduce(f64::min)?;
    Some((high, low))
}

/// `D, F–M`.
fn runs(letters: &[String]) -> String {
    let mut runs: Vec<(&str, &str, usize)> = Vec::new();
    for letter in letters {
        match runs.last_mut() {
            Some((_, last, at)) if *at + 1 == place(letter) => (*last, *at) = (letter, place(letter)),
            _ => runs.push((letter, letter, place(letter))),
        }
    }
    let shown = |(first, last, _): &(&str, &str, usize)| {
        if first == last { (*first).to_owned() } else { format!("{first}–{last}") }
    };
    runs.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_a_row_are_one_run() {
        let letters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(runs(&letters("DFGHM")), "D, F–H, M");
        assert_eq!(runs(&letters("YZab")), "Y–b");
        assert_eq!(runs(&[]), "");
    }
}
