//! The rules of [`super`], each by rows worked out by hand.

use proptest::prelude::*;

use super::*;
use crate::profile::sample::{computed, legacy};

const DATE: &str = "2025-01-15";

/// Takes rows one by one, as if each came by itself.
fn all(rows: &[SessionRecord]) -> (Merged, Vec<Fate>) {
    let mut merged = Merged { current: Vec::new(), history: Vec::new(), fates: Vec::new() };
    let mut fates = Vec::new();
    for row in rows {
        merged = merge(merged.current, merged.history, vec![row.clone()], &[]);
        fates.append(&mut merged.fates);
    }
    (merged, fates)
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
    let merged = merge(vec![version("tpo-1", 1)], history.clone(), incoming, &[]);
    assert_eq!(merged.fates, [Fate::Current, Fate::Current]);
    assert_eq!(merged.history, history);
    assert_eq!(merged.current, [legacy("2025-01-14", 'a'), version("tpo-1", 2)]);
}

#[test]
fn a_session_that_has_no_bars_any_more_is_kept_and_the_original_comes_back() {
    let key = [(DATE.parse().unwrap(), SessionKind::Rth)];
    let merged = merge(vec![computed(DATE, 1)], vec![], vec![], &key);
    assert_eq!((merged.current, merged.history), (vec![], vec![computed(DATE, 1)]));
    let merged = merge(vec![computed(DATE, 1)], vec![legacy(DATE, 'a')], vec![], &key);
    assert_eq!((merged.current, merged.history), (vec![legacy(DATE, 'a')], vec![legacy(DATE, 'a'), computed(DATE, 1)]));
    let merged = merge(vec![legacy(DATE, 'a')], vec![legacy(DATE, 'a')], vec![], &key);
    assert_eq!((merged.current, merged.history), (vec![legacy(DATE, 'a')], vec![legacy(DATE, 'a')]));
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
    fn no_row_that_was_current_is_ever_lost(rows in prop::collection::vec(any_row(), 1..12)) {
        let (merged, fates) = all(&rows);
        let together = merge(Vec::new(), Vec::new(), rows.clone(), &[]);
        prop_assert_eq!((&together.current, &together.history, &together.fates), (&merged.current, &merged.history, &fates));
        for (row, fate) in rows.iter().zip(&fates) {
            let kept = merged.current.contains(row) || merged.history.contains(row);
            let taken = matches!(fate, Fate::Current | Fate::KeptInHistory | Fate::AlreadyThere);
            prop_assert!(kept || !taken || row.condition == Condition::Pending, "{:?}", fate);
        }
        // Once more changes nothing.
        let again = merge(merged.current.clone(), merged.history.clone(), rows, &[]);
        prop_assert_eq!((again.current, again.history), (merged.current, merged.history));
    }
}
