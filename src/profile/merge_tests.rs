//! The rules of [`super`], each by rows worked out by hand.

use proptest::prelude::*;

use super::*;
use crate::profile::sample::{computed, legacy};

const DATE: &str = "2025-01-15";

/// Takes rows one by one, as if each came by itself.
fn all(rows: &[SessionRecord]) -> (YearTables, Vec<Fate>) {
    all_over(rows, &Bars::new())
}

fn all_over(rows: &[SessionRecord], bars: &Bars) -> (YearTables, Vec<Fate>) {
    let mut tables = YearTables::default();
    let mut fates = Vec::new();
    for row in rows {
        let mut merged = merge(tables, vec![row.clone()], &[], bars);
        tables = merged.tables;
        fates.append(&mut merged.fates);
    }
    (tables, fates)
}

fn tables(current: Vec<SessionRecord>, history: Vec<SessionRecord>) -> YearTables {
    YearTables { current, history, ..YearTables::default() }
}

/// The bars of [`DATE`] are at this revision.
fn bars(revision: u32) -> Bars {
    [(DATE.parse().unwrap(), format!("{revision:064x}"))].into()
}

fn withdrawal(grounds: Grounds) -> [Withdrawal; 1] {
    [Withdrawal { date: DATE.parse().unwrap(), session: SessionKind::Rth, grounds }]
}

fn empty(revision: u32) -> Grounds {
    Grounds::Empty { sha256: format!("{revision:064x}"), settings: "7c4e21b09fd3a586".into() }
}

fn refusal(revision: u32) -> Refusal {
    Refusal {
        date: DATE.parse().unwrap(),
        session: SessionKind::Rth,
        source_sha256: format!("{revision:064x}"),
        reason: "bars_too_coarse: the 60-minute bar".into(),
        calculation_version: "tpo-1".into(),
        settings: "7c4e21b09fd3a586".into(),
    }
}

fn version(version: &str, revision: u32) -> SessionRecord {
    SessionRecord { calculation_version: version.into(), ..computed(DATE, revision) }
}

fn pending(revision: u32, poc: f64) -> SessionRecord {
    SessionRecord { condition: Condition::Pending, poc, source_sha256: "c".repeat(64), ..computed(DATE, revision) }
}

#[test]
fn a_corrected_day_replaces_the_row_and_keeps_the_old_one() {
    let (merged, fates) = all(&[version("tpo-1", 1), version("tpo-1", 2)]);
    assert_eq!(fates, [Fate::Current, Fate::Current]);
    assert_eq!((merged.current, merged.history), (vec![version("tpo-1", 2)], vec![version("tpo-1", 1)]));
}

#[test]
fn nothing_older_replaces_what_is_newer() {
    let (merged, fates) = all(&[version("tpo-10", 3), version("tpo-9", 4), version("tpo-10", 2), pending(9, 1.0)]);
    assert_eq!(fates, [Fate::Current, Fate::Older, Fate::Older, Fate::Older]);
    assert_eq!((merged.current, merged.history), (vec![version("tpo-10", 3)], vec![]));
}

#[test]
fn other_settings_replace_and_both_are_kept_apart() {
    let with = |settings: &str, poc| SessionRecord { settings: Some(settings.into()), poc, ..computed(DATE, 1) };
    let rows = [with("aa", 1.0), with("bb", 2.0), with("cc", 3.0), with("aa", 1.0)];
    let (merged, fates) = all(&rows);
    assert_eq!(fates, [Fate::Current; 4]);
    assert_eq!(merged.current, [with("aa", 1.0)]);
    assert_eq!(merged.history, [with("aa", 1.0), with("bb", 2.0), with("cc", 3.0)]);
}

#[test]
fn an_original_is_always_kept_and_current_only_where_nothing_was_computed() {
    let (merged, fates) = all(&[legacy(DATE, 'a')]);
    assert_eq!(fates, [Fate::Current]);
    assert_eq!((merged.current, merged.history), (vec![legacy(DATE, 'a')], vec![legacy(DATE, 'a')]));
    for rows in [[legacy(DATE, 'a'), computed(DATE, 1)], [computed(DATE, 1), legacy(DATE, 'a')]] {
        let (merged, fates) = all(&rows);
        assert!(!fates.contains(&Fate::Older) && !fates.contains(&Fate::Conflict), "{fates:?}");
        assert_eq!((merged.current, merged.history), (vec![computed(DATE, 1)], vec![legacy(DATE, 'a')]));
    }
}

#[test]
fn of_two_originals_the_first_stays_and_the_second_is_told() {
    let (merged, fates) = all(&[legacy(DATE, 'a'), legacy(DATE, 'b'), legacy(DATE, 'a'), legacy("2025-01-16", 'b')]);
    assert_eq!(fates, [Fate::Current, Fate::Conflict, Fate::AlreadyThere, Fate::Current]);
    assert_eq!(merged.history, [legacy(DATE, 'a'), legacy("2025-01-16", 'b')]);
    let other_words = SessionRecord { poc: 1.0, ..legacy(DATE, 'a') };
    assert_eq!(all(&[legacy(DATE, 'a'), other_words]).1[1], Fate::Conflict, "the same original read otherwise");
    let (_, fates) = all(&[computed(DATE, 1), legacy(DATE, 'a'), legacy(DATE, 'b'), legacy(DATE, 'a')]);
    assert_eq!(fates, [Fate::Current, Fate::KeptInHistory, Fate::Conflict, Fate::AlreadyThere]);
}

#[test]
fn an_open_day_leaves_no_trace_and_never_comes_back() {
    let (merged, fates) = all(&[pending(1, 1.0), pending(1, 2.0), computed(DATE, 1), pending(1, 3.0)]);
    assert_eq!(fates, [Fate::Current, Fate::Current, Fate::Current, Fate::Older]);
    assert_eq!((merged.current, merged.history), (vec![computed(DATE, 1)], vec![]));
}

#[test]
fn what_a_crash_left_between_the_two_tables_is_finished() {
    // The history was published and the current table was not.
    let history = vec![legacy("2025-01-14", 'a'), version("tpo-1", 1)];
    let incoming = vec![legacy("2025-01-14", 'a'), version("tpo-1", 2)];
    let merged = merge(tables(vec![version("tpo-1", 1)], history.clone()), incoming, &[], &bars(2));
    assert_eq!(merged.fates, [Fate::Current, Fate::Current]);
    assert_eq!(merged.tables.history, history);
    assert_eq!(merged.tables.current, [legacy("2025-01-14", 'a'), version("tpo-1", 2)]);
}

#[test]
fn bars_that_began_anew_replace_the_row_of_bars_that_are_gone() {
    // Removed and brought in again: the bars are at revision 1, the row was made from a revision 2 that nobody has.
    let (merged, fates) = all_over(&[version("tpo-1", 2), version("tpo-1", 1)], &bars(1));
    assert_eq!(fates, [Fate::Current, Fate::Current]);
    assert_eq!((merged.current, merged.history), (vec![version("tpo-1", 1)], vec![version("tpo-1", 2)]));
}

#[test]
fn who_was_slow_does_not_replace_the_row_of_the_bars_that_stand() {
    for slow in [version("tpo-1", 1), version("tpo-1", 3), pending(9, 1.0)] {
        let (merged, fates) = all_over(&[version("tpo-1", 2), slow], &bars(2));
        assert_eq!(fates, [Fate::Current, Fate::Older]);
        assert_eq!((merged.current, merged.history), (vec![version("tpo-1", 2)], vec![]));
    }
    // Neither stands: the later revision.
    let (merged, fates) = all_over(&[version("tpo-1", 2), version("tpo-1", 1), version("tpo-1", 3)], &bars(9));
    assert_eq!(fates, [Fate::Current, Fate::Older, Fate::Current]);
    assert_eq!(merged.current, [version("tpo-1", 3)]);
    // A later calculation is never replaced by an older one.
    let (merged, fates) = all_over(&[version("tpo-2", 1), version("tpo-1", 2)], &bars(2));
    assert_eq!((merged.current, fates[1]), (vec![version("tpo-2", 1)], Fate::Older));
    // The same bytes brought in anew, by other settings.
    let again = SessionRecord { revision: 1, settings: Some("bb".into()), ..version("tpo-1", 2) };
    let (merged, fates) = all_over(&[version("tpo-1", 2), again.clone()], &bars(2));
    assert_eq!((merged.current, fates[1]), (vec![again], Fate::Current));
}

#[test]
fn a_session_that_has_no_bars_any_more_is_kept_and_the_original_comes_back() {
    let key = withdrawal(empty(2));
    let merged = merge(tables(vec![computed(DATE, 1)], vec![]), vec![], &key, &bars(2));
    assert_eq!((merged.withdrawn, merged.tables), (vec![true], tables(vec![], vec![computed(DATE, 1)])));
    let standing = tables(vec![computed(DATE, 1)], vec![legacy(DATE, 'a')]);
    let merged = merge(standing, vec![], &key, &bars(2));
    let both = vec![legacy(DATE, 'a'), computed(DATE, 1)];
    assert_eq!(merged.tables, tables(vec![legacy(DATE, 'a')], both));
    let originals = tables(vec![legacy(DATE, 'a')], vec![legacy(DATE, 'a')]);
    let merged = merge(originals.clone(), vec![], &key, &bars(2));
    assert_eq!((merged.withdrawn, merged.tables), (vec![true], originals));
}

#[test]
fn nobody_withdraws_what_others_made_from_the_bars_that_stand() {
    let of = |grounds, stands: &Bars| {
        let merged = merge(tables(vec![computed(DATE, 2)], vec![]), vec![], &withdrawal(grounds), stands);
        assert_eq!(merged.tables.current.is_empty(), merged.withdrawn[0]);
        merged.withdrawn[0]
    };
    assert!(!of(empty(1), &bars(2)), "he read earlier bars");
    assert!(!of(empty(2), &bars(2)), "the row is of these very bars and settings");
    assert!(!of(Grounds::Refused(refusal(1)), &bars(2)));
    assert!(!of(Grounds::NoBars, &bars(2)));
    assert!(!of(Grounds::NoBars, &bars(3)));
    assert!(of(Grounds::NoBars, &Bars::new()));
    assert!(of(Grounds::NoSession, &bars(2)));
    assert!(of(empty(3), &bars(3)));
    assert!(of(Grounds::Refused(refusal(3)), &bars(3)));
    let later = tables(vec![version("tpo-2", 1)], vec![]);
    assert_eq!(merge(later, vec![], &withdrawal(empty(2)), &bars(2)).withdrawn, [false]);
}

#[test]
fn a_refusal_is_remembered_until_there_is_a_row() {
    let standing = tables(vec![computed(DATE, 1)], vec![]);
    let refused = merge(standing, vec![], &withdrawal(Grounds::Refused(refusal(2))), &bars(2)).tables;
    assert_eq!((refused.current.len(), &refused.history), (0, &vec![computed(DATE, 1)]));
    assert_eq!(refused.refused, [refusal(2)]);
    let other = merge(refused.clone(), vec![], &withdrawal(Grounds::Refused(refusal(3))), &bars(3)).tables;
    assert_eq!(other.refused, [refusal(3)]);
    let allowed = merge(refused, vec![computed(DATE, 3)], &[], &bars(3)).tables;
    assert_eq!((allowed.refused, allowed.current), (vec![], vec![computed(DATE, 3)]));
}

fn any_row() -> impl Strategy<Value = SessionRecord> {
    let computed_row =
        (1..3_u32, 1..4_u32, prop::bool::weighted(0.2), 1..3_u32).prop_map(|(calculation, revision, open, day)| {
            let mut row = version(&format!("tpo-{calculation}"), revision);
            row.date = format!("2025-01-1{day}").parse().unwrap();
            if open {
                row.condition = Condition::Pending;
            }
            row
        });
    let original = (prop::sample::select(vec!['a', 'b']), 1..3_u32)
        .prop_map(|(original, day)| legacy(&format!("2025-01-1{day}"), original));
    prop_oneof![3 => computed_row, 1 => original]
}

proptest! {
    #[test]
    fn no_row_that_was_current_is_ever_lost(rows in prop::collection::vec(any_row(), 1..12), stands in prop::option::of(1..5_u32)) {
        let dates = ["2025-01-11", "2025-01-12"];
        let bars: Bars =
            stands.into_iter().flat_map(|at| dates.map(|date| (date.parse().unwrap(), format!("{at:064x}")))).collect();
        let (merged, fates) = all_over(&rows, &bars);
        let together = merge(YearTables::default(), rows.clone(), &[], &bars);
        prop_assert_eq!((&together.tables, &together.fates), (&merged, &fates));
        for (row, fate) in rows.iter().zip(&fates) {
            let kept = merged.current.contains(row) || merged.history.contains(row);
            let taken = matches!(fate, Fate::Current | Fate::KeptInHistory | Fate::AlreadyThere);
            prop_assert!(kept || !taken || row.condition == Condition::Pending, "{:?}", fate);
        }
        // Once more changes nothing.
        prop_assert_eq!(merge(merged.clone(), rows, &[], &bars).tables, merged);
    }
}
