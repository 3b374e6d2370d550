//! Fields that every session has and this one lacks.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for field in subject.record.missing() {
        // What was there and could not be read has been told already.
        if findings.iter().any(|finding| finding.field == field.name() || is_group_of(finding.field, field)) {
            continue;
        }
        let code = match field {
            Field::ValueAreaHigh
            | Field::ValueAreaLow
            | Field::Poc
            | Field::InitialBalanceHigh
            | Field::InitialBalanceLow
            | Field::SessionHigh
            | Field::SessionLow
            | Field::TpoStructure => Code::MissingLevel,
            _ => Code::MissingDetail,
        };
        findings.push(Finding::new(code, field.name(), ""));
    }
}

fn is_group_of(found: &str, field: Field) -> bool {
    let groups = [Field::ValueArea, Field::InitialBalance, Field::SessionRange];
    let group = groups.into_iter().find(|group| group.name() == found);
    group.and_then(Field::of_group).is_some_and(|fields| fields.contains(&field))
}
