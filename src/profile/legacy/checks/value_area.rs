//! The order of the levels: highs above lows, the point of control inside the value area, all of them inside the session's range.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let record = subject.record;
    let pairs = [
        (Field::SessionHigh, record.session_high, record.session_low),
        (Field::ValueAreaHigh, record.value_area_high, record.value_area_low),
        (Field::InitialBalanceHigh, record.initial_balance_high, record.initial_balance_low),
    ];
    for (field, high, low) in pairs {
        if let (Some(high), Some(low)) = (high, low)
            && high < low
        {
            findings.push(Finding::new(Code::SwappedHighLow, field.name(), format!("high {high} below low {low}")));
        }
    }
    let area = Subject::ordered(record.value_area_high, record.value_area_low);
    if let (Some(poc), Some((high, low))) = (record.poc, area)
        && !(low..=high).contains(&poc)
    {
        let evidence = format!("{low} ≤ {poc} ≤ {high} does not hold");
        findings.push(Finding::new(Code::ValueAreaOrder, Field::Poc.name(), evidence));
    }
    let Some((high, low)) = subject.range() else { return };
    let outside: Vec<String> = record
        .levels()
        .into_iter()
        .filter_map(|(field, price)| Some((field, price?)))
        .filter(|(_, price)| !(low..=high).contains(price))
        .map(|(field, price)| format!("{} {price}", field.name()))
        .collect();
    if !outside.is_empty() {
        let evidence = format!("{} outside of {low} to {high}", outside.join(", "));
        findings.push(Finding::new(Code::OutsideSessionRange, "", evidence));
    }
}
