//! Every fate by itself, in the order in which one goes before the next.

use super::fate::{Fate, Known, decide, says_the_same};
use crate::profile::legacy::code::verdict;
use crate::profile::legacy::{Code, Finding};
use crate::profile::sample::legacy;
use crate::profile::session_record::SessionRecord;

/// The fate of a record with these findings, given the `legacy` row of its session and whether that is from this run.
fn fate(codes: &[Code], there: Option<(&SessionRecord, bool)>, has_bars: bool) -> Fate {
    let findings: Vec<Finding> = codes.iter().map(|code| Finding::new(*code, "", "")).collect();
    let row = legacy("2025-01-15", 'a');
    decide(Known {
        verdict: verdict(&findings),
        findings: &findings,
        row: Some(&row),
        there: there.map(|(row, _)| row),
        from_this_run: there.is_some_and(|(_, from_this_run)| from_this_run),
        has_bars,
        is_compared: has_bars,
    })
}

#[test]
fn without_bars_only_what_is_valid_becomes_a_row() {
    assert_eq!(fate(&[], None, false), Fate::Imported);
    assert_eq!(fate(&[Code::Comments, Code::NumberAsText], None, false), Fate::Imported);
    assert_eq!(fate(&[Code::OddVolume], None, false), Fate::Quarantined);
    assert_eq!(fate(&[Code::PeriodsMissing], None, false), Fate::Quarantined);
    assert_eq!(fate(&[Code::DuplicateConflict], None, false), Fate::Quarantined);
    assert_eq!(fate(&[Code::ClosedDay], None, false), Fate::Rejected);
}

#[test]
fn bars_decide_where_there_are_any() {
    assert_eq!(fate(&[], None, true), Fate::Confirmed);
    assert_eq!(fate(&[Code::ClassificationDiffers], None, true), Fate::Confirmed);
    assert_eq!(fate(&[Code::DuplicateConflict], None, true), Fate::Confirmed);
    assert_eq!(fate(&[Code::DuplicateConflict, Code::DiffersFromBars], None, true), Fate::Recalculated);
    assert_eq!(fate(&[Code::PeriodsMissing], None, true), Fate::Recalculated);
    assert_eq!(fate(&[Code::OddVolume], None, true), Fate::Recalculated);
    // Bars with gaps are no reason against a record that is right in itself.
    assert_eq!(fate(&[Code::DiffersFromDegradedBars], None, true), Fate::Imported);
    assert_eq!(fate(&[Code::DiffersFromDegradedBars, Code::OddVolume], None, true), Fate::Recalculated);
    assert_eq!(fate(&[Code::NoDate], None, true), Fate::Rejected);
}

#[test]
fn what_was_imported_is_not_replaced() {
    let same = legacy("2025-01-15", 'b');
    let other = SessionRecord { poc: 21_402.0, ..legacy("2025-01-15", 'a') };
    for has_bars in [false, true] {
        assert_eq!(fate(&[], Some((&same, false)), has_bars), Fate::AlreadyImported, "another spelling of it");
        assert_eq!(fate(&[], Some((&same, true)), has_bars), Fate::Duplicate);
        assert_eq!(fate(&[], Some((&other, false)), has_bars), Fate::Conflict);
        assert_eq!(fate(&[Code::OddVolume], Some((&other, false)), has_bars), Fate::Conflict);
        assert_eq!(fate(&[Code::DuplicateIdentical], Some((&same, true)), has_bars), Fate::Duplicate);
        assert_eq!(fate(&[Code::DuplicateIdentical], Some((&other, false)), has_bars), Fate::Conflict);
        assert_eq!(fate(&[Code::FileDateDiffers], Some((&same, true)), has_bars), Fate::Duplicate);
    }
    assert_eq!(fate(&[Code::DuplicateConflict], Some((&other, true)), true), Fate::Recalculated);
    assert_eq!(fate(&[Code::DuplicateConflict], Some((&same, false)), false), Fate::AlreadyImported);
}

#[test]
fn a_record_that_lacks_a_field_is_no_row() {
    let known = |has_bars| Known {
        verdict: verdict(&[]),
        findings: &[],
        row: None,
        there: None,
        from_this_run: false,
        has_bars,
        is_compared: has_bars,
    };
    assert_eq!(decide(known(false)), Fate::Quarantined);
    assert_eq!(decide(known(true)), Fate::Recalculated);
    assert!(!says_the_same(&legacy("2025-01-15", 'a'), &legacy("2025-01-16", 'a')));
}

#[test]
fn a_copy_is_no_duplicate_of_what_brought_nothing() {
    assert_eq!(fate(&[Code::DuplicateIdentical], None, false), Fate::Imported, "the other one was in doubt");
    assert_eq!(fate(&[Code::DuplicateIdentical, Code::OddVolume], None, false), Fate::Quarantined);
    assert_eq!(fate(&[Code::DuplicateIdentical, Code::DiffersFromBars], None, true), Fate::Recalculated);
}

#[test]
fn bars_confirm_only_what_was_compared_with_them() {
    let row = legacy("2025-01-15", 'a');
    let uncompared = |codes: &[Code], has_bars| {
        let findings: Vec<Finding> = codes.iter().map(|code| Finding::new(*code, "", "")).collect();
        let verdict = verdict(&findings);
        let row = Some(&row);
        decide(Known {
            verdict,
            findings: &findings,
            row,
            there: None,
            from_this_run: false,
            has_bars,
            is_compared: false,
        })
    };
    for has_bars in [false, true] {
        assert_eq!(uncompared(&[], has_bars), Fate::Imported);
        assert_eq!(uncompared(&[Code::NotComparable], has_bars), Fate::Imported);
    }
    assert_eq!(uncompared(&[Code::NotComparable, Code::OddVolume], false), Fate::Quarantined);
    assert_eq!(uncompared(&[Code::NotComparable, Code::OddVolume], true), Fate::Recalculated);
    assert_eq!(
        uncompared(&[Code::DuplicateConflict], true),
        Fate::Recalculated,
        "nothing showed it to be the right copy"
    );
}
