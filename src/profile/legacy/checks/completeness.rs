//! Fields that every session has and this one lacks.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::Subject;
use crate::market::{AssetClass, SessionKind};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for field in subject.record.missing().into_iter().filter(|field| is_expected(subject, *field)) {
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

/// Whether sessions of this kind have the field at all: a return is of regular hours, and an index trades no volume.
fn is_expected(subject: &Subject<'_>, field: Field) -> bool {
    let instrument = subject.instrument;
    match field {
        Field::CashSessionReturn => match subject.session.kind {
            SessionKind::Rth => true,
            SessionKind::Full => instrument.session_of_kind(subject.session.date, SessionKind::Rth).is_some(),
            SessionKind::Overnight => false,
        },
        Field::Volume => instrument.asset_class != AssetClass::Index,
        _ => true,
    }
}

fn is_group_of(found: &str, field: Field) -> bool {
    let groups = [Field::ValueArea, Field::InitialBalance, Field::SessionRange];
    let group = groups.into_iter().find(|group| group.name() == found);
    group.and_then(Field::of_group).is_some_and(|fields| fields.contains(&field))
}
